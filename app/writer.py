"""The one writer of a process: commands that wait together are committed together (group commit).

Handlers submit commands and await their answers. A task takes all that wait, up to `batch_max`, runs them in
one transaction (see `batch`), and answers each. All of it is on the event loop: another thread would be waked
for each batch, and wait for Python's lock after each statement. Every decision is taken under the log's lock,
so there is no conflict to retry, within a process or between processes. Under that lock the tables are also
found to be of this program's versions, or nothing is written.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog

from app import metrics
from app.answers import Answer
from app.batch import Batch, StaleTables, Write
from app.connections import LOST
from app.event_log import EventLog
from domain.stream import Recorded

SETTLE_SECONDS_MAX: Final = 5.0
"""How long to find out whether a commit whose answer was lost took place."""
_SETTLE_PAUSE_SECONDS: Final = 0.1
_OVERDUE_CHECK_SECONDS: Final = 0.25

_log = structlog.get_logger()


class Unavailable(Exception):
    """The write was not taken; nothing was changed."""


class OutcomeUnknown(Unavailable):
    """The database went away during the commit and did not come back in time to say how it ended."""


class _Waiting(NamedTuple):
    write: Write
    answer: asyncio.Future[Answer]
    since: float


class Writer:
    """Takes writes on one event loop and commits them in batches."""

    def __init__(
        self,
        log: EventLog,
        *,
        queue_max: int,
        batch_max: int,
        wait_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._event_log = log
        self._wait_seconds = wait_seconds
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.committed: Callable[[], None] = lambda: None
        """Called on the loop when events were committed."""

    async def start(self) -> None:
        """Begin to take writes, on the running loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Commit what waits, then stop."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            # What was taken is committed and answered, also if nobody waits for the end of it.
            await asyncio.shield(self._task)
        await self._event_log.close()

    async def submit(self, write: Write) -> Answer:
        """The answer to a write, after its commit; `Unavailable` if it was not taken, or perhaps not."""
        if self._stopping:
            msg = "the service is stopping"
            raise Unavailable(msg)
        if len(self._waiting) >= self._queue_max:
            msg = f"{len(self._waiting)} writes are waiting already"
            raise Unavailable(msg)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(write, answer, time.perf_counter()))
        self._arrived.set()
        return await answer

    async def _work(self) -> None:
        while self._waiting or not self._stopping:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                metrics.WRITES_WAITING.set(len(self._waiting))
                if taken := self._take():
                    await self._commit(taken)

    def _take(self) -> list[_Waiting]:
        """All that waits, up to the limit; a write that runs alone, alone; what waited too long is let go."""
        taken: list[_Waiting] = []
        self._let_go_overdue()
        while self._waiting and len(taken) < self._batch_max:
            alone = self._waiting[0].write.runs_alone
            if alone and taken:
                break
            taken.append(self._waiting.popleft())
            if alone:
                break
        return taken

    def _let_go_overdue(self) -> None:
        overdue = time.perf_counter() - self._wait_seconds
        while self._waiting and self._waiting[0].since < overdue:
            msg = f"the write waited for more than {self._wait_seconds:g} seconds"
            _fail([self._waiting.popleft()], Unavailable(msg))

    async def _commit(self, taken: Sequence[_Waiting]) -> None:
        """Commit and answer; of writes that fail together, find by halves the one that must fail alone."""
        writes = [waiting.write for waiting in taken]
        work = asyncio.create_task(self._transact(writes))
        while not work.done():
            await asyncio.wait([work], timeout=_OVERDUE_CHECK_SECONDS)
            self._let_go_overdue()
        fault = work.exception()
        if fault is None:
            answers, events = work.result()
            _deliver(taken, answers)
            # On the loop and not here: whatever goes wrong with it, a committed batch never runs again.
            asyncio.get_running_loop().call_soon(self._tell, events, len(taken))
        elif len(taken) == 1 or isinstance(fault, Unavailable):
            _fail(taken, fault)
        else:
            middle = len(taken) // 2
            await self._commit(taken[:middle])
            await self._commit(taken[middle:])

    def _tell(self, events: Sequence[Recorded[Any]], writes: int) -> None:
        metrics.committed(events, writes)
        if events:
            self.committed()

    async def _transact(self, writes: Sequence[Write]) -> tuple[Sequence[Answer], Sequence[Recorded[Any]]]:
        batch: Batch | None = None
        try:
            async with self._event_log.batch() as transaction:
                batch = Batch(self._event_log, transaction, self._clock)
                answers: Sequence[Answer] = await batch.run(writes)
        except StaleTables as stale:
            raise Unavailable(str(stale)) from None
        except LOST as lost:
            _log.warning("database lost during a write", error=str(lost), writes=len(writes))
            answers = await self._settle(batch)
        return answers, batch.events if batch else ()

    async def _settle(self, batch: Batch | None) -> Sequence[Answer]:
        """The answers of a batch whose connection was lost, if it was committed all the same."""
        if batch is None or batch.answers is None:
            msg = "the database cannot be reached"
            raise Unavailable(msg)
        give_up = time.monotonic() + SETTLE_SECONDS_MAX
        while batch.stored_something:
            try:
                async with self._event_log.batch(SETTLE_SECONDS_MAX) as session:
                    committed = await batch.is_stored(session)
            except LOST as error:
                if time.monotonic() > give_up:
                    msg = "the database went away during the commit"
                    raise OutcomeUnknown(msg) from error
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
                continue
            if committed:
                break
            msg = "the database went away before the commit"
            raise Unavailable(msg)
        return batch.answers


def _fail(taken: Sequence[_Waiting], fault: BaseException) -> None:
    for waiting in taken:
        if not waiting.answer.done():
            waiting.answer.set_exception(fault)


def _deliver(taken: Sequence[_Waiting], answers: Sequence[Answer]) -> None:
    now = time.perf_counter()
    for waiting, answer in zip(taken, answers, strict=True):
        metrics.APPEND_SECONDS.observe(now - waiting.since)
        if not waiting.answer.done():  # a caller that left has cancelled its own
            waiting.answer.set_result(answer)
