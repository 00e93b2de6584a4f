"""Where writes wait for their turn: only so many, and not for ever."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from app import metrics
from app.answers import Answer
from app.batch import Write


class Unavailable(Exception):
    """The write was not taken; nothing was changed."""


TOLD_AT_ONCE: Final = 4
"""Answers that are given in one turn of the event loop."""


class Waiting(NamedTuple):
    """A write, where its answer goes, and since when it waits."""

    write: Write
    answer: asyncio.Future[Answer]
    since: float


class WriteQueue:
    """The writes of one event loop that wait, in the order in which they came."""

    def __init__(self, *, length_max: int, seconds_max: float) -> None:
        self._length_max = length_max
        self._seconds_max = seconds_max
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._overdue: asyncio.TimerHandle | None = None
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> asyncio.Future[Answer]:
        """Where the answer will be; `Unavailable` if there is no place left, or no end of the wait."""
        if self._ended:
            msg = "the service is stopping"
            raise Unavailable(msg)
        if len(self._waiting) >= self._length_max:
            msg = f"{len(self._waiting)} writes are waiting already"
            raise Unavailable(msg)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(write, answer, time.perf_counter()))
        self._arrived.set()
        self._watch()
        return answer

    def end(self) -> None:
        """Let nobody in any more."""
        self._ended = True
        self._arrived.set()

    async def any(self) -> bool:
        """Wait until a write waits; False when it has ended and none will come."""
        while not self._waiting and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        return bool(self._waiting)

    @property
    def next_runs_alone(self) -> bool:
        """Whether the write that waits longest needs a batch of its own."""
        return self._waiting[0].write.runs_alone

    def take(self, count_max: int) -> list[Waiting]:
        """All that waits, up to so many; a write that runs alone, alone."""
        metrics.WRITES_WAITING.set(len(self._waiting))
        taken: list[Waiting] = []
        while self._waiting and len(taken) < count_max:
            alone = self.next_runs_alone
            if alone and taken:
                break
            taken.append(self._waiting.popleft())
            if alone:
                break
        return taken

    def take_back(self, taken: Sequence[Waiting]) -> None:
        """Let them wait on, before all others."""
        self._waiting.extendleft(reversed(taken))
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        self._watch()

    def _watch(self) -> None:
        """See to it that what waits too long is let go, whatever keeps those before it."""
        if self._overdue is None and self._waiting:
            left = self._waiting[0].since + self._seconds_max - time.perf_counter()
            self._overdue = asyncio.get_running_loop().call_later(max(0.0, left), self._let_go_overdue)

    def _let_go_overdue(self) -> None:
        self._overdue = None
        overdue = time.perf_counter() - self._seconds_max
        while self._waiting and self._waiting[0].since <= overdue:
            msg = f"the write waited for more than {self._seconds_max:g} seconds"
            fail([self._waiting.popleft()], Unavailable(msg))
        self._watch()


def fail(taken: Sequence[Waiting], fault: BaseException) -> None:
    """Tell those who wait that it came to nothing."""
    for waiting in taken:
        if not waiting.answer.done():  # a caller that left has cancelled its own
            waiting.answer.set_exception(fault)


def deliver(taken: Sequence[Waiting], answers: Sequence[Answer]) -> None:
    """Tell those who wait what was committed: a few in each turn of the loop.

    What is then done with their answers would otherwise keep that of the database to the next batch waiting.
    """
    _tell_some(deque(zip(taken, answers, strict=True)), time.perf_counter())


def _tell_some(left: deque[tuple[Waiting, Answer]], committed_at: float) -> None:
    for _ in range(min(TOLD_AT_ONCE, len(left))):
        waiting, answer = left.popleft()
        metrics.APPEND_SECONDS.observe(committed_at - waiting.since)
        if not waiting.answer.done():
            waiting.answer.set_result(answer)
    if left:
        asyncio.get_running_loop().call_soon(_tell_some, left, committed_at)
