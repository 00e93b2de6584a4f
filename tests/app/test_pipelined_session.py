import asyncio
import time
from contextlib import asynccontextmanager

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.connections import LimitedAsyncConnection
from app.event_log import LOCK
from app.pipeline import Pipeline
from app.pipelined_session import PipelinedSession

ADD = "INSERT INTO kept VALUES (%(n)s, %(text)s)"
CREATE = "CREATE TABLE IF NOT EXISTS kept (n int UNIQUE, text text)"
CUT = "SELECT pg_terminate_backend(pg_backend_pid())"


def on_a_pipeline(database_url, work):
    """Do it, on the event loop that the service uses, then look at what was kept."""

    async def run():
        pipeline = Pipeline(await LimitedAsyncConnection.connect(database_url, autocommit=True))
        try:
            await work(pipeline)
        finally:
            pipeline.close()

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(CREATE)
        uvloop.run(run())
        return connection.execute("SELECT n, text FROM kept ORDER BY n").fetchall()


@asynccontextmanager
async def a_line(database_url, changed):
    """The address of a relay to the database, on which rows with "garble" in them are `changed`."""
    target = conninfo_to_dict(database_url)
    writers = []

    async def up(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)

    async def down(reader, writer):
        while kind := await reader.read(1):
            length = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(length, "big") - 4)
            message = kind + length + body
            writer.write(changed(message) if kind == b"D" and b"garble" in body else message)

    async def accept(reader, writer):
        path = f"{target['host']}/.s.PGSQL.{target.get('port', 5432)}"
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        writers.extend((writer, server_writer))
        await asyncio.gather(up(reader, server_writer), down(server_reader, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        try:
            yield make_conninfo(database_url, host=host, port=port, sslmode="disable", gssencmode="disable")
        finally:
            for writer in writers:
                writer.close()
            await asyncio.gather(*[writer.wait_closed() for writer in writers], return_exceptions=True)


@asynccontextmanager
async def transaction(pipeline, seconds=10):
    session = PipelinedSession(pipeline, seconds)
    session.execute("BEGIN")
    yield session
    await session.rollback()
    assert pipeline.is_idle() or pipeline.closed


def test_answers_belong_to_their_statements_in_whatever_order_they_are_read(database_url):
    """Also of a statement that is used twice, and again in a later transaction, and it is prepared once."""

    async def work(pipeline):
        for n in (1, 2):
            async with transaction(pipeline) as session:
                session.execute(ADD, {"n": n, "text": None})
                many = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "b", "a": "a"})
                again = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "", "a": "z"})
                count = session.execute("SELECT count(*), NULL FROM kept")
                prepared = session.execute("SELECT count(*) FROM pg_prepared_statements")
                await session.exchange()
                assert [(n, None)] == list(count)
                assert [("aba",)] == list(many)
                assert [("zz",)] == list(again)
                assert [(n, None)] == list(count)
                assert [(5 if n == 1 else 7,)] == list(prepared)  # COMMIT and ROLLBACK are new the first time
                await session.commit()

    assert [(1, None), (2, None)] == on_a_pipeline(database_url, work)


def test_an_answer_is_not_there_before_an_exchange(database_url):
    """To look at it then is a mistake of the program, and no answer without rows."""

    async def work(pipeline):
        async with transaction(pipeline) as session:
            early = session.execute("SELECT 1")
            with pytest.raises(RuntimeError, match="await an exchange first: SELECT 1"):
                list(early)

    on_a_pipeline(database_url, work)


def test_nothing_takes_place_if_one_statement_fails(database_url):
    """The failure is that of the exchange, of every later one, and of the commit."""

    async def work(pipeline):
        async with transaction(pipeline) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute(ADD, {"n": 1, "text": "b"})
            after = session.execute("SELECT 2")
            for use in (session.exchange, session.exchange, session.commit):
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await use()
            with pytest.raises(RuntimeError):
                list(after)

    assert [] == on_a_pipeline(database_url, work)


def test_a_failure_in_the_round_of_the_commit_is_raised_by_it(database_url):
    """The COMMIT was sent, and not carried out."""

    async def work(pipeline):
        async with transaction(pipeline) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute(ADD, {"n": 1, "text": "b"})
            with pytest.raises(psycopg.errors.UniqueViolation):
                await session.commit()

    assert [] == on_a_pipeline(database_url, work)


def test_what_could_not_be_prepared_is_prepared_again(database_url):
    """What stands behind a failed statement as well as the failed one itself."""

    async def work(pipeline):
        async with transaction(pipeline) as session:
            session.execute("SELECT 1")
            session.execute("SELECT n FROM later")
            session.execute("SELECT 3")
            with pytest.raises(psycopg.errors.UndefinedTable):
                await session.commit()
        with psycopg.connect(database_url) as other:
            other.execute("CREATE TABLE later AS SELECT 2 AS n")

        async with transaction(pipeline) as session:
            answers = [
                session.execute(statement) for statement in ("SELECT 3", "SELECT n FROM later", "SELECT 1")
            ]
            await session.exchange()
            assert [[(3,)], [(2,)], [(1,)]] == [list(answer) for answer in answers]

    on_a_pipeline(database_url, work)


