"""The streams that a batch concerns, loaded in a few statements, and what its commands make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from app.event_log import EventLog
from app.pipelined_session import PipelinedSession
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentVersion,
    PinnedConfig,
    Restorable,
    RollBackDeployment,
    UpdateDeployment,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    DeploymentConfigVersion,
    Referrer,
    RollBackDeploymentConfig,
    UpdateDeploymentConfig,
)
from domain.names import stream_id, version_number
from domain.stream import StreamState
from projections.deployment_configs import DEPLOYMENT_CONFIGS, pin
from projections.deployments import DEPLOYMENTS, newest_to_restore, referrers
from projections.timeline import Timeline
from projections.versions import Key, Loaded, VersionsTable

S = TypeVar("S")
Name = tuple[str, str]

DeploymentCommand = (
    CreateDeployment | UpdateDeployment | RollBackDeployment | ChangeDeploymentStatus | DeleteDeployment
)
ConfigCommand = (
    CreateDeploymentConfig | UpdateDeploymentConfig | RollBackDeploymentConfig | DeleteDeploymentConfig
)
AnyCommand = DeploymentCommand | ConfigCommand
Alone = RollBackDeployment | RollBackDeploymentConfig | DeleteDeployment | DeleteDeploymentConfig
"""Commands that need a batch of their own: what they look at is not known by name beforehand."""


class Stream(Generic[S]):
    """A stream as the batch goes on."""

    def __init__(self, table: VersionsTable[S], loaded: Iterable[Loaded[S]], stream_version: int) -> None:
        parts = list(loaded)
        self.last_version = max((part.last_version for part in parts), default=0)
        rows = {row.version: row for part in parts for row in part.rows}
        self.timeline = Timeline(table.fold, rows.values())
        self.stream_version = stream_version

    @property
    def state(self) -> StreamState[S]:
        """What decisions are taken on."""
        return StreamState(self.last_version, self.timeline.snapshots)


class Streams:
    """All streams of a batch, by workspace and name, and what rollbacks and removals of configs look at.

    They are asked for at once, as far as they are known by name, and there when `load` was awaited after the
    session's next exchange.
    """

    def __init__(self, log: EventLog, session: PipelinedSession, commands: Sequence[AnyCommand]) -> None:
        self._log = log
        self._session = session
        self._first = commands[0]
        named = () if isinstance(self._first, Alone) else commands
        of_deployments = [_key(command) for command in named if isinstance(command, DeploymentCommand)]
        of_configs = [_key(command) for command in named if isinstance(command, ConfigCommand)]
        self._references = list(
            dict.fromkeys(_reference(c) for c in named if isinstance(c, CreateDeployment | UpdateDeployment))
        )
        self._read_deployments = self._ask(DEPLOYMENTS, of_deployments)
        self._read_configs = self._ask(DEPLOYMENT_CONFIGS, of_configs)
        self._read_pins = pin(session, self._references) if self._references else list
        self._pins: dict[Key, int | None] = {}
        self.deployments: dict[Name, Stream[DeploymentVersion]] = {}
        self.configs: dict[Name, Stream[DeploymentConfigVersion]] = {}
        self.restorable = Restorable(None)
        self.referrers: Sequence[Referrer] = ()

    async def load(self) -> None:
        """Take what was asked for, and ask for what a command needs that runs alone."""
        match self._first:
            case DeleteDeployment() as removal:
                self.deployments = await self._for_removal(DEPLOYMENTS, _key(removal))
            case DeleteDeploymentConfig() as removal_of_config:
                users = referrers(self._session, removal_of_config.workspace, removal_of_config.name)
                self.configs = await self._for_removal(DEPLOYMENT_CONFIGS, _key(removal_of_config))
                self.referrers = users()
            case RollBackDeployment() as rollback:
                await self._load_for_rollback(rollback)
            case RollBackDeploymentConfig() as rollback_of_config:
                await self._load_for_config_rollback(rollback_of_config)
            case _:
                self.deployments = self._read_deployments()
                self.configs = self._read_configs()
                self._pins = dict(zip(self._references, self._read_pins(), strict=True))

    def pinned(self, command: CreateDeployment | UpdateDeployment) -> PinnedConfig:
        """What the command's config reference resolves to, seeing configs written earlier in this batch."""
        key = _reference(command)
        in_batch = self.configs.get((key.workspace, key.name))
        if in_batch is not None:
            if key.version is None:
                return PinnedConfig(in_batch.state.latest)
            if key.version in in_batch.timeline.snapshots:
                return PinnedConfig(key.version)
        return PinnedConfig(self._pins[key])

    def bodies(self) -> dict[int, str]:
        """Of a batch that concerns one stream: the answer that each loaded version gives now."""
        return {**_bodies(DEPLOYMENTS, self.deployments), **_bodies(DEPLOYMENT_CONFIGS, self.configs)}

    def write(self) -> None:
        """Bring the tables up to what the streams have become."""
        DEPLOYMENTS.write(self._session, [(*name, s.timeline) for name, s in self.deployments.items()])
        DEPLOYMENT_CONFIGS.write(self._session, [(*name, s.timeline) for name, s in self.configs.items()])

    async def _load_for_rollback(self, command: RollBackDeployment) -> None:
        workspace, name = command.workspace, command.name
        version = command.version
        if version is None:
            newest = newest_to_restore(self._session, workspace, name)
            await self._session.exchange()
            version = newest()
        self.deployments = await self._asked(DEPLOYMENTS, Key(workspace, name, version))
        snapshots = self.deployments[workspace, name].timeline.snapshots
        if version is not None and version in snapshots:
            state = snapshots[version].state
            pins = pin(self._session, [Key(workspace, state.config, state.config_version)])
            await self._session.exchange()
            self.restorable = Restorable(version, config_is_stored=pins() != [None])
        else:
            self.restorable = Restorable(version)

    async def _load_for_config_rollback(self, command: RollBackDeploymentConfig) -> None:
        workspace, name = command.workspace, command.name
        self.configs = await self._asked(DEPLOYMENT_CONFIGS, Key(workspace, name, command.version))
        latest = self.configs[workspace, name].state.latest
        if command.version is None and latest is not None:
            # What a removal of the latest version concerns is that version and the one before it.
            self.configs = await self._for_removal(DEPLOYMENT_CONFIGS, Key(workspace, name, latest))

    def _ask(self, table: VersionsTable[S], keys: Sequence[Key]) -> Callable[[], dict[Name, Stream[S]]]:
        if not keys:
            return dict
        unique = list(dict.fromkeys(keys))
        names = list(dict.fromkeys((key.workspace, key.name) for key in unique))
        rows = table.load(self._session, unique)
        versions = self._stream_versions(table, names)

        def read() -> dict[Name, Stream[S]]:
            loaded: dict[Name, list[Loaded[S]]] = {name: [] for name in names}
            for key, found in zip(unique, rows(), strict=True):
                loaded[key.workspace, key.name].append(found)
            return {
                name: Stream(table, parts, stream_version)
                for (name, parts), stream_version in zip(loaded.items(), versions(), strict=True)
            }

        return read

    async def _asked(self, table: VersionsTable[S], key: Key) -> dict[Name, Stream[S]]:
        read = self._ask(table, [key])
        await self._session.exchange()
        return read()

    async def _for_removal(self, table: VersionsTable[S], key: Key) -> dict[Name, Stream[S]]:
        name = (key.workspace, key.name)
        versions = self._stream_versions(table, [name])
        loaded = table.load_for_removal(self._session, key)
        await self._session.exchange()
        return {name: Stream(table, [loaded()], *versions())}

    def _stream_versions(self, table: VersionsTable[Any], names: Iterable[Name]) -> Callable[[], list[int]]:
        streams = [stream_id(workspace, table.resource, name) for workspace, name in names]
        return self._log.stream_versions(self._session, streams)


def _bodies(table: VersionsTable[S], streams: Mapping[Name, Stream[S]]) -> dict[int, str]:
    timelines = [stream.timeline for stream in streams.values()]
    return {version: table.body(t.row(version)) for t in timelines for version in t.snapshots}


def _key(command: AnyCommand) -> Key:
    """The stream a command addresses, and the version it names, if it is one that can exist."""
    literal = None
    if isinstance(command, ChangeDeploymentStatus | DeleteDeployment | DeleteDeploymentConfig):
        literal = command.version
    return Key(command.workspace, command.name, version_number(literal) if literal else None)


def _reference(command: CreateDeployment | UpdateDeployment) -> Key:
    """The config a command refers to; version 0 means the latest, as none does."""
    return Key(command.workspace, command.config, command.config_version or None)
