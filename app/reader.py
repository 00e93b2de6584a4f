"""Reads of the projections: single objects (see `point_reads`), and on a pool of connections all else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final, LiteralString

import structlog
from psycopg import AsyncConnection, IsolationLevel, errors

from app import metrics
from app.connections import LOST, WAIT_SECONDS_MAX, Connections, address, connected, in_time
from app.event_log import WAIT_FOR_WRITERS
from app.point_reads import Found, PointReads, Unreadable
from app.projection_versions import Stale, ask_stale
from projections.lists import ListQuery, Page, list_statement
from projections.versions import VersionsTable

__all__ = ["Found", "Reader", "Unreadable"]

CUT_SECONDS: Final = 1.0
"""How much longer to wait for a statement than the database is told to try."""

OTHER_SHAPE: Final = (
    errors.UndefinedColumn,
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.DatatypeMismatch,
    errors.FeatureNotSupported,  # a prepared statement whose columns have other types now
    errors.InvalidSqlStatementName,  # it could not be prepared, which another read is told
)
"""How statements fail on tables of another shape than this program's."""

# As for writers: a plan made while a table was small must not scan it when it has grown, and a statement that
# waits for a lock must not show what was before it.
READER_SESSION: Final[LiteralString] = """
    SET default_transaction_read_only = on;
    SET default_transaction_isolation = 'read committed';
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off
"""

KEEP_TABLES: Final[LiteralString] = (
    "LOCK TABLE deployment_versions, deployment_config_versions IN ACCESS SHARE MODE"
)
"""Until the transaction ends no rebuild puts others in their place; a snapshot from before would not show
all rows of these."""

HEAD: Final[LiteralString] = """
    SELECT notification_id FROM stored_events ORDER BY notification_id DESC LIMIT 1
"""
LATER_THAN: Final[LiteralString] = "SELECT 1 FROM stored_events WHERE recorded_at > %s LIMIT 1"
POSITION_AT: Final[LiteralString] = """
    SELECT notification_id FROM stored_events WHERE recorded_at <= %s ORDER BY recorded_at DESC LIMIT 1
"""

_log = structlog.get_logger()