def test_large_parameters_and_answers_do_not_block_each_other(database_url):
    """Neither side waits for the other to read first."""
    large = "x" * 2_000_000

    async def work(pipeline):
        async with transaction(pipeline) as session:
            answers = [session.execute("SELECT %(text)s::text", {"text": large}) for _ in range(5)]
            await session.exchange()
            assert [[(large,)]] * 5 == [list(answer) for answer in answers]

    on_a_pipeline(database_url, work)


def test_a_connection_that_is_cut_in_the_middle_is_an_error(database_url):
    """Answers from before are not believed to be all."""

    async def work(pipeline):
        async with transaction(pipeline) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute(CUT)
            for use in (session.commit, session.exchange):
                with pytest.raises(psycopg.OperationalError):
                    await use()
        assert pipeline.closed

    assert [] == on_a_pipeline(database_url, work)


def test_what_was_sent_ahead_is_answered_behind(database_url):
    """The answer to a commit is there while the statements that were sent behind it wait for a lock."""

    async def work(pipeline):
        first, second = PipelinedSession(pipeline, 10), PipelinedSession(pipeline, 10)
        for session, n in ((first, 1), (second, 2)):
            session.execute("BEGIN")
            if n == 2:
                session.execute(LOCK)
            session.execute(ADD, {"n": n, "text": None})
        first.execute("COMMIT")
        first.send()
        with psycopg.connect(database_url) as other:
            other.execute(LOCK)
            second.send()
            await first.exchange()
            waits = asyncio.create_task(second.commit())
            await asyncio.sleep(0.1)
            assert not waits.done()
        await waits

    assert [(1, None), (2, None)] == on_a_pipeline(database_url, work)


def test_what_was_sent_ahead_fails_with_what_it_follows(database_url):
    """Nothing of either takes place, and the pipeline is of use again after a rollback."""

    async def work(pipeline):
        async with transaction(pipeline) as first:
            first.execute(ADD, {"n": 1, "text": "a"})
            first.execute(ADD, {"n": 1, "text": "b"})
            first.execute("COMMIT")
            first.send()
            async with transaction(pipeline) as second:
                second.execute(ADD, {"n": 2, "text": "c"})
                second.send()
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await first.exchange()
                with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                    await second.exchange()
        async with transaction(pipeline) as third:
            third.execute(ADD, {"n": 3, "text": "d"})
            await third.commit()

    assert [(3, "d")] == on_a_pipeline(database_url, work)


def test_an_answer_that_came_before_the_end_counts(database_url):
    """A commit that was answered took place, also if the connection was cut right behind it."""

    async def work(pipeline):
        first, second = PipelinedSession(pipeline, 10), PipelinedSession(pipeline, 10)
        first.execute(ADD, {"n": 1, "text": "a"})
        first.send()
        second.execute(CUT)
        second.send()
        await first.exchange()
        with pytest.raises(psycopg.OperationalError):
            await second.exchange()

    assert [(1, "a")] == on_a_pipeline(database_url, work)


def test_whoever_is_not_answered_in_time_hangs_up(database_url):
    """That is an error like the loss of the connection, for all that was sent; shorter limits count at once."""

    async def work(pipeline):
        async with transaction(pipeline, seconds=60) as session:
            await session.exchange()
        async with transaction(pipeline, seconds=0.2) as session:
            session.execute("SELECT pg_sleep(30)")
            session.send()
            behind = PipelinedSession(pipeline, 60)
            behind.execute("SELECT 1")
            behind.send()
            for each in (session, behind):
                with pytest.raises(psycopg.OperationalError):
                    await asyncio.wait_for(each.exchange(), 5)
        assert pipeline.closed

    on_a_pipeline(database_url, work)


def test_whoever_is_cancelled_hangs_up(database_url):
    """What is open then is rolled back by the server, and what was sent behind it fails."""

    async def work(pipeline):
        session, behind = PipelinedSession(pipeline, 60), PipelinedSession(pipeline, 60)
        session.execute("SELECT pg_sleep(30)")
        waits = asyncio.create_task(session.exchange())
        await asyncio.sleep(0.05)
        behind.execute("SELECT 1")
        behind.send()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        with pytest.raises(psycopg.OperationalError):
            await behind.exchange()
        assert pipeline.closed

    on_a_pipeline(database_url, work)


