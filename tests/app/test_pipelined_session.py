import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from app.connections import LimitedAsyncConnection
from app.pipelined_session import PipelinedSession

ADD = "INSERT INTO kept VALUES (%(n)s, %(text)s)"
CREATE = "CREATE TABLE IF NOT EXISTS kept (n int UNIQUE, text text)"


def on_a_connection(database_url, work):
    """Do it, then look at what was kept."""

    async def run():
        async with await LimitedAsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute(CREATE)
            await work(connection)
            if not connection.closed:
                rows = await connection.execute("SELECT n, text FROM kept ORDER BY n")
                return await rows.fetchall()
            return None

    return asyncio.run(run())


@asynccontextmanager
async def transaction(connection, prepared):
    session = PipelinedSession(connection, prepared)
    session.execute("BEGIN")
    yield session
    if not connection.closed:
        await connection.rollback()


def test_answers_belong_to_their_statements_in_whatever_order_they_are_read(database_url):
    """Also of a statement that is used twice, and again in a later transaction."""
    prepared = {}

    async def work(connection):
        for n in (1, 2):
            async with transaction(connection, prepared) as session:
                session.execute(ADD, {"n": n, "text": None})
                many = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "b", "a": "a"})
                again = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "", "a": "z"})
                count = session.execute("SELECT count(*), NULL FROM kept")
                await session.exchange()
                assert [(n, None)] == list(count)
                assert [("aba",)] == list(many)
                assert [("zz",)] == list(again)
                assert [(n, None)] == list(count)
                await session.commit()

    assert [(1, None), (2, None)] == on_a_connection(database_url, work)
    assert 5 == len(prepared)


def test_an_answer_is_not_there_before_an_exchange(database_url):
    """To look at it then is a mistake of the program, and no answer without rows."""

    async def work(connection):
        async with transaction(connection, {}) as session:
            early = session.execute("SELECT 1")
            with pytest.raises(RuntimeError, match="await an exchange first: SELECT 1"):
                list(early)

    on_a_connection(database_url, work)


def test_nothing_takes_place_if_one_statement_fails(database_url):
    """The failure is that of the exchange, of every later one, and of the commit."""

    async def work(connection):
        async with transaction(connection, {}) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute(ADD, {"n": 1, "text": "b"})
            after = session.execute("SELECT 2")
            for use in (session.exchange, session.exchange, session.commit):
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await use()
            with pytest.raises(RuntimeError):
                list(after)

    assert [] == on_a_connection(database_url, work)


def test_a_failure_in_the_round_of_the_commit_is_raised_by_it(database_url):
    """The COMMIT was sent, and not carried out."""

    async def work(connection):
        async with transaction(connection, {}) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute(ADD, {"n": 1, "text": "b"})
            with pytest.raises(psycopg.errors.UniqueViolation):
                await session.commit()

    assert [] == on_a_connection(database_url, work)


def test_what_could_not_be_prepared_is_prepared_again(database_url):
    """What stands behind a failed statement as well as the failed one itself."""
    prepared = {}

    async def work(connection):
        async with transaction(connection, prepared) as session:
            session.execute("SELECT 1")
            session.execute("SELECT n FROM later")
            session.execute("SELECT 3")
            with pytest.raises(psycopg.errors.UndefinedTable):
                await session.commit()
        await connection.execute("CREATE TABLE later AS SELECT 2 AS n")

        async with transaction(connection, prepared) as session:
            answers = [
                session.execute(statement) for statement in ("SELECT 3", "SELECT n FROM later", "SELECT 1")
            ]
            await session.exchange()
            assert [[(3,)], [(2,)], [(1,)]] == [list(answer) for answer in answers]

    on_a_connection(database_url, work)


def test_large_parameters_and_answers_do_not_block_each_other(database_url):
    """Neither side waits for the other to read first."""
    large = "x" * 2_000_000

    async def work(connection):
        async with transaction(connection, {}) as session:
            answers = [session.execute("SELECT %(text)s::text", {"text": large}) for _ in range(5)]
            await session.exchange()
            assert [[(large,)]] * 5 == [list(answer) for answer in answers]

    on_a_connection(database_url, work)


def test_a_connection_that_is_cut_in_the_middle_is_an_error(database_url):
    """Answers from before are not believed to be all."""

    async def work(connection):
        async with transaction(connection, {}) as session:
            session.execute(ADD, {"n": 1, "text": "a"})
            session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            for use in (session.commit, session.exchange):
                with pytest.raises(psycopg.OperationalError):
                    await use()
        assert connection.closed

    on_a_connection(database_url, work)
