import asyncio

import psycopg

from app.reader import Reader, _Batcher

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


def execute(database_url, statement):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)
