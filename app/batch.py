"""Commands become events and rows: what happens inside one transaction, under the log's lock.

A batch loads what its commands concern in a few statements, decides each command on what the earlier ones of
the same batch made of it, and writes everything at the end. A refused command leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, assert_never

import msgspec

from app import idempotency
from app.answers import Answer, Effect, refused
from app.event_log import EventLog, Head, Transaction
from app.idempotency import Idempotency
from app.pipelined_session import PipelinedSession
from app.projection_versions import Stale, ask_stale, own_versions
from app.streams import Alone, AnyCommand, ConfigCommand, DeploymentCommand, Stream, Streams
from domain import deployment, deployment_config
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentPurged,
    RollBackDeployment,
    UpdateDeployment,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    RollBackDeploymentConfig,
    UpdateDeploymentConfig,
)
from domain.errors import IdempotencyKeyReused, Refusal
from domain.names import version_number
from domain.stream import Event, Recorded
from projections import position
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS
from projections.versions import VersionsTable

S = TypeVar("S")


class Write(msgspec.Struct, frozen=True):
    """A command, and how a repetition of it is recognised; a `dry_run` is answered but not carried out."""

    command: AnyCommand
    idempotency: Idempotency | None = None
    dry_run: bool = False

    @property
    def runs_alone(self) -> bool:
        """Whether it needs a batch of its own."""
        return self.dry_run or isinstance(self.command, Alone)


class StaleTables(Exception):
    """The live tables are not of this program's versions, so it must not write; the text says which."""


