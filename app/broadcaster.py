"""Everybody who watches a process's log, and the one task that follows it for them.

The task reads what is new, in the order of positions, and keeps the last of it in a window that all watchers
share. A watcher is nothing but a position: what comes next for it is in the window, or it is further behind
and reads a page of the log itself, until it has caught up with the window. So a slow reader holds up nobody
and needs no queue, and nothing is ever skipped. While nobody watches, nobody follows.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

import structlog

from app import metrics
from app.admission import never
from app.reader import Reader, Unreadable
from app.watcher import POLL_SECONDS, Watcher
from app.window import Window
from domain.sight import Sights
from projections.following import Wanted

PAUSE_SECONDS: Final = 0.002
LINGER_SECONDS: Final = 30.0
"""How long the log is followed on after the last watcher has left: it may come back."""

WOKEN_AT_ONCE: Final = 32
END_STREAMS: Final = signal.SIGUSR1
"""Tells a process to end its streams, so that it can stop: it would wait for its running requests."""

_log = structlog.get_logger()


class Broadcaster:
    """The watchers of a process."""

    def __init__(self, reader: Reader, *, watchers_max: int) -> None:
        self._watchers_max = watchers_max
        self._watchers: dict[Watcher, None] = {}
        self._stopping = False
        self._woken = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.window = Window(reader)

    async def stop(self) -> None:
        """End all streams and stop to follow."""
        self.end_streams()
        if self._following is not None:
            await asyncio.wait([self._following])

    def end_streams(self) -> None:
        """End all streams, and let nobody watch any more."""
        self._stopping = True
        self._woken.set()
        for watcher in self._watchers:
            watcher.end()

    def wake(self) -> None:
        """Look whether there is something new."""
        self._woken.set()

    def recheck(self) -> None:
        """Let all who watch look whether they still may."""
        for watcher in self._watchers:
            watcher.wake()

    def require_room(self) -> None:
        """`Unreadable` if nobody else can watch now."""
        if self._stopping:
            msg = "the service is stopping"
            raise Unreadable(msg)
        if len(self._watchers) >= self._watchers_max:
            msg = f"{len(self._watchers)} watch already"
            raise Unreadable(msg)

    @contextmanager
    def watcher(
        self, position: int, wanted: Wanted, sights: Sights, over: Callable[[], str | None] = never
    ) -> Iterator[Watcher]:
        """Someone who watches from a position on, which is in the log, as long as the block lasts."""
        watcher = Watcher(self.window, position, wanted, sights, over)
        self._watchers[watcher] = None
        metrics.WATCHERS.inc()
        if self._stopping:
            watcher.end()
        elif self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
            self._following.add_done_callback(self._followed)
        try:
            yield watcher
        finally:
            del self._watchers[watcher]
            metrics.WATCHERS.dec()

    async def _follow(self) -> None:
        left_at = time.monotonic()
        while not self._stopping:
            if self._watchers:
                left_at = time.monotonic()
            elif time.monotonic() - left_at > LINGER_SECONDS:
                return
            self._woken.clear()
            if await self.window.read_on():
                await self._wake_watchers()
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _wake_watchers(self) -> None:
        """Wake them by and by, so that others get their turn in between."""
        waiting = iter(list(self._watchers))
        while some := list(islice(waiting, WOKEN_AT_ONCE)):
            for watcher in some:
                watcher.wake()
            await asyncio.sleep(0)

    def _followed(self, task: asyncio.Task[None]) -> None:
        """Nobody follows any more. If a fault ended it, whoever watches shall come back."""
        self.window.close()
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("following the log failed; all watchers are sent away", exc_info=fault)
            for watcher in self._watchers:
                watcher.end()
