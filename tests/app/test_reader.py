import asyncio

import psycopg
import pytest
from psycopg import errors

from app import reader as reader_module
from app.reader import Reader, Unreadable, _Batcher

# The statement sees what was committed when it began, and takes its time.
SLOW = """
    SELECT k.n, t.body, 1
      FROM json_to_recordset(%(keys)s) AS k (n int, name text)
      JOIN things t ON t.name = k.name
     CROSS JOIN LATERAL (SELECT k.n FROM pg_sleep(0.5)) slowly
"""


def test_a_read_is_never_older_than_its_question(database_url):
    """A statement that began before a write was answered serves nobody who asks after that."""

    async def run():
        reader = Reader(database_url, (), connections_max=4, batch_max=10, queue_max=10, statement_seconds=30)
        try:
            questions = _Batcher(reader, SLOW, ("name",))
            early = asyncio.create_task(questions.get("a"))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(execute, database_url, "UPDATE things SET body = 'new'")
            assert not early.done()
            return (await questions.get("a")).body, (await early).body
        finally:
            await reader.stop()

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")

    assert ("new", "old") == asyncio.run(run())


def test_no_switch_within_a_snapshot(database_url):
    """The rows of tables that are put in their place later are not those that the snapshot shows."""

    async def run():
        reader = Reader(database_url, (), connections_max=1, batch_max=1, queue_max=1, statement_seconds=30)
        try:
            async with reader.snapshot() as connection:
                await connection.execute("SELECT count(*) FROM stored_events")
                for table in ("deployment_versions", "deployment_config_versions"):
                    with pytest.raises(errors.LockNotAvailable):
                        lock = f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT"
                        await asyncio.to_thread(execute, database_url, lock)
        finally:
            await reader.stop()

    asyncio.run(run())


def test_statements_prepared_on_tables_of_other_types_are_forgotten(database_url):
    """Whoever has read the tables of an earlier release reads those of its own when they are live."""

    async def read(reader):
        async with reader.connection() as connection:
            return await (await connection.execute("SELECT body FROM things")).fetchall()

    async def run():
        reader = Reader(database_url, (), connections_max=1, batch_max=1, queue_max=1, statement_seconds=30)
        try:
            for _ in range(5):
                await read(reader)
            await asyncio.to_thread(
                execute, database_url, "ALTER TABLE things ALTER body TYPE bigint USING 7"
            )
            with pytest.raises(Unreadable):
                await read(reader)
            return await read(reader)
        finally:
            await reader.stop()

    execute(database_url, "CREATE TABLE things AS SELECT 'old' AS body")

    assert [(7,)] == asyncio.run(run())


def test_nobody_waits_for_all_the_statements_before(database_url, monkeypatch):
    """Where each one takes the longest it may, those who have waited too long are turned away meanwhile."""
    monkeypatch.setattr(reader_module, "WAIT_SECONDS_MAX", 1.0)

    async def run():
        reader = Reader(database_url, (), connections_max=2, batch_max=1, queue_max=9, statement_seconds=0.8)
        try:
            questions = _Batcher(reader, SLOW.replace("0.5", "30"), ("name",))
            began = asyncio.get_running_loop().time()
            found = await asyncio.gather(*[questions.get("a") for _ in range(8)], return_exceptions=True)
            return [type(each) for each in found], asyncio.get_running_loop().time() - began
        finally:
            await reader.stop()

    execute(database_url, "CREATE TABLE things AS SELECT 'a' AS name, 'old' AS body")
    found, seconds = asyncio.run(run())

    assert [Unreadable] * 8 == found
    assert seconds < 4.0


def execute(database_url, statement):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
