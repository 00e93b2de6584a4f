import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import errors

from app import point_reads
from app.reader import Reader, Unreadable

FAST = """
    SELECT k.n, t.body, 1 FROM json_to_recordset(%(keys)s) AS k (n int, name text) JOIN things t ON t.name = k.name
"""
# The statement sees what was committed when it began, and takes its time.
SLOW = """
    SELECT k.n, t.body, 1
      FROM json_to_recordset(%(keys)s) AS k (n int, name text)
      JOIN things t ON t.name = k.name
     CROSS JOIN LATERAL (SELECT k.n FROM pg_sleep(0.5)) slowly
"""


@asynccontextmanager
async def reading(database_url, **limits):
    """A reader, which stops in the end."""
    limits = {"connections_max": 1, "batch_max": 9, "queue_max": 9, "statement_seconds": 30} | limits
    reader = Reader(database_url, (), **limits)
    try:
        yield reader
    finally:
        await reader.stop()


def test_a_read_is_never_older_than_its_question(database_url):
    """A statement that began before a write was answered serves nobody who asks after that."""

    async def run():
        async with reading(database_url, connections_max=4, batch_max=10, queue_max=10) as reader:
            ask = reader.points.of(SLOW, ("name",))
            early = ask("a")
            await asyncio.sleep(0.2)
            await asyncio.to_thread(execute, database_url, "UPDATE things SET body = 'new'")
            assert not early.done()
            return (await ask("a")).body, (await early).body

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    assert ("new", "old") == asyncio.run(run())


def test_no_switch_within_a_snapshot(database_url):
    """The rows of tables that are put in their place later are not those that the snapshot shows."""

    async def run():
        async with reading(database_url, batch_max=1, queue_max=1) as reader:
            async with reader.snapshot() as connection:
                await connection.execute("SELECT count(*) FROM stored_events")
                for table in ("deployment_versions", "deployment_config_versions"):
                    with pytest.raises(errors.LockNotAvailable):
                        lock = f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT"
                        await asyncio.to_thread(execute, database_url, lock)

    asyncio.run(run())


async def read_on_the_pool(reader):
    async with reader.connection() as connection:
        return (await (await connection.execute("SELECT body FROM things")).fetchall())[0][0]


async def read_the_point(reader):
    return (await reader.points.of(FAST, ("name",))("a")).body


@pytest.mark.parametrize("read", [read_on_the_pool, read_the_point])
def test_statements_prepared_on_tables_of_other_types_are_forgotten(database_url, read):
    """Whoever has read the tables of an earlier release reads those of its own when they are live."""

    async def run():
        async with reading(database_url, batch_max=1, queue_max=1) as reader:
            for _ in range(5):
                await read(reader)
            await asyncio.to_thread(
                execute, database_url, "ALTER TABLE things ALTER body TYPE bigint USING 7"
            )
            with pytest.raises(Unreadable, match="replaced by others"):
                await read(reader)
            return await read(reader)

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    assert 7 == asyncio.run(run())


def test_answers_belong_to_their_questions(database_url):
    """Whoever asks in one turn shares a statement, as far as one may be shared; what is not there is None."""

    async def run():
        async with reading(database_url, batch_max=3, queue_max=99) as reader:
            ask = reader.points.of(FAST, ("name",))
            found = await asyncio.gather(*map(ask, "bxacbab"))
            return [each and each.body for each in found]

    execute(
        database_url,
        "CREATE TABLE things AS SELECT n AS name, n || n AS body FROM unnest('{a,b,c}'::text[]) n",
    )

    assert ["bb", None, "aa", "cc", "bb", "aa", "bb"] == asyncio.run(run())


def test_a_connection_that_was_cut_while_nobody_read_is_replaced(database_url):
    """Whoever asks next does not notice, even if the event loop has not yet."""

    async def run():
        async with reading(database_url) as reader:
            ask = reader.points.of(FAST, ("name",))
            assert "old" == (await ask("a")).body
            execute(
                database_url,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            assert "old" == (await ask("a")).body

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    asyncio.run(run())


def test_no_more_may_wait_than_is_said(database_url):
    """Who comes then is turned away at once, and who stops answers those who wait."""

    async def run():
        async with reading(database_url, queue_max=2) as reader:
            ask = reader.points.of(FAST, ("name",))
            answers = [ask("a"), ask("a")]
            with pytest.raises(Unreadable, match="2 reads are waiting already"):
                ask("a")
        assert ["old", "old"] == [answer.result().body for answer in answers]

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    asyncio.run(run())


def test_a_database_that_is_away_is_tried_by_whoever_comes_next(database_url):
    """All who wait are told at once that it cannot be reached, and nothing is kept of that."""

    async def run():
        async with reading(database_url) as reader:
            ask = reader.points.of(FAST, ("name",))
            name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
            other = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
            execute(other, f'ALTER DATABASE "{name}" RENAME TO "{name}-away"')
            try:
                found = await asyncio.gather(ask("a"), ask("a"), return_exceptions=True)
                assert ["the database cannot be reached"] * 2 == list(map(str, found))
            finally:
                execute(other, f'ALTER DATABASE "{name}-away" RENAME TO "{name}"')
            assert "old" == (await ask("a")).body

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    asyncio.run(run())


def test_a_statement_that_cannot_be_prepared_fails_for_each_who_asks(database_url):
    """Whoever asks behind the first, before it has failed, is told to come back, and the next one why."""

    async def run():
        async with reading(database_url, batch_max=1) as reader:
            found = await asyncio.gather(
                *map(reader.points.of(FAST, ("name",)), "abc"), return_exceptions=True
            )
            return [type(each) for each in found]

    assert [errors.UndefinedTable, Unreadable, errors.UndefinedTable] == asyncio.run(run())


def test_no_default_of_the_database_changes_what_is_read(database_url):
    """Neither a text nor the key by which it is found, on the pipeline or on the pool."""

    async def run():
        async with reading(database_url, batch_max=1, queue_max=1) as reader:
            found = await reader.points.of(FAST, ("name",))("h\xe9 \u4e2d")
            return found.body, await read_on_the_pool(reader)

    execute(
        database_url, "CREATE TABLE things AS SELECT U&'h\\00e9 \\4e2d' AS name, U&'\\4e2d \\00e9' AS body"
    )
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    execute(database_url, f"ALTER DATABASE \"{name}\" SET client_encoding = 'LATIN1'")

    assert ("\u4e2d \xe9", "\u4e2d \xe9") == asyncio.run(run())


def test_nobody_waits_for_all_the_statements_before(database_url, monkeypatch):
    """Where each one takes the longest it may, those who have waited too long are turned away meanwhile."""
    monkeypatch.setattr(point_reads, "WAIT_SECONDS_MAX", 1.0)

    async def run():
        async with reading(database_url, connections_max=2, batch_max=1, statement_seconds=0.8) as reader:
            ask = reader.points.of(SLOW.replace("0.5", "30"), ("name",))
            began = asyncio.get_running_loop().time()
            found = await asyncio.gather(*[ask("a") for _ in range(8)], return_exceptions=True)
            return [type(each) for each in found], asyncio.get_running_loop().time() - began

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")
    found, seconds = asyncio.run(run())

    assert [Unreadable] * 8 == found
    assert seconds < 4.0


def execute(database_url, statement):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
