"""Bodies of writes, read before anything else is done for them, in a limited time and a limited memory."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

SMALL_BYTES_MAX: Final = 2**16
LARGE_BYTES_MAX: Final = 2**26
"""What all bodies have beyond the small part of each; the largest that can be allowed fits."""


class Full(Exception):
    """There is no memory for another large body."""


class Bodies:
    """Bodies of writes, read before a write takes a place and held until it is answered.

    So a client that still sends takes nobody's place. A small body always has room; what is longer shares a
    limit, so that many who send large bodies slowly keep out each other, and nobody else.
    """

    def __init__(self, *, bytes_max: int, seconds_max: float) -> None:
        self._bytes_max = bytes_max
        self._large_bytes = 0
        self._deadlines = Deadlines(seconds_max)

    async def read_ahead(self, receive: Receive) -> Body:
        """A body, to be forgotten afterwards; of one larger than allowed, what shows that it is.

        Raises `TimeoutError` if it does not arrive in time, `Full` if there is no memory for it.
        """
        body = Body(receive)
        try:
            with self._deadlines:
                while not body.is_over and body.size <= self._bytes_max:
                    before = body.large_bytes
                    await body.take_in()
                    self._hold(body.large_bytes - before)
        except BaseException:
            self.forget(body)
            raise
        if body.size <= self._bytes_max:
            body.join()
        return body

    def _hold(self, large_bytes: int) -> None:
        self._large_bytes += large_bytes
        if self._large_bytes > LARGE_BYTES_MAX:
            raise Full

    def forget(self, body: Body) -> None:
        """It is needed no more."""
        self._large_bytes -= body.large_bytes


class Body:
    """What has arrived of a request's body; called, it hands that over as the server would."""

    def __init__(self, receive: Receive) -> None:
        self.size = 0
        self.is_over = False
        self.content: bytes | None = None
        """All of it; None if it is larger than allowed, or ended before it was complete."""
        self._receive = receive
        self._messages: deque[Message] = deque()

    @property
    def large_bytes(self) -> int:
        """How much it is more than small."""
        return max(0, self.size - SMALL_BYTES_MAX)

    async def __call__(self) -> Message:
        """Its next part."""
        return self._messages.popleft() if self._messages else await self._receive()

    async def take_in(self) -> None:
        """Await the next part."""
        message = await self._receive()
        self._messages.append(message)
        self.size += len(message.get("body", b""))
        self.is_over = not message.get("more_body", False)

    def join(self) -> None:
        """Note its content, now that all has arrived; it is held once."""
        if self._messages[-1]["type"] == "http.request":
            self.content = b"".join([message.get("body", b"") for message in self._messages])
            self._messages = deque([{"type": "http.request", "body": self.content}])


class Deadlines:
    """A limit to how long tasks take for something, with one timer for all of them.

    Entered by a task, it raises `TimeoutError` there if the task has not left it in time. With a timer for
    each, as `asyncio.timeout` has, that took longer than everything else that is done for a small body.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[asyncio.Task[Any], float] = {}
        self._is_set = False

    def __enter__(self) -> None:
        self._until[_own_task()] = time.monotonic() + self._seconds
        if not self._is_set:
            self._is_set = True
            asyncio.get_running_loop().call_later(self._seconds, self._end_late)

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: object) -> None:
        task = _own_task()
        in_time = self._until.pop(task, None) is not None
        # Somebody else may have cancelled it as well: then it is to end.
        if not in_time and kind is asyncio.CancelledError and task.uncancel() == 0:
            raise TimeoutError from fault

    def _end_late(self) -> None:
        now = time.monotonic()
        for task, until in list(self._until.items()):  # who entered first is first
            if until > now:
                asyncio.get_running_loop().call_later(until - now, self._end_late)
                return
            del self._until[task]
            task.cancel()
        self._is_set = False


def _own_task() -> asyncio.Task[Any]:
    return cast("asyncio.Task[Any]", asyncio.current_task())
