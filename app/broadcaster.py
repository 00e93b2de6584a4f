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
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

import structlog

from app import metrics
from app.reader import Reader, Unreadable
from app.watched import Encoded, sent_form
from projections.following import EVERYTHING, Page, Wanted, page_of_log
from projections.questions import asked

POLL_SECONDS: Final = 1.0
"""How often the log is looked at if no doorbell rings."""

PAUSE_SECONDS: Final = 0.002
LINGER_SECONDS: Final = 30.0
"""How long the log is followed on after the last watcher has left: it may come back."""

WINDOW_EVENTS_MAX: Final = 4096
WINDOW_BYTES_MAX: Final = 16 * 1024 * 1024
CHUNK_BYTES_MAX: Final = 64 * 1024
WOKEN_AT_ONCE: Final = 32
END_STREAMS: Final = signal.SIGUSR1
"""Tells a process to end its streams, so that it can stop: it would wait for its running requests."""

_log = structlog.get_logger()


class Broadcaster:
    """The watchers of a process."""

    def __init__(self, reader: Reader, *, watchers_max: int) -> None:
        self._reader = reader
        self._watchers_max = watchers_max
        self._watchers: dict[Watcher, None] = {}
        self._stopping = False
        self._woken = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        # One page at a time for all who catch up: they shall not keep others from the database.
        self._catching_up = asyncio.Lock()
        self._window: dict[int, Encoded] = {}
        self._window_bytes = 0
        self.position: int | None = None
        """Up to where the window goes; None while nobody follows the log."""

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

    def require_room(self) -> None:
        """`Unreadable` if nobody else can watch now."""
        if self._stopping:
            msg = "the service is stopping"
            raise Unreadable(msg)
        if len(self._watchers) >= self._watchers_max:
            msg = f"{len(self._watchers)} watch already"
            raise Unreadable(msg)

    @contextmanager
    def watcher(self, position: int, wanted: Wanted, *, auth_context: bool) -> Iterator[Watcher]:
        """Someone who watches from a position on, which is in the log, as long as the block lasts."""
        watcher = Watcher(self, position, wanted, auth_context=auth_context)
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

    def in_window(self, position: int) -> bool:
        """Whether what comes after a position, if anything does, is in the window."""
        return self.position is not None and self.position - len(self._window) <= position

    def after(self, position: int) -> Iterator[Encoded]:
        """What the window has after a position that is in it."""
        last = self.position or 0
        return (self._window[each] for each in range(position + 1, last + 1))

    async def page(self, position: int, wanted: Wanted) -> Page:
        """What there is after a position that is not in the window; nothing while nobody follows the log."""
        async with self._catching_up:
            if self.position is None:
                return Page([], position)
            # No further than the window begins; until then everything is committed.
            until = max(position, self.position - len(self._window))
            async with self._reader.connection() as connection:
                return await asked(connection, page_of_log(position, until, wanted))

    async def _follow(self) -> None:
        left_at = time.monotonic()
        while not self._stopping:
            if self._watchers:
                left_at = time.monotonic()
            elif time.monotonic() - left_at > LINGER_SECONDS:
                return
            self._woken.clear()
            if await self._read_on():
                await self._wake_watchers()
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def _read_on(self) -> bool:
        """Take the next page of the log into the window; whether there was something."""
        try:
            if self.position is None:
                self.position = await self._reader.head()
                return True
            async with self._reader.connection() as connection:
                until = self.position + WINDOW_EVENTS_MAX
                page = await asked(connection, page_of_log(self.position, until, EVERYTHING))
        except Unreadable:
            return False
        for event in page.events:
            encoded = self._window[event.position] = Encoded(event)
            self._window_bytes += encoded.size
        while len(self._window) > WINDOW_EVENTS_MAX or self._window_bytes > WINDOW_BYTES_MAX:
            self._window_bytes -= self._window.pop(next(iter(self._window))).size
        self.position = page.position
        return bool(page.events)

    async def _wake_watchers(self) -> None:
        """Wake them by and by, so that others get their turn in between."""
        waiting = iter(list(self._watchers))
        while some := list(islice(waiting, WOKEN_AT_ONCE)):
            for watcher in some:
                watcher.wake()
            await asyncio.sleep(0)

    def _followed(self, task: asyncio.Task[None]) -> None:
        """Nobody follows any more. If a fault ended it, whoever watches shall come back."""
        self._window.clear()
        self._window_bytes = 0
        self.position = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("following the log failed; all watchers are sent away", exc_info=fault)
            for watcher in self._watchers:
                watcher.end()


class Watcher:
    """Someone who watches: their position, and what they want."""

    def __init__(
        self, broadcaster: Broadcaster, position: int, wanted: Wanted, *, auth_context: bool
    ) -> None:
        self._broadcaster = broadcaster
        self._wanted = wanted
        self._auth_context = auth_context
        self._position = position
        self._page: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self.ended = False

    def wake(self) -> None:
        """There may be something new."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self) -> None:
        """It is over, whatever is going on."""
        self.ended = True
        self.wake()
        if self._patience is not None:
            self._patience.reschedule(self._loop.time())

    async def next(self, seconds: float) -> bytes:
        """The events that come next, in the format they are sent in; empty if none do for so long."""
        until = self._loop.time() + seconds
        while not self.ended:
            before = self._position
            chunk = await self._take()
            if chunk:
                return chunk
            left = until - self._loop.time()
            if left <= 0:
                break
            if self._position == before:
                await self._wait(min(left, POLL_SECONDS) if self._is_behind() else left)
        return b""

    async def hand_over(self, sending: Awaitable[None], seconds: float) -> None:
        """Await a send; TimeoutError if it takes longer than that, or it is over."""
        try:
            async with asyncio.timeout(0 if self.ended else seconds) as self._patience:
                await sending
        finally:
            self._patience = None

    def _is_behind(self) -> bool:
        return not self._broadcaster.in_window(self._position)

    async def _take(self) -> bytes:
        if not self._page:
            if not self._is_behind():
                return self._take_from_window()
            await self._catch_up()
        chunk = b""
        while self._page and len(chunk) < CHUNK_BYTES_MAX:
            chunk += self._page.popleft()
        return chunk

    def _take_from_window(self) -> bytes:
        taken: list[bytes] = []
        size = 0
        for encoded in self._broadcaster.after(self._position):
            event = encoded.event
            self._position = event.position
            if not self._wanted.matches(event):
                continue
            if not taken:
                metrics.WATCH_DELIVERY_SECONDS.observe(max(0.0, time.time() - event.at.timestamp()))
            taken.append(encoded.form(auth_context=self._auth_context))
            size += len(taken[-1])
            if size > CHUNK_BYTES_MAX:
                break
        return b"".join(taken)

    async def _catch_up(self) -> None:
        """Read a page of the log. If it cannot be read now, it can later."""
        try:
            page = await self._broadcaster.page(self._position, self._wanted)
        except Unreadable:
            return
        self._position = page.position
        self._page.extend(sent_form(event, auth_context=self._auth_context) for event in page.events)

    async def _wait(self, seconds: float) -> None:
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None
