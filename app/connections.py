"""Connections to PostgreSQL that nobody waits for without end, whatever the database or the network does.

The server's own limits on statements are no help where the server hangs or its answers do not arrive. So each
connection has a time by which it must be done; then it is closed, and the server rolls back what was open.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import Any, Final, LiteralString, TypeVar

from psycopg import AsyncConnection, InterfaceError, OperationalError, errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import Row
from typing_extensions import override

CONNECT_SECONDS_MAX: Final = 5
WAIT_SECONDS_MAX: Final = 5.0
"""How long to wait for a connection while all are in use."""

LOST: Final = (
    OperationalError,
    InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,  # the server has become a standby
)
"""What is raised when the database is away, goes away, is full, or gives up on a statement."""

T = TypeVar("T")


def address(database_url: str, purpose: str) -> str:
    """The database's address, with what the connections of every purpose have in common.

    Text is UTF-8 whatever the database, the role or the environment says that it is by default.
    """
    seconds = conninfo_to_dict(database_url).get("connect_timeout", CONNECT_SECONDS_MAX)
    return make_conninfo(
        database_url,
        application_name=f"deployment-ledger {purpose}",
        connect_timeout=seconds,
        client_encoding="UTF8",
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
    )


class LimitedAsyncConnection(AsyncConnection[Row]):
    """A connection for one event loop."""

    _until = inf

    def allow(self, seconds: float) -> None:
        """From now on all its statements together may take so long; then it is closed."""
        self._until = monotonic() + seconds

    @override
    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await super().wait(gen, interval, _left(self._until))
        except OperationalError:
            if monotonic() >= self._until:
                self.pgconn.finish()
            raise


def is_usable(connection: AsyncConnection[Any]) -> bool:
    """Whether a connection is idle and still there, without asking the server.

    The server says nothing to an idle connection, unless that it is over.
    """
    if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


async def connected(
    url: str, session: LiteralString, *, statement_seconds: float, prepare_threshold: int | None
) -> LimitedAsyncConnection[tuple[Any, ...]]:
    """A new connection with the settings of a session; one of `LOST` if the database is away.

    Whatever the default is, dates are written as the driver reads them.
    """
    connection = await LimitedAsyncConnection[tuple[Any, ...]].connect(
        url, autocommit=True, prepare_threshold=prepare_threshold
    )
    try:
        connection.allow(CONNECT_SECONDS_MAX)
        await connection.execute("SET DateStyle = 'ISO';" + session)
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, false)", (str(round(statement_seconds * 1000)),)
        )
    except BaseException:
        await connection.close()
        raise
    return connection


async def in_time(connecting: Awaitable[T], seconds: float) -> T:
    """What comes of it; one of `LOST` if that takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await connecting
    except TimeoutError as late:
        msg = f"there was no connection within {seconds:g} seconds"
        raise OperationalError(msg) from late


class Connections:
    """Up to so many connections of one event loop, opened when they are needed.

    Nothing is remembered about a database that is away: whoever comes next tries it again.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[LimitedAsyncConnection[tuple[Any, ...]]]],
        *,
        connections_max: int,
        use_seconds: float,
    ) -> None:
        self._connect = connect
        self._use_seconds = use_seconds
        self._idle: list[LimitedAsyncConnection[tuple[Any, ...]]] = []
        self._free = asyncio.Semaphore(connections_max)
        self.in_use = 0
        self.waiting = 0

    @property
    def idle(self) -> int:
        """How many are open and not in use."""
        return len(self._idle)

    @asynccontextmanager
    async def connection(
        self, seconds: float | None = None
    ) -> AsyncIterator[LimitedAsyncConnection[tuple[Any, ...]]]:
        """A connection for so long at most; one of `LOST` if there is none."""
        connection = await self._taken(seconds or WAIT_SECONDS_MAX)
        connection.allow(seconds or self._use_seconds)
        try:
            yield connection
        finally:
            await self._give_back(connection)
            self._free.release()
            self.in_use -= 1

    async def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _taken(self, seconds: float) -> LimitedAsyncConnection[tuple[Any, ...]]:
        self.waiting += 1
        try:
            connection = await in_time(self._acquired(), seconds)
        finally:
            self.waiting -= 1
        self.in_use += 1
        return connection

    async def _acquired(self) -> LimitedAsyncConnection[tuple[Any, ...]]:
        await self._free.acquire()
        try:
            return await self._take()
        except BaseException:
            self._free.release()
            raise

    async def _take(self) -> LimitedAsyncConnection[tuple[Any, ...]]:
        while self._idle:
            connection = self._idle.pop()
            if is_usable(connection):
                return connection
            await connection.close()
        return await self._connect()

    async def _give_back(self, connection: LimitedAsyncConnection[tuple[Any, ...]]) -> None:
        if is_usable(connection):
            self._idle.append(connection)
        else:
            await connection.close()


def _left(until: float) -> float | None:
    return None if until == inf else max(0.0, until - monotonic())
