"""A doorbell: who has committed events rings it, and all processes on the database that wait wake up.

A ring is a hint and nothing more. It may be lost, come twice or for nothing, so whoever waits looks by itself
from time to time. It is never part of the transaction that appends: a NOTIFY there would serialise the
commits of the whole database cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, LiteralString

import structlog
from psycopg import AsyncConnection, Error

from app.connections import address

PAUSE_SECONDS: Final = 0.025
"""Between two rings to other processes: commits in quick succession share one."""

RECONNECT_SECONDS: Final = 1.0
_LISTEN: Final[LiteralString] = "LISTEN deployment_ledger"
_NOTIFY: Final[LiteralString] = "NOTIFY deployment_ledger"
# A NOTIFY is a commit, but there is nothing in it that has to survive.
_SESSION: Final[LiteralString] = "SET synchronous_commit = off"

_log = structlog.get_logger()


class Doorbell:
    """One process's doorbell: one connection that listens, and one that rings, opened when first needed."""

    def __init__(self, database_url: str, heard: Callable[[], None]) -> None:
        self._database_url = database_url
        self._heard = heard
        self._to_tell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._own_pid: int | None = None

    async def start(self) -> None:
        """Listen, on the running loop; `heard` is called on it."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]

    async def stop(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ring(self) -> None:
        """Say, on the loop, that something was committed; it takes no time and cannot fail."""
        self._heard()
        self._to_tell.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with await self._connect("listens") as connection:
                    await connection.execute(_LISTEN)
                    self._heard()  # who knows what was missed until now
                    async for notification in connection.notifies():
                        if notification.pid != self._own_pid:
                            self._heard()
            except Error as lost:
                _log.warning("the connection that listens was lost", error=str(lost))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            try:
                async with await self._connect("rings") as connection:
                    await connection.execute(_SESSION)
                    self._own_pid = connection.info.backend_pid
                    while True:
                        await self._to_tell.wait()
                        self._to_tell.clear()
                        await connection.execute(_NOTIFY)
                        await asyncio.sleep(PAUSE_SECONDS)
            except Error as lost:
                _log.warning("the connection that rings was lost", error=str(lost))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self, purpose: str) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(
            address(self._database_url, purpose), autocommit=True, prepare_threshold=None
        )
