"""Indexes and statistics of new tables, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, LiteralString

from psycopg import Connection, sql

from app import live_tables
from app.rebuild import registry
from app.rebuild.tables import NEW
from domain.names import Resource
from projections.references import TABLES

AT_A_TIME: Final = 5
"""Builds at the same time, all of the larger table: PostgreSQL lets them read it together."""

_BUILDER: Final = 0x696E_6465_7865_7300  # "indexes" in ASCII
_SESSION: Final[LiteralString] = f"""
    SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '128MB';
    SELECT pg_advisory_lock_shared({_BUILDER})
"""
# Those of a process that was killed may go on for a moment; with the lock, they have ended.
_WAIT_FOR_OTHERS: Final[LiteralString] = (
    f"SELECT pg_advisory_lock({_BUILDER}), pg_advisory_unlock({_BUILDER})"
)


def finish(
    connection: Connection[Any], resources: Sequence[Resource], *, step: Callable[[], None] = lambda: None
) -> None:
    """Build the indexes that are missing, each in a transaction of its own, and gather statistics."""
    connection.execute(_WAIT_FOR_OTHERS)
    step()
    missing = [
        statement for resource in resources for statement in live_tables.missing_indexes(connection, resource)
    ]
    _execute(connection, missing)
    analyze = sql.SQL("ANALYZE {}")
    _execute(connection, [analyze.format(sql.Identifier(NEW, TABLES[resource])) for resource in resources])


def _execute(beside: Connection[Any], statements: Sequence[LiteralString | sql.Composed]) -> None:
    """Execute all, some at the same time, each on its own."""
    waiting = deque(statements)
    builders = min(AT_A_TIME, len(waiting))
    if builders == 0:
        return
    with ThreadPoolExecutor(builders) as pool:
        try:
            for ended in [pool.submit(_work, beside, waiting) for _ in range(builders)]:
                ended.result()
        finally:
            # Whoever interrupts does not wait for those that have not begun.
            waiting.clear()


def _work(beside: Connection[Any], waiting: deque[LiteralString | sql.Composed]) -> None:
    with registry.another(beside, _SESSION) as connection:
        while True:
            try:
                statement = waiting.popleft()
            except IndexError:
                return
            connection.execute(statement)
