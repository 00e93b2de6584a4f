"""The one writer of a process: commands that wait together are committed together (group commit).

Handlers submit commands and await their answers. A task takes all that wait, up to `batch_max`, runs them in
one transaction (see `batch`), and answers each. All of it is on the event loop: another thread would be waked
for each batch, and wait for Python's lock after each statement. Every decision is taken under the log's lock,
so there is no conflict to retry, within a process or between processes. Under that lock the tables are also
found to be of this program's versions, or nothing is written.

A batch takes two trips to the database: one for the lock and what is read under it, one to store and commit.
Where others wait by then, what the next batch asks for goes right behind the commit: it has its lock and its
rows as soon as it can, and each batch takes one trip. It is decided only when the commit is known to be done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from psycopg import errors

from app import metrics
from app.answers import Answer
from app.batch import Batch, StaleTables, Write
from app.connections import LOST
from app.event_log import EventLog, Transaction
from app.write_queue import Unavailable, Waiting, WriteQueue, deliver, fail
from domain.stream import Recorded

__all__ = ["OutcomeUnknown", "Unavailable", "Writer"]

SETTLE_SECONDS_MAX: Final = 5.0
"""How long to find out whether a commit whose answer was lost took place."""
_SETTLE_PAUSE_SECONDS: Final = 0.1

_log = structlog.get_logger()


class OutcomeUnknown(Unavailable):
    """The database went away during the commit and did not come back in time to say how it ended."""


_Outcome = tuple[Sequence[Answer], Sequence[Recorded[Any]]]
"""The answers of a batch that was committed, and the events it appended."""


class _Opened(NamedTuple):
    transaction: Transaction
    batch: Batch


class _Turn:
    """Writes that are committed together, and what of it has begun.

    `following` is the turn that was opened behind its commit, if it `leads` any; `is_second` is one of writes
    that have had theirs, on another connection.
    """

    __slots__ = ("following", "is_second", "leads", "opened", "taken")

    def __init__(self, taken: Sequence[Waiting], *, leads: bool, is_second: bool = False) -> None:
        self.taken = taken
        self.leads = leads
        self.is_second = is_second
        self.opened: _Opened | None = None
        self.following: _Turn | None = None


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
        self._queue = WriteQueue(length_max=queue_max, seconds_max=wait_seconds)
        self._batch_max = batch_max
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.committed: Callable[[], None] = lambda: None
        """Called on the loop when events were committed."""

    async def start(self) -> None:
        """Begin to take writes, on the running loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Commit what waits, then stop."""
        self._queue.end()
        if self._task is not None:
            # What was taken is committed and answered, also if nobody waits for the end of it.
            await asyncio.shield(self._task)
        await self._event_log.close()

    async def submit(self, write: Write) -> Answer:
        """The answer to a write, after its commit; `Unavailable` if it was not taken, or perhaps not."""
        return await self._queue.add(write)

    async def _work(self) -> None:
        while await self._queue.any():
            turn: _Turn | None = self._take()
            while turn is not None:
                await self._commit(turn)
                turn = turn.following

    def _take(self) -> _Turn:
        taken = self._queue.take(self._batch_max)
        return _Turn(taken, leads=not taken[0].write.runs_alone)

    async def _commit(self, turn: _Turn) -> None:
        """Commit and answer; of writes that fail together, find by halves the one that must fail alone."""
        outcome: _Outcome | BaseException
        [outcome] = await asyncio.gather(self._transact(turn), return_exceptions=True)
        if not isinstance(outcome, BaseException):
            answers, events = outcome
            deliver(turn.taken, answers)
            # On the loop and not here: whatever goes wrong with it, a committed batch never runs again.
            asyncio.get_running_loop().call_soon(self._tell, events, len(turn.taken))
            return
        self._take_back(turn)
        if isinstance(outcome, errors.FeatureNotSupported) and not turn.is_second:
            # What is prepared is of tables that others have replaced: it would fail again and again.
            await self._event_log.close()
            await self._commit(_Turn(turn.taken, leads=False, is_second=True))
        elif len(turn.taken) == 1 or isinstance(outcome, Unavailable):
            fail(turn.taken, outcome)
        else:
            middle = len(turn.taken) // 2
            for half in (turn.taken[:middle], turn.taken[middle:]):
                await self._commit(_Turn(half, leads=False, is_second=turn.is_second))

    def _tell(self, events: Sequence[Recorded[Any]], writes: int) -> None:
        metrics.committed(events, writes)
        if events:
            self.committed()

    async def _transact(self, turn: _Turn) -> _Outcome:
        try:
            transaction, batch = turn.opened or self._open(turn, await self._event_log.begin())
            async with transaction:
                answers: Sequence[Answer] = await batch.run()
                transaction.send_commit()
                self._open_following(turn, transaction)
                await transaction.exchange()
        except StaleTables as stale:
            raise Unavailable(str(stale)) from None
        except LOST as lost:
            _log.warning("database lost during a write", error=str(lost), writes=len(turn.taken))
            self._take_back(turn)
            return await self._settle(turn.opened)
        return answers, batch.events

    def _open(self, turn: _Turn, transaction: Transaction) -> _Opened:
        writes = [waiting.write for waiting in turn.taken]
        turn.opened = _Opened(transaction, Batch(self._event_log, transaction, writes, self._clock))
        return turn.opened

    def _open_following(self, turn: _Turn, transaction: Transaction) -> None:
        """Behind the commit that is on its way, send what the writes that wait now ask for.

        Whether it took place is not known yet, so nothing is decided, and they can be taken back.
        """
        if not turn.leads or not self._queue or self._queue.next_runs_alone:
            return
        turn.following = self._take()
        try:
            follower = transaction.follower()
            self._open(turn.following, follower)
            follower.send()
        except Exception:  # noqa: BLE001 - whatever it is, these writes meet it again in a turn of their own
            self._take_back(turn)

    def _take_back(self, turn: _Turn) -> None:
        """Writes that were opened behind a commit that failed wait on, before all others."""
        if turn.following is not None:
            self._queue.take_back(turn.following.taken)
            turn.following = None

    async def _settle(self, opened: _Opened | None) -> _Outcome:
        """What came of a batch whose connection was lost, if it was committed all the same."""
        if opened is None or opened.batch.answers is None:
            msg = "the database cannot be reached"
            raise Unavailable(msg)
        batch, answers = opened.batch, opened.batch.answers
        give_up = time.monotonic() + SETTLE_SECONDS_MAX
        while batch.stored_something:
            try:
                async with self._event_log.batch(SETTLE_SECONDS_MAX) as session:
                    committed = await batch.is_stored(session)
            except Exception as error:
                # Whatever it is, perhaps the batch was committed, and must not run again.
                _log.warning("nobody knows yet what came of a commit", error=repr(error))
                if time.monotonic() > give_up:
                    msg = "the database went away during the commit"
                    raise OutcomeUnknown(msg) from error
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
                continue
            if committed:
                break
            msg = "the database went away before the commit"
            raise Unavailable(msg)
        return answers, batch.events
