"""Someone who watches: what comes next for them, and when."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from app import metrics
from app.admission import never
from app.reader import Unreadable
from app.watched import sent_form
from app.window import Window
from domain.sight import Sights
from projections.following import Wanted

POLL_SECONDS: Final = 1.0
"""How often the log is looked at if nothing says that it has grown."""

CHUNK_BYTES_MAX: Final = 64 * 1024


class Watcher:
    """A position in the log, behind which everything that is wanted comes once and in order."""

    def __init__(
        self,
        window: Window,
        position: int,
        wanted: Wanted,
        sights: Sights,
        over: Callable[[], str | None] = never,
    ) -> None:
        self._window = window
        self._wanted = wanted
        self._sights = sights
        self._over = over
        self.cut_off: str | None = None
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
            self.cut_off = self._over()
            if self.cut_off is not None:
                self.ended = True
                break
            before = self._position
            chunk = await self._take()
            if chunk:
                return chunk
            left = until - self._loop.time()
            if left <= 0:
                break
            if self._position == before:
                # Whether it still may watch is looked at as often as the log is.
                await self._wait(
                    left if self._over is never and not self._is_behind() else min(left, POLL_SECONDS)
                )
        return b""

    async def hand_over(self, sending: Awaitable[None], seconds: float) -> None:
        """Await a send; TimeoutError if it takes longer than that, or it is over."""
        try:
            async with asyncio.timeout(0 if self.ended else seconds) as self._patience:
                await sending
        finally:
            self._patience = None

    def _is_behind(self) -> bool:
        return not self._window.covers(self._position)

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
        for encoded in self._window.after(self._position):
            event = encoded.event
            self._position = event.position
            if not self._wanted.matches(event):
                continue
            if not taken:
                metrics.WATCH_DELIVERY_SECONDS.observe(max(0.0, time.time() - event.at.timestamp()))
            taken.append(encoded.form(self._sights(event.workspace)))
            size += len(taken[-1])
            if size > CHUNK_BYTES_MAX:
                break
        return b"".join(taken)

    async def _catch_up(self) -> None:
        """Read a page of the log. If it cannot be read now, it can later."""
        try:
            page = await self._window.page(self._position, self._wanted)
        except Unreadable:
            return
        self._position = page.position
        self._page.extend(sent_form(event, self._sights(event.workspace)) for event in page.events)

    async def _wait(self, seconds: float) -> None:
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self.wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None
