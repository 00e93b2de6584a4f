"""Commands become events and rows: what happens inside one transaction, under the log's lock.

A batch loads what its commands concern in a few statements, decides each command on what the earlier ones of
the same batch made of it, and writes everything at the end. A refused command leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, assert_never

import msgspec

from app import idempotency
from app.answers import Answer, refused
from app.event_log import EventLog, Head
from app.idempotency import Idempotency
from domain import deployment, deployment_config
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentPurged,
    DeploymentVersion,
    PinnedConfig,
    UpdateDeployment,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    DeploymentConfigVersion,
    UpdateDeploymentConfig,
)
from domain.errors import IdempotencyKeyReused, Refusal
from domain.names import stream_id, version_number
from domain.stream import Event, Recorded, StreamState
from projections import position
from projections.deployment_configs import DEPLOYMENT_CONFIGS, pin
from projections.deployments import DEPLOYMENTS, referrers
from projections.timeline import Timeline
from projections.versions import Key, Loaded, Tuples, VersionsTable

S = TypeVar("S")

DeploymentCommand = CreateDeployment | UpdateDeployment | ChangeDeploymentStatus | DeleteDeployment
ConfigCommand = CreateDeploymentConfig | UpdateDeploymentConfig | DeleteDeploymentConfig
AnyCommand = DeploymentCommand | ConfigCommand
Removal = DeleteDeployment | DeleteDeploymentConfig


class Write(msgspec.Struct, frozen=True):
    """A command, and how a repetition of it is recognised."""

    command: AnyCommand
    idempotency: Idempotency | None = None

    @property
    def runs_alone(self) -> bool:
        """Whether it needs a batch of its own: what removals look at is not known by name beforehand."""
        return isinstance(self.command, Removal)


class _Stream(Generic[S]):
    """A stream as the batch goes on."""

    def __init__(self, table: VersionsTable[S], loaded: Iterable[Loaded[S]], stream_version: int) -> None:
        parts = list(loaded)
        self.last_version = max((part.last_version for part in parts), default=0)
        rows = {row.version: row for part in parts for row in part.rows}
        self.timeline = Timeline(table.fold, rows.values())
        self.stream_version = stream_version

    @property
    def state(self) -> StreamState[S]:
        return StreamState(self.last_version, self.timeline.snapshots)


class Batch:
    """The work of one transaction. `run` it once; then `events` are those it appended.

    `answers` is None until everything is stored: from then on only the commit is left.
    """

    def __init__(self, log: EventLog, cursor: Tuples, head: Head, now: datetime) -> None:
        self._log = log
        self._cursor = cursor
        self._head = head
        self._now = now
        self._deployments: dict[tuple[str, str], _Stream[DeploymentVersion]] = {}
        self._configs: dict[tuple[str, str], _Stream[DeploymentConfigVersion]] = {}
        self._pins: dict[Key, int | None] = {}
        self.events: list[Recorded[Any]] = []
        self.answers: list[Answer] | None = None

    def run(self, writes: Sequence[Write]) -> list[Answer]:
        """Decide every write in order and store what comes of it; one answer each."""
        keys = [write.idempotency for write in writes if write.idempotency is not None]
        answered = idempotency.load(self._cursor, keys) if keys else {}
        self._load([write.command for write in writes])
        first_answers: list[tuple[Idempotency, Answer]] = []
        answers = []
        for write in writes:
            key = write.idempotency
            if key is not None and key.identity in answered:
                answers.append(_repeated(key, *answered[key.identity]))
                continue
            answer = self._answer(write.command)
            answers.append(answer)
            if key is not None:
                answered[key.identity] = (key.fingerprint, answer)
                first_answers.append((key, answer))
        self._store()
        if first_answers:
            idempotency.store(self._cursor, first_answers, self._next_time())
        self.answers = answers
        return answers

    def _answer(self, command: AnyCommand) -> Answer:
        try:
            match command:
                case CreateDeployment() | UpdateDeployment() | ChangeDeploymentStatus() | DeleteDeployment():
                    return self._decide_deployment(command)
                case CreateDeploymentConfig() | UpdateDeploymentConfig() | DeleteDeploymentConfig():
                    return self._decide_config(command)
                case _:
                    assert_never(command)
        except Refusal as refusal:
            return refused(refusal)

    def _decide_deployment(self, command: DeploymentCommand) -> Answer:
        stream = self._deployments[command.workspace, command.name]
        at = self._next_time()
        match command:
            case CreateDeployment():
                created = deployment.create(stream.state, command, self._pinned(command), at)
                return self._version_answer(DEPLOYMENTS, stream, command, created, created.version, 201)
            case UpdateDeployment():
                updated = deployment.update(stream.state, command, self._pinned(command), at)
                return self._version_answer(DEPLOYMENTS, stream, command, updated, updated.version, 201)
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
        stream = self._configs[command.workspace, command.name]
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
            case DeleteDeploymentConfig():
                users = referrers(self._cursor, command.workspace, command.name)
                self._record(stream, command, deployment_config.delete(stream.state, command, users, at))
                return Answer(204, "")
            case _:
                assert_never(command)

    def _version_answer(
        self,
        table: VersionsTable[S],
        stream: _Stream[S],
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

    def _record(self, stream: _Stream[S], command: AnyCommand, event: Event) -> None:
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

    def _pinned(self, command: CreateDeployment | UpdateDeployment) -> PinnedConfig:
        """What the command's config reference resolves to, seeing configs written earlier in this batch."""
        key = _reference(command)
        in_batch = self._configs.get((key.workspace, key.name))
        if in_batch is not None:
            if key.version is None:
                return PinnedConfig(in_batch.state.latest)
            if key.version in in_batch.timeline.snapshots:
                return PinnedConfig(key.version)
        return PinnedConfig(self._pins[key])

    def _load(self, commands: Sequence[AnyCommand]) -> None:
        if isinstance(commands[0], Removal):
            self._load_removal(commands[0])
            return
        of_deployments = [c for c in commands if isinstance(c, DeploymentCommand)]
        of_configs = [c for c in commands if isinstance(c, ConfigCommand)]
        self._deployments = self._streams(DEPLOYMENTS, [_key(command) for command in of_deployments])
        self._configs = self._streams(DEPLOYMENT_CONFIGS, [_key(command) for command in of_configs])
        references = {
            _reference(c): None for c in commands if isinstance(c, CreateDeployment | UpdateDeployment)
        }
        if references:
            self._pins = dict(zip(references, pin(self._cursor, list(references)), strict=True))

    def _streams(self, table: VersionsTable[S], keys: Sequence[Key]) -> dict[tuple[str, str], _Stream[S]]:
        if not keys:
            return {}
        unique = list(dict.fromkeys(keys))
        loaded: dict[tuple[str, str], list[Loaded[S]]] = {}
        for key, found in zip(unique, table.load(self._cursor, unique), strict=True):
            loaded.setdefault((key.workspace, key.name), []).append(found)
        streams = [stream_id(workspace, table.resource, name) for workspace, name in loaded]
        versions = self._log.stream_versions(self._cursor, streams)
        return {
            name: _Stream(table, parts, stream_version)
            for (name, parts), stream_version in zip(loaded.items(), versions, strict=True)
        }

    def _load_removal(self, command: Removal) -> None:
        key = _key(command)
        name = (command.workspace, command.name)
        if isinstance(command, DeleteDeployment):
            stream_version = self._stream_version(command, DEPLOYMENTS)
            loaded = DEPLOYMENTS.load_for_removal(self._cursor, key)
            self._deployments[name] = _Stream(DEPLOYMENTS, [loaded], stream_version)
        else:
            stream_version = self._stream_version(command, DEPLOYMENT_CONFIGS)
            loaded_configs = DEPLOYMENT_CONFIGS.load_for_removal(self._cursor, key)
            self._configs[name] = _Stream(DEPLOYMENT_CONFIGS, [loaded_configs], stream_version)

    def _stream_version(self, command: AnyCommand, table: VersionsTable[Any]) -> int:
        stream = stream_id(command.workspace, table.resource, command.name)
        return self._log.stream_versions(self._cursor, [stream])[0]

    def _store(self) -> None:
        if not self.events:
            return
        self._log.append(self._cursor, self.events)
        DEPLOYMENTS.write(self._cursor, [(*name, s.timeline) for name, s in self._deployments.items()])
        DEPLOYMENT_CONFIGS.write(self._cursor, [(*name, s.timeline) for name, s in self._configs.items()])
        position.advance(self._cursor, self.events[-1].position)


def _key(command: AnyCommand) -> Key:
    """The stream a command addresses, and the version it names, if it is one that can exist."""
    literal = None
    if isinstance(command, ChangeDeploymentStatus | DeleteDeployment | DeleteDeploymentConfig):
        literal = command.version
    return Key(command.workspace, command.name, version_number(literal) if literal else None)


def _reference(command: CreateDeployment | UpdateDeployment) -> Key:
    """The config a command refers to; version 0 means the latest, as none does."""
    return Key(command.workspace, command.config, command.config_version or None)


def _repeated(key: Idempotency, fingerprint: str, answer: Answer) -> Answer:
    if fingerprint != key.fingerprint:
        return refused(IdempotencyKeyReused(key.key))
    return msgspec.structs.replace(answer, replayed=True)