def test_a_connection_that_ended_is_not_idle(database_url):
    """That the server hung up is noticed when it did, without a question to the server."""

    async def work(pipeline):
        assert pipeline.is_idle()
        async with transaction(pipeline) as session:
            pid = session.execute("SELECT pg_backend_pid()")
            await session.exchange()
            assert not pipeline.is_idle()
        with psycopg.connect(database_url) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", next(iter(pid)))
        assert not pipeline.is_idle()
        await asyncio.sleep(0.05)
        assert pipeline.closed

    on_a_pipeline(database_url, work)


def test_an_end_that_comes_with_a_last_word_is_noticed_at_once(database_url):
    """Also where the loop saw both together, and where the server left without reading what was sent ahead.

    The loop tells of such an error once, and never again if the reading stops at the last word.
    """

    async def work(pipeline):
        first, second = PipelinedSession(pipeline, 60), PipelinedSession(pipeline, 60)
        pid = first.execute("SELECT pg_backend_pid()")
        await first.exchange()
        first.execute("SELECT pg_sleep(30)")
        first.send()
        await asyncio.sleep(0.1)
        second.execute("SELECT 1")
        second.send()
        with psycopg.connect(database_url) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", next(iter(pid)))
        time.sleep(0.1)  # the socket's end comes a little after that of the session  # noqa: ASYNC251
        for each in (first, second):
            with pytest.raises(psycopg.OperationalError):
                await asyncio.wait_for(each.exchange(), 5)

    on_a_pipeline(database_url, work)


def test_a_pipeline_that_ended_leaves_others_alone(database_url):
    """Closed once more, it does not stop the next one from being read that has its socket's number."""

    async def work(pipeline):
        first = PipelinedSession(pipeline, 10)
        first.execute(CUT)
        with pytest.raises(psycopg.OperationalError):
            await first.exchange()
        connection = await LimitedAsyncConnection.connect(database_url, autocommit=True)
        socket = connection.fileno()
        other = Pipeline(connection)
        try:
            pipeline.close()
            session = PipelinedSession(other, 60)
            answer = session.execute("SELECT 1")
            await asyncio.wait_for(session.exchange(), 5)
            assert [(1,)] == list(answer)
        finally:
            other.close()
        return socket

    async def on_the_same_socket(pipeline):
        expected = pipeline._connection.fileno()
        assert expected == await work(pipeline)

    on_a_pipeline(database_url, on_the_same_socket)


def nonsense(_):
    """The driver hangs up."""
    return b"\xff" * 100


def a_field_too_many(message):
    """The driver says that it failed, and goes on with what comes then."""
    body = (2).to_bytes(2, "big") + message[7:] + b"\xff" * 4
    return message[:1] + (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize("changed", [nonsense, a_field_too_many])
def test_what_is_no_answer_ends_the_connection(database_url, changed):
    """It is an error at once, and what comes behind it is no answer to anything."""

    async def work(_):
        async with a_line(database_url, changed) as url:
            pipeline = Pipeline(await LimitedAsyncConnection.connect(url, autocommit=True))
            try:
                session, behind = PipelinedSession(pipeline, 60), PipelinedSession(pipeline, 60)
                session.execute("SELECT 1")
                await session.exchange()
                session.execute("SELECT 'gar' || 'ble'")
                session.send()
                behind.execute("SELECT 2, pg_sleep(0.1)")
                behind.send()
                for each in (session, behind):
                    with pytest.raises(psycopg.OperationalError):
                        await asyncio.wait_for(each.exchange(), 5)
                assert pipeline.closed
            finally:
                pipeline.close()

    on_a_pipeline(database_url, work)


def test_an_answer_that_cannot_be_read_ends_the_connection(database_url):
    """The driver reads dates in one style only; what it makes of another is an error of all that was sent."""

    async def work(pipeline):
        session, behind = PipelinedSession(pipeline, 60), PipelinedSession(pipeline, 60)
        session.execute("SET DateStyle = 'SQL, DMY'")
        session.execute("SELECT now()")
        session.send()
        behind.execute("SELECT 2, pg_sleep(0.1)")
        behind.send()
        for each in (session, behind):
            with pytest.raises(psycopg.OperationalError, match="could not be read"):
                await asyncio.wait_for(each.exchange(), 5)
        assert pipeline.closed

    on_a_pipeline(database_url, work)


def test_an_answer_is_told_while_much_is_sent_behind_it(database_url):
    """The driver reads it when the socket takes no more, and then the loop has nothing to tell."""

    async def work(pipeline):
        first, second = PipelinedSession(pipeline, 60), PipelinedSession(pipeline, 60)
        first.execute("SELECT 1")
        first.send()
        time.sleep(0.1)  # until the answer is there  # noqa: ASYNC251
        second.execute("SELECT length(%(text)s), pg_sleep(2)", {"text": "x" * 5_000_000})
        second.send()
        await asyncio.wait_for(first.exchange(), 1)
        await second.exchange()

    on_a_pipeline(database_url, work)
