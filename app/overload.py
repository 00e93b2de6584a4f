"""More writes than a process can do: it takes in hand so many at once, and tells the others to come back.

Whoever is turned away costs as little as possible, because there may be ten of them for each who is not: the
request's body is not read, no route is looked for, and there is no line of log for each. They are answered a
few at a time, and the loop does other work between: under load they wait a little, and do not get in the way.
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

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RETRY_AFTER_SECONDS: Final = 1
ANSWERED_AT_ONCE: Final = 32
PAUSE_SECONDS: Final = 0.005
LOG_SECONDS: Final = 1.0

_DETAIL: Final = (
    "Service temporarily unavailable: too many writes are waiting already; nothing was changed. Try again."
)
_BODY: Final = problem(503, _DETAIL).body.encode()

_log = structlog.get_logger()


class WritesInHand:
    """The writes that a process has taken, up to a limit."""

    def __init__(self, writes_max: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._writes_max = writes_max
        self._headers = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_BODY)).encode()),
            (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
        ]
        self._in_hand = 0
        self._held: deque[asyncio.Future[None]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._turned_away = 0
        self._told_at = 0.0

    def take(self) -> bool:
        """Whether there is room for one more; whoever got room gives it back."""
        if self._in_hand >= self._writes_max:
            return False
        self._in_hand += 1
        return True

    def give_back(self) -> None:
        """A write that was taken has been answered."""
        self._in_hand -= 1

    async def turn_away(self, method: str, send: Send) -> None:
        """Answer 503 when it is this one's turn."""
        held = asyncio.get_running_loop().create_future()
        self._held.append(held)
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer())
        await held
        metrics.TURNED_AWAY.labels(method).inc()
        await send({"type": "http.response.start", "status": 503, "headers": self._headers})
        await send({"type": "http.response.body", "body": _BODY})

    async def _answer(self) -> None:
        while self._held:
            for _ in range(min(ANSWERED_AT_ONCE, len(self._held))):
                held = self._held.popleft()
                self._turned_away += 1
                if not held.done():
                    held.set_result(None)
            self._tell()
            await asyncio.sleep(PAUSE_SECONDS)
        self._answering = None

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at > LOG_SECONDS:
            _log.warning("writes turned away", count=self._turned_away, in_hand=self._in_hand)
            self._told_at, self._turned_away = now, 0