class Batch:
    """The work of one transaction: made, it asks for what its writes concern, and sends nothing yet.

    `run` it once; then `events` are those it appended. `answers` is None while nothing can be committed.
    """

    def __init__(
        self,
        log: EventLog,
        session: Transaction,
        writes: Sequence[Write],
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._session = session
        self._writes = writes
        self._clock = clock
        self._head: Head
        self._now: datetime
        self._streams = Streams(log, session, [write.command for write in writes])
        self._answered = idempotency.load(
            session, [write.idempotency for write in writes if write.idempotency is not None]
        )
        self._first_answers: list[tuple[Idempotency, Answer]] = []
        self.events: list[Recorded[Any]] = []
        self.answers: list[Answer] | None = None

    async def run(self) -> list[Answer]:
        """Decide every write in order; one answer each. The commit stores what is to be stored."""
        await self._load()
        first = self._writes[0]
        if first.dry_run:
            self.answers = [self._rehearsed(first.command)]
            return self.answers
        answered = self._answered()
        answers = []
        for write in self._writes:
            key = write.idempotency
            if key is not None and key.identity in answered:
                answers.append(_repeated(key, *answered[key.identity]))
                continue
            answer = self._answer(write.command)
            answers.append(answer)
            if key is not None:
                answered[key.identity] = (key.fingerprint, answer)
                self._first_answers.append((key, answer))
        self._store()
        if self._first_answers:
            idempotency.store(self._session, self._first_answers, self._next_time())
        self.answers = answers
        return answers

    @property
    def stored_something(self) -> bool:
        """Whether the commit makes a difference: refusals without a key leave nothing behind."""
        return bool(self.events or self._first_answers)

    async def is_stored(self, session: PipelinedSession) -> bool:
        """Whether the database has what this batch stored, as a later one under the log's lock sees it.

        The commit of this batch has ended then, one way or the other: its transaction held the lock.
        """
        if self.events:
            return await self._log.holds(session, self.events[0])
        key, answer = self._first_answers[0]
        stored = idempotency.load(session, [key])
        await session.exchange()
        return stored() == {key.identity: (key.fingerprint, answer)}

    async def _load(self) -> None:
        """Get the lock and what the writes concern, in one round trip; the time is read under the lock."""
        self._head = await self._session.head()
        self._now = self._clock()
        if self._head.live != own_versions():
            found = self._session.execute(*ask_stale())
            await self._session.exchange()
            raise StaleTables("; ".join(str(Stale(*row)) for row in found))
        await self._streams.load()

    def _rehearsed(self, command: AnyCommand) -> Answer:
        """The answer to a command that is not carried out, with what it would change."""
        before = self._streams.bodies()
        answer = self._answer(command)
        if answer.status >= 400:  # noqa: PLR2004 - it is refused
            return answer
        self.events.clear()
        return msgspec.structs.replace(answer, effects=_effects(before, self._streams.bodies()))

    def _answer(self, command: AnyCommand) -> Answer:
        try:
            if isinstance(command, DeploymentCommand):
                return self._decide_deployment(command)
            return self._decide_config(command)
        except Refusal as refusal:
            return refused(refusal)

    def _decide_deployment(self, command: DeploymentCommand) -> Answer:
        stream = self._streams.deployments[command.workspace, command.name]
        at = self._next_time()
        match command:
            case CreateDeployment():
                created = deployment.create(stream.state, command, self._streams.pinned(command), at)
                return self._version_answer(DEPLOYMENTS, stream, command, created, created.version, 201)
            case UpdateDeployment():
                updated = deployment.update(stream.state, command, self._streams.pinned(command), at)
                return self._version_answer(DEPLOYMENTS, stream, command, updated, updated.version, 201)
            case RollBackDeployment():
                rolled_back = deployment.roll_back(stream.state, command, self._streams.restorable, at)
                return self._version_answer(
                    DEPLOYMENTS, stream, command, rolled_back, rolled_back.version, 201
                )
            case ChangeDeploymentStatus():
                changed = deployment.change_status(stream.state, command, at)
                version = (
                    version_number(command.version) if command.version else None
                ) or stream.state.latest
                return self._version_answer(DEPLOYMENTS, stream, command, changed, version or 0, 200)
            case DeleteDeployment():
                deleted = deployment.delete(stream.state, command, at)
                if deleted is not None:
                    self._record(stream, command, deleted)
                return Answer(204, "") if isinstance(deleted, DeploymentPurged) else Answer(202, "null")
            case _:
                assert_never(command)

    def _decide_config(self, command: ConfigCommand) -> Answer:
        stream = self._streams.configs[command.workspace, command.name]
        at = self._next_time()
        match command:
            case CreateDeploymentConfig():
                created = deployment_config.create(stream.state, command, at)
                return self._version_answer(
                    DEPLOYMENT_CONFIGS, stream, command, created, created.version, 201
                )
            case UpdateDeploymentConfig():
                updated = deployment_config.update(stream.state, command, at)
                return self._version_answer(
                    DEPLOYMENT_CONFIGS, stream, command, updated, updated.version, 201
                )
            case RollBackDeploymentConfig():
                restored = deployment_config.roll_back(stream.state, command, at)
                return self._version_answer(
                    DEPLOYMENT_CONFIGS, stream, command, restored, restored.version, 201
                )
            case DeleteDeploymentConfig():
                deleted = deployment_config.delete(stream.state, command, self._streams.referrers, at)
                self._record(stream, command, deleted)
                return Answer(204, "")
            case _:
                assert_never(command)

    def _version_answer(
        self,
        table: VersionsTable[S],
        stream: Stream[S],
        command: AnyCommand,
        event: Event | None,
        version: int,
        status: int,
    ) -> Answer:
        """Record the event, if there is one; the answer is the version's row as it is now."""
        if event is not None:
            self._record(stream, command, event)
            stream.last_version = max(stream.last_version, version)
        row = stream.timeline.row(version)
        return Answer(status, table.body(row), row.snapshot.position)

    def _record(self, stream: Stream[S], command: AnyCommand, event: Event) -> None:
        stream.stream_version += 1
        place = self._head.position + len(self.events) + 1
        recorded = Recorded(command.workspace, command.name, stream.stream_version, place, event)
        stream.timeline.apply(recorded)
        self.events.append(recorded)

    def _next_time(self) -> datetime:
        """Later than every event before, in the log and in this batch."""
        if not self.events:
            return self._head.next_time(self._now)
        last: Event = self.events[-1].event
        return Head(0, last.at).next_time(self._now)

    def _store(self) -> None:
        if not self.events:
            return
        self._log.append(self._session, self.events)
        self._streams.write()
        position.advance(self._session, self.events[-1].position)


def _effects(before: Mapping[int, str], after: Mapping[int, str]) -> tuple[Effect, ...]:
    """What differs; before an added version stands the one that was the latest."""
    latest = before.get(max(before, default=0))
    changed = [version for version in sorted({*before, *after}) if before.get(version) != after.get(version)]
    return tuple(Effect(version, before.get(version, latest), after.get(version)) for version in changed)


def _repeated(key: Idempotency, fingerprint: str, answer: Answer) -> Answer:
    if fingerprint != key.fingerprint:
        return refused(IdempotencyKeyReused(key.key))
    return msgspec.structs.replace(answer, replayed=True)
