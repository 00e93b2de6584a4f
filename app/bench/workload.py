"""A log as a fleet of models writes it: made up, the same for the same seed, decided by the domain's rules.

Controllers report statuses most of the time. Some deployments are updated all the time and have thousands of
versions; most have a handful. Some are rolled back, deleted, purged, and created again under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from app.bench.content import config_content, created_config, principal, reason
from domain import deployment, deployment_config
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    PinnedConfig,
    Restorable,
    RollBackDeployment,
    Status,
    UpdateDeployment,
)
from domain.deployment_config import DeleteDeploymentConfig, UpdateDeploymentConfig
from domain.names import Resource, resource_id
from domain.principal import Principal
from domain.stream import Event, Recorded, Snapshot, StreamState

WORKSPACES: Final = 20
EVENTS_PER_BUSY_DEPLOYMENT: Final = 50_000
"""One deployment in so many events is updated all the time."""
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_CONTROLLER: Final = Principal(id="service:models-controller")
_NEXT: Final[dict[Status, list[tuple[Status, str]]]] = {
    "CREATED": [("PENDING", "Pulling image"), ("PENDING", "Waiting for GPUs")],
    "PENDING": [("READY", "Model deployment is ready and serving requests"), ("PENDING", "Loading weights")],
    "READY": [("ERROR", "Container killed: out of memory"), ("LOST", "No heartbeat for 60 seconds")],
    "ERROR": [("PENDING", "Restarting"), ("READY", "Model deployment is ready and serving requests")],
    "LOST": [("READY", "Model deployment is ready and serving requests"), ("UNKNOWN", "Node is gone")],
    "UNKNOWN": [("READY", "Model deployment is ready and serving requests"), ("ERROR", "Node was drained")],
    "DELETING": [("DELETED", "Model deployment removed")],
    "DELETED": [("DELETED", "Model deployment removed, volumes released")],
}
_SHARES: Final = {
    "report": 61,
    "update": 17,
    "create": 8,
    "update_config": 6,
    "create_config": 3,
    "roll_back": 2,
    "delete": 2,
    "delete_config": 1,
}
"""Out of a hundred attempts; a deletion brings about reports, a purge and maybe a new deployment."""


class Stream:
    """A deployment or a config as it is being written."""

    def __init__(self, workspace: str, resource: Resource, name: str) -> None:
        self.workspace = workspace
        self.resource = resource
        self.name = name
        self.events = 0
        self.last_version = 0
        self.snapshots: dict[int, Snapshot[Any]] = {}

    @property
    def state(self) -> StreamState[Any]:
        """What most decisions need: of deployments with thousands of versions, the latest one alone."""
        latest = self.snapshots.get(self.last_version)
        return StreamState(
            self.last_version, self.snapshots if latest is None else {self.last_version: latest}
        )

    @property
    def whole(self) -> StreamState[Any]:
        """All that is stored."""
        return StreamState(self.last_version, self.snapshots)


class Workload:
    """Writes the log; `streams` is then what readers have to find."""

    def __init__(self, seed: int, events: int) -> None:
        self._random = Random(seed)  # noqa: S311 - a benchmark has to be repeatable
        self._events = events
        self._busy_max = max(1, events // EVENTS_PER_BUSY_DEPLOYMENT)
        self._position = 0
        self._deployments: list[Stream] = []
        self._configs: dict[str, list[Stream]] = {}
        self._deleting: list[Stream] = []
        self._steps: dict[str, Callable[[], Iterator[Recorded[Any]]]] = {
            share: getattr(self, f"_{share}") for share in _SHARES
        }
        self.streams: list[Stream] = []

    def write(self) -> Iterator[Recorded[Any]]:
        """The events in order, with dense positions from 1."""
        kinds, weights = list(_SHARES), list(_SHARES.values())
        for workspace in (f"team-{number:02}" for number in range(WORKSPACES)):
            self._configs[workspace] = []
            yield self._new_config(workspace)
        while True:
            for kind in self._random.choices(kinds, weights, k=1_000):
                for recorded in self._steps[kind]():
                    yield recorded
                    if recorded.position == self._events:
                        return

    def _report(self) -> Iterator[Recorded[Any]]:
        if self._deleting and self._random.random() < 0.2:  # noqa: PLR2004 - a deletion takes a while
            yield from self._removed(self._deleting.pop(0))
        elif self._deployments:
            stream = self._pick()
            latest = stream.snapshots[stream.last_version].state
            yield self._reported(stream, *self._random.choice(_NEXT[latest.status]))

    def _update(self) -> Iterator[Recorded[Any]]:
        if not self._deployments:
            return
        stream = self._pick()
        config = self._random.choice(self._configs[stream.workspace])
        command = UpdateDeployment(
            workspace=stream.workspace,
            name=stream.name,
            by=principal(self._random),
            reason=reason(self._random),
            id=self._id("deployments"),
            config=config.name,
            config_version=None,
        )
        yield self._recorded(
            stream, deployment.update(stream.state, command, PinnedConfig(config.last_version), self._now())
        )
        if self._random.random() < 0.7:  # noqa: PLR2004 - most come up
            yield self._reported(stream, "READY", "Model deployment is ready and serving requests")

    def _create(self) -> Iterator[Recorded[Any]]:
        workspace = f"team-{int(self._random.triangular(0, WORKSPACES, 0)):02}"
        stream = Stream(workspace, "deployments", f"model-{len(self.streams)}")
        self.streams.append(stream)
        yield self._created(stream)

    def _roll_back(self) -> Iterator[Recorded[Any]]:
        if not self._deployments:
            return
        stream = self._pick()
        latest = stream.snapshots[stream.last_version].state
        for version in range(stream.last_version - 1, max(stream.last_version - 10, 0), -1):
            earlier = stream.snapshots.get(version)
            if earlier is None or (earlier.state.config, earlier.state.config_version) == (
                latest.config,
                latest.config_version,
            ):
                continue
            command = RollBackDeployment(
                workspace=stream.workspace,
                name=stream.name,
                by=principal(self._random),
                reason="put back what worked",
                id=self._id("deployments"),
                version=version,
            )
            restorable = Restorable(version, config_is_stored=True)
            yield self._recorded(stream, deployment.roll_back(stream.whole, command, restorable, self._now()))
            return

    def _delete(self) -> Iterator[Recorded[Any]]:
        # The busy ones are there to stay.
        if len(self._deployments) <= self._busy_max:
            return
        place = self._random.randrange(self._busy_max, len(self._deployments))
        stream = self._deployments[place]
        self._deployments[place] = self._deployments[-1]
        self._deployments.pop()
        command = DeleteDeployment(workspace=stream.workspace, name=stream.name, by=principal(self._random))
        requested = deployment.delete(stream.whole, command, self._now())
        if requested is not None:
            yield self._recorded(stream, requested)
        self._deleting.append(stream)

    def _removed(self, stream: Stream) -> Iterator[Recorded[Any]]:
        """The controller has taken the versions down; then the name is free again."""
        for version in list(stream.snapshots):
            yield self._reported(stream, "DELETED", "Model deployment removed", version)
        command = DeleteDeployment(workspace=stream.workspace, name=stream.name, by=principal(self._random))
        purged = deployment.delete(stream.whole, command, self._now())
        if purged is not None:
            yield self._recorded(stream, purged)
        if self._random.random() < 0.3:  # noqa: PLR2004 - some come back under the same name
            yield self._created(stream)

    def _created(self, stream: Stream) -> Recorded[Any]:
        config = self._random.choice(self._configs[stream.workspace])
        command = CreateDeployment(
            workspace=stream.workspace,
            name=stream.name,
            by=principal(self._random),
            reason=reason(self._random),
            id=self._id("deployments"),
            project=None,
            config=config.name,
            config_version=None,
        )
        self._deployments.append(stream)
        event = deployment.create(stream.state, command, PinnedConfig(config.last_version), self._now())
        return self._recorded(stream, event)

    def _create_config(self) -> Iterator[Recorded[Any]]:
        yield self._new_config(self._random.choice(list(self._configs)))

    def _new_config(self, workspace: str) -> Recorded[Any]:
        stream = Stream(workspace, "deployment-configs", f"config-{len(self.streams)}")
        command = created_config(self._random, workspace, stream.name, self._id("deployment-configs"))
        self.streams.append(stream)
        self._configs[workspace].append(stream)
        return self._recorded(stream, deployment_config.create(stream.state, command, self._now()))

    def _update_config(self) -> Iterator[Recorded[Any]]:
        stream = self._random.choice(self._configs[self._random.choice(list(self._configs))])
        command = UpdateDeploymentConfig(
            workspace=stream.workspace,
            name=stream.name,
            by=principal(self._random),
            reason=reason(self._random),
            id=self._id("deployment-configs"),
            **config_content(self._random),
        )
        yield self._recorded(stream, deployment_config.update(stream.state, command, self._now()))

    def _delete_config(self) -> Iterator[Recorded[Any]]:
        """The oldest version of one that has several."""
        stream = self._random.choice(self._configs[self._random.choice(list(self._configs))])
        if len(stream.snapshots) < 2:  # noqa: PLR2004 - "several"
            return
        command = DeleteDeploymentConfig(
            workspace=stream.workspace,
            name=stream.name,
            by=principal(self._random),
            version=str(min(stream.snapshots)),
        )
        yield self._recorded(stream, deployment_config.delete(stream.whole, command, (), self._now()))

    def _reported(
        self, stream: Stream, status: Status, message: str, version: int | None = None
    ) -> Recorded[Any]:
        given = stream.snapshots[version or stream.last_version].state
        if (given.status, given.status_message) == (status, message):
            message = f"{message} again"
        command = ChangeDeploymentStatus(
            workspace=stream.workspace,
            name=stream.name,
            by=_CONTROLLER,
            version=None if version is None else str(version),
            status=status,
            status_message=message,
            model_provider_id=f"default/{stream.name}" if status == "READY" else None,
        )
        state = stream.state if version is None else stream.whole
        event = deployment.change_status(state, command, self._now())
        assert event is not None  # noqa: S101 - something changes
        return self._recorded(stream, event)

    def _pick(self) -> Stream:
        """A deployment: three times in ten one of the busy ones, which were there first."""
        if self._random.random() < 0.3:  # noqa: PLR2004
            return self._deployments[self._random.randrange(min(self._busy_max, len(self._deployments)))]
        return self._random.choice(self._deployments)

    def _recorded(self, stream: Stream, event: Event) -> Recorded[Any]:
        self._position += 1
        stream.events += 1
        recorded = Recorded(stream.workspace, stream.name, stream.events, self._position, event)
        fold: Any = deployment.changes if stream.resource == "deployments" else deployment_config.changes
        for version, snapshot in fold(stream.snapshots, recorded).items():
            if snapshot is None:
                del stream.snapshots[version]
            else:
                stream.snapshots[version] = snapshot
                stream.last_version = max(stream.last_version, version)
        return recorded

    def _now(self) -> datetime:
        """Times of a year, with microseconds, none twice."""
        return _BEGIN + timedelta(seconds=20 * self._position, microseconds=self._random.randrange(1_000_000))

    def _id(self, resource: Resource) -> str:
        return resource_id(resource, self._random.randbytes(16))