class Reader:
    """All reads of one process, on read-only connections."""

    def __init__(
        self,
        database_url: str,
        tables: Sequence[VersionsTable[Any]],
        *,
        connections_max: int,
        batch_max: int,
        queue_max: int,
        statement_seconds: float,
    ) -> None:
        connect = partial(
            connected,
            address(database_url, "reads"),
            READER_SESSION,
            statement_seconds=statement_seconds,
            prepare_threshold=2,
        )
        self._connections = Connections(
            connect, connections_max=connections_max, use_seconds=statement_seconds + CUT_SECONDS
        )
        self.points = PointReads(
            lambda: in_time(connect(), WAIT_SECONDS_MAX),
            self._reason,
            batch_max=batch_max,
            queue_max=queue_max,
            answer_seconds=statement_seconds + CUT_SECONDS,
        )
        self._latest = {
            table.resource: self.points.of(table.statement["get_latest"], ("workspace", "name"))
            for table in tables
        }
        self._version = {
            table.resource: self.points.of(table.statement["get_version"], ("workspace", "name", "version"))
            for table in tables
        }

    async def stop(self) -> None:
        """Close the connections; reads that still run finish first."""
        await self.points.stop()
        await self._connections.close()

    async def latest(self, table: VersionsTable[Any], workspace: str, name: str) -> Found | None:
        """The latest version of a name."""
        return await self._latest[table.resource](workspace, name)

    async def version(
        self, table: VersionsTable[Any], workspace: str, name: str, version: int
    ) -> Found | None:
        """One version of a name."""
        return await self._version[table.resource](workspace, name, version)

    async def latest_as_of(
        self, table: VersionsTable[Any], workspace: str, name: str, position: int
    ) -> Found | None:
        """What was the latest version of a name at a position."""
        return await self._found(
            table.statement["get_latest_as_of"], workspace=workspace, name=name, position=position
        )

    async def version_as_of(
        self, table: VersionsTable[Any], workspace: str, name: str, version: int, position: int
    ) -> Found | None:
        """One version of a name as it was at a position."""
        where = {"workspace": workspace, "name": name, "version": version, "position": position}
        return await self._found(table.statement["get_version_as_of"], **where)

    async def versions_as_of(
        self, table: VersionsTable[Any], workspace: str, name: str, position: int
    ) -> list[str]:
        """The bodies of all versions of a name as they were at a position, highest first."""
        where = {"workspace": workspace, "name": name, "position": position}
        async with self.connection() as connection:
            rows = await connection.execute(table.statement["list_versions_as_of"], where)
            return [body for (body,) in await rows.fetchall()]

    async def head(self) -> int:
        """The position of the last event, 0 if there is none."""
        async with self.connection() as connection:
            row = await (await connection.execute(HEAD)).fetchone()
        return 0 if row is None else int(row[0])

    async def position_at(self, time: datetime) -> int:
        """The position of the last event at a time or before it, 0 if there is none.

        An event gets its time while its writer holds the log's lock, so one that is about to be committed
        may still come by then, unless a later one is there already: times grow in the order of commits.
        Where none is, this waits until no writer holds the lock: whoever asks again gets the same answer.
        """
        async with self.connection() as connection:
            if await (await connection.execute(LATER_THAN, (time,))).fetchone() is None:
                await connection.execute(WAIT_FOR_WRITERS)
            row = await (await connection.execute(POSITION_AT, (time,))).fetchone()
        return 0 if row is None else int(row[0])

    async def _found(self, statement: LiteralString, **where: Any) -> Found | None:
        async with self.connection() as connection:
            row = await (await connection.execute(statement, where)).fetchone()
        return None if row is None else Found(*row)

    async def versions(self, table: VersionsTable[Any], workspace: str, name: str) -> list[str]:
        """The bodies of all versions of a name, highest first."""
        where = {"workspace": workspace, "name": name}
        async with self.connection() as connection:
            rows = await connection.execute(table.statement["list_versions"], where)
            return [body for (body,) in await rows.fetchall()]

    async def page(self, table: VersionsTable[Any], query: ListQuery) -> Page:
        """One page of a list, with the number of all that match, from one snapshot."""
        statement, parameters = list_statement(table.table, query)
        async with self.connection() as connection:
            row = await (await connection.execute(statement, parameters, prepare=False)).fetchone()
        if row is None:
            return Page(0, [])
        return Page(*row)

    @asynccontextmanager
    async def connection(
        self, seconds: float | None = None
    ) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """A connection, for so long at most; `Unreadable` if the database is away or has other tables."""
        try:
            async with self._readable(seconds) as connection:
                try:
                    yield connection
                except errors.FeatureNotSupported:
                    # With what it has prepared on the tables before it would fail again and again.
                    await connection.close()
                    raise
        except OTHER_SHAPE as unknown:
            reason = await self._reason(unknown)
            if reason is unknown:
                raise
            raise reason from unknown

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        """Like `connection`, and all its statements see one state, whatever is committed or switched."""
        async with self.connection() as connection:
            # Sent with the transaction's begin; statements outside of one do not know it.
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            async with connection.transaction():
                # Before the snapshot is taken, which is by the first statement that reads.
                await connection.execute(KEEP_TABLES, prepare=False)
                yield connection

    async def stale(self, seconds: float | None = None) -> list[Stale]:
        """The projections whose live tables are not of this program's versions."""
        async with self._readable(seconds) as connection:
            return [Stale(*row) for row in await (await connection.execute(*ask_stale())).fetchall()]

    @asynccontextmanager
    async def _readable(self, seconds: float | None) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        try:
            async with self._connections.connection(seconds) as connection:
                yield connection
        except LOST as lost:
            raise await self._reason(lost) from lost

    async def _reason(self, fault: BaseException) -> BaseException:
        """What is raised to those who asked, in place of what the database said."""
        if isinstance(fault, LOST):
            _log.warning("database cannot be read", error=str(fault))
            return Unreadable("the database cannot be reached")
        if isinstance(fault, OTHER_SHAPE):
            if found := await self.stale():
                return Unreadable("; ".join(map(str, found)))
            if isinstance(fault, (errors.FeatureNotSupported, errors.InvalidSqlStatementName)):
                return Unreadable("the tables have just been replaced by others")
        return fault

    def observe_pool(self) -> None:
        """Bring the pool's metrics up to date."""
        idle, in_use = self._connections.idle, self._connections.in_use
        for state, number in (
            ("pool_size", idle + in_use),
            ("pool_available", idle),
            ("requests_waiting", self._connections.waiting),
        ):
            metrics.POOL_CONNECTIONS.labels(state).set(number)
