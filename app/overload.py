"""More writes than a process can do: it takes in hand so many at once, and tells the others to come back.

Whoever is turned away costs as little as possible, because there may be ten of them for each who is not: no
route is looked for, and there is no line of log for each. They are held for a little while and answered a few
at a time, with other work between, so that they do not get in its way. A place that becomes free in the
meantime goes to the one that is held longest.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog

from app import metrics
from app.answers import problem
from app.json_response import Headers

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

RETRY_AFTER_SECONDS: Final = 1
PAUSE_SECONDS: Final = 0.01
AT_ONCE_MAX: Final = 5
"""So few that turning away leaves nearly all of the time to writes."""

LOG_SECONDS: Final = 1.0

_DETAIL: Final = (
    "Service temporarily unavailable: too many writes are waiting already; nothing was changed. Try again."
)
_BODY: Final = problem(503, _DETAIL).body.encode()

_log = structlog.get_logger()


class WritesInHand:
    """The writes that a process has taken, up to a limit."""

    def __init__(self, writes_max: int, headers: Headers) -> None:
        self._writes_max = writes_max
        self._headers = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_BODY)).encode()),
            (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
        ]
        self._in_hand = 0
        self._held: deque[asyncio.Future[bool]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._turned_away = 0
        self._told_at = 0.0

    def take_at_once(self) -> bool:
        """Take one in hand, which is given back; False if there is no place."""
        if self._in_hand >= self._writes_max:
            return False
        self._in_hand += 1
        return True

    def hold(self) -> asyncio.Future[bool]:
        """Whether one that found no place gets one; False if its turn to be turned away came before."""
        held: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held.append(held)
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer())
        return held

    async def take(self) -> bool:
        """Take one in hand, which is given back, as soon as there is a place; False if it is turned away."""
        if self.take_at_once():
            return True
        held = self.hold()
        try:
            return await held
        except asyncio.CancelledError:
            if not held.cancelled() and held.result():
                self.give_back()
            raise

    def give_back(self) -> None:
        """A write that was taken has been answered: its place is that of whoever is held longest."""
        while self._held:
            held = self._held.popleft()
            if not held.done():
                held.set_result(True)
                return
        self._in_hand -= 1

    def refusal(self, method: str) -> tuple[int, Headers, bytes]:
        """The answer to one that is turned away, which is counted."""
        metrics.TURNED_AWAY.labels(method).inc()
        return 503, self._headers, _BODY

    async def turn_away(self, method: str, send: Send) -> None:
        """Answer 503."""
        status, headers, body = self.refusal(method)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self) -> None:
        """Turn away those who are held, a few at a time."""
        while self._held:
            await asyncio.sleep(PAUSE_SECONDS)
            for _ in range(min(AT_ONCE_MAX, len(self._held))):
                held = self._held.popleft()
                if not held.done():
                    held.set_result(False)
                    self._turned_away += 1
            self._tell()
        self._answering = None

    def _tell(self) -> None:
        now = time.monotonic()
        if self._turned_away and now - self._told_at > LOG_SECONDS:
            _log.warning("writes turned away", count=self._turned_away, in_hand=self._in_hand)
            self._told_at, self._turned_away = now, 0
