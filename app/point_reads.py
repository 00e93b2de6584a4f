"""Reads of single objects: those that are asked for at the same time are read in one statement.

A statement starts after the requests that it serves came, so a read shows all that was answered before it.
What a process reads so goes through one connection, and the next statement is there before the answer to the
one before it is taken: such a read costs the database much less than it costs the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, LiteralString, NamedTuple

import msgspec
from psycopg import OperationalError, errors

from app.connections import WAIT_SECONDS_MAX, LimitedAsyncConnection
from app.pipeline import Packet, Pipeline, Rows

ON_THEIR_WAY_MAX: Final = 2
"""Statements of a kind that are not answered yet: one at work, and one behind it."""

_encode = msgspec.json.Encoder().encode


class Unreadable(Exception):
    """The database could not be read, or too many reads are waiting."""


class Found(NamedTuple):
    """A stored answer and the position of the event that last changed it."""

    body: str
    position: int


class _Question(NamedTuple):
    key: tuple[Any, ...]
    answer: asyncio.Future[Found | None]
    since: float


class _Kind:
    """Reads that one statement serves: the keys of the next one gather while others are on their way."""

    __slots__ = ("gathering", "names", "on_their_way", "statement")

    def __init__(self, statement: LiteralString, names: Sequence[str]) -> None:
        self.statement = statement
        self.names = ("n", *names)
        self.gathering: list[_Question] = []
        self.on_their_way: list[Sequence[_Question]] = []


class PointReads:
    """All such reads of one event loop, on a connection that is opened when it is needed.

    Nothing is remembered about a database that is away: whoever comes next tries it again. What fails is
    raised to those who asked as `explained` has it. Where an answer takes more than `answer_seconds`, the
    connection is closed.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[LimitedAsyncConnection[Any]]],
        explained: Callable[[BaseException], Awaitable[BaseException]],
        *,
        batch_max: int,
        queue_max: int,
        answer_seconds: float,
    ) -> None:
        self._connect = connect
        self._explained = explained
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._answer_seconds = answer_seconds
        self._kinds: list[_Kind] = []
        self._pipeline: Pipeline | None = None
        self._opening: asyncio.Task[None] | None = None
        self._is_due = False
        self._tasks: set[asyncio.Task[None]] = set()

    def of(
        self, statement: LiteralString, names: Sequence[str]
    ) -> Callable[..., asyncio.Future[Found | None]]:
        """A kind of reads, to be asked by a key: in turn the values of `names`.

        The statement takes keys as JSON, each with a number `n`, and gives number, body and position of what
        it finds. To ask raises `Unreadable` if too many wait.
        """
        kind = _Kind(statement, names)
        self._kinds.append(kind)
        return partial(self._ask, kind)

    async def stop(self) -> None:
        """Answer what was asked, and hang up."""
        waiting: list[asyncio.Future[Any]] = [
            question.answer
            for kind in self._kinds
            for batch in (*kind.on_their_way, kind.gathering)
            for question in batch
        ]
        if waiting or self._tasks:
            await asyncio.wait([*waiting, *self._tasks])
        if self._pipeline is not None:
            self._pipeline.close()

    def _ask(self, kind: _Kind, *key: Any) -> asyncio.Future[Found | None]:
        if len(kind.gathering) >= self._queue_max:
            msg = f"{len(kind.gathering)} reads are waiting already"
            raise Unreadable(msg)
        loop = asyncio.get_running_loop()
        question = _Question(key, loop.create_future(), loop.time())
        kind.gathering.append(question)
        if not self._is_due:
            # Who else asks in this turn of the loop is read with it.
            self._is_due = True
            loop.call_soon(self._send)
        return question.answer

    def _send(self) -> None:
        """Send what has gathered, where not enough is on its way already."""
        self._is_due = False
        for kind in self._kinds:
            while kind.gathering and len(kind.on_their_way) < ON_THEIR_WAY_MAX:
                pipeline = self._usable()
                if pipeline is None:
                    return
                self._read(kind, pipeline, self._take(kind))

    def _usable(self) -> Pipeline | None:
        """The connection, or None while it is opened."""
        pipeline = self._pipeline
        if self._opening is None:
            used = any(kind.on_their_way for kind in self._kinds)
            if pipeline is not None and not pipeline.closed and (used or pipeline.is_idle()):
                return pipeline
            self._opening = self._spawn(self._open())
        return None

    async def _open(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
        opened: LimitedAsyncConnection[Any] | BaseException
        [opened] = await asyncio.gather(self._connect(), return_exceptions=True)
        self._opening = None
        if isinstance(opened, BaseException):
            self._pipeline = None
            gathered = [question for kind in self._kinds for question in kind.gathering]
            for kind in self._kinds:
                kind.gathering.clear()
            await self._fail(gathered, opened)
        else:
            self._pipeline = Pipeline(opened)
            self._send()

    def _take(self, kind: _Kind) -> Sequence[_Question]:
        """Who comes next. Where statements take long, those who have waited for several are let go."""
        overdue = asyncio.get_running_loop().time() - WAIT_SECONDS_MAX
        late = [question for question in kind.gathering if question.since < overdue]
        for question in late:
            if not question.answer.done():
                msg = f"the read waited for more than {WAIT_SECONDS_MAX:g} seconds"
                question.answer.set_exception(Unreadable(msg))
        batch = kind.gathering[len(late) :][: self._batch_max]
        del kind.gathering[: len(late) + len(batch)]
        return batch

    def _read(self, kind: _Kind, pipeline: Pipeline, batch: Sequence[_Question]) -> None:
        if not batch:
            return
        keys = [dict(zip(kind.names, (n, *question.key), strict=True)) for n, question in enumerate(batch)]
        rows = Rows(kind.statement, {"keys": _encode(keys)})
        try:
            packet = pipeline.send([rows], asyncio.get_running_loop().time() + self._answer_seconds)
        except OperationalError as lost:
            self._spawn(self._fail(batch, lost))
            return
        kind.on_their_way.append(batch)
        packet.answered.add_done_callback(lambda _: self._answer(kind, batch, pipeline, packet, rows))

    def _answer(
        self, kind: _Kind, batch: Sequence[_Question], pipeline: Pipeline, packet: Packet, rows: Rows
    ) -> None:
        kind.on_their_way.remove(batch)
        fault = packet.fault
        if isinstance(fault, errors.FeatureNotSupported):
            # With what is prepared on the tables before it would fail again and again.
            pipeline.close()
        self._send()
        if fault is not None:
            self._spawn(self._fail(batch, fault))
            return
        found = {n: Found(body, position) for n, body, position in rows}
        for n, question in enumerate(batch):
            if not question.answer.done():
                question.answer.set_result(found.get(n))

    async def _fail(self, batch: Sequence[_Question], fault: BaseException) -> None:
        [reason] = await asyncio.gather(self._explained(fault), return_exceptions=True)
        for question in batch:
            if not question.answer.done():
                question.answer.set_exception(reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what nobody awaits, and keep it from being collected."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
