"""Short ways to build commands, events and streams in tests."""

from datetime import UTC, datetime, timedelta
from functools import reduce

from domain import deployment, deployment_config
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentStatusChanged,
    PinnedConfig,
    Restorable,
    RollBackDeployment,
    UpdateDeployment,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    ExecutorConfig,
    ModelSpec,
    UpdateDeploymentConfig,
)
from domain.stream import Recorded, StreamState

WORKSPACE, NAME = "default", "llama"
BEGIN = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
PINNED = PinnedConfig(1)


def at(seconds):
    """A time so many seconds after the tests' beginning."""
    return BEGIN + timedelta(seconds=seconds)


def create(**changes):
    """A command that creates a deployment."""
    given = {"workspace": WORKSPACE, "name": NAME, "id": "d-1", "project": None}
    return CreateDeployment(**given | {"config": "c1", "config_version": None} | changes)


def update(**changes):
    """A command that adds a version."""
    given = {"workspace": WORKSPACE, "name": NAME, "id": "d-2", "config": "c1", "config_version": None}
    return UpdateDeployment(**given | changes)


def roll_back(version=None, **changes):
    """A command that restores a version, or the newest earlier one that was READY."""
    given = {"workspace": WORKSPACE, "name": NAME, "id": "d-3", "version": version}
    return RollBackDeployment(**given | changes)


def report(status, message="", **changes):
    """A command that reports a status."""
    given = {"workspace": WORKSPACE, "name": NAME, "version": None, "model_provider_id": None}
    return ChangeDeploymentStatus(**given | {"status": status, "status_message": message} | changes)


def delete(version=None, **changes):
    """A command that deletes a deployment or one version of it."""
    return DeleteDeployment(**{"workspace": WORKSPACE, "name": NAME, "version": version} | changes)


def config_parts(**changes):
    """What both config commands have."""
    given = {
        "workspace": WORKSPACE,
        "name": "c1",
        "id": "c-1",
        "description": None,
        "engine": "nim",
        "model_spec": ModelSpec(model_name="m"),
        "executor_config": ExecutorConfig(gpu=1),
        "model_entity_id": None,
    }
    return given | changes


def create_config(**changes):
    """A command that creates a config."""
    return CreateDeploymentConfig(**config_parts(**{"project": None} | changes))


def update_config(**changes):
    """A command that adds a version of a config."""
    return UpdateDeploymentConfig(**config_parts(**changes))


def delete_config(version=None):
    """A command that deletes a config or one version of it."""
    return DeleteDeploymentConfig(workspace=WORKSPACE, name="c1", version=version)


class Stream:
    """A stream in memory: decides commands on the state its events add up to."""

    def __init__(self, fold):
        self._fold = fold
        self.events = []
        self.snapshots = {}
        self.last_version = 0

    @property
    def state(self):
        return StreamState(self.last_version, dict(self.snapshots))

    def record(self, event):
        """Append an event, unless it is None."""
        if event is None:
            return
        position = len(self.events) + 1
        recorded = Recorded(WORKSPACE, NAME, position, position, event)
        self.events.append(recorded)
        for version, snapshot in self._fold(self.snapshots, recorded).items():
            if snapshot is None:
                del self.snapshots[version]
            else:
                self.snapshots[version] = snapshot
            self.last_version = max(self.last_version, version)

    def version(self, number):
        """The state of a version."""
        return self.snapshots[number].state


def deployment_stream(*commands):
    """A deployment's stream after some commands, a second apart."""
    return reduce(decide, commands, Stream(deployment.changes))


def decide(stream, command):
    """Decide a command on a deployment's stream and record what comes of it."""
    time = at(len(stream.events))
    match command:
        case CreateDeployment():
            stream.record(deployment.create(stream.state, command, PINNED, time))
        case UpdateDeployment():
            stream.record(deployment.update(stream.state, command, PINNED, time))
        case RollBackDeployment():
            stream.record(deployment.roll_back(stream.state, command, restorable(stream, command), time))
        case ChangeDeploymentStatus():
            stream.record(deployment.change_status(stream.state, command, time))
        case DeleteDeployment():
            stream.record(deployment.delete(stream.state, command, time))
    return stream


def restorable(stream, command):
    """What a rollback can restore, by the stream's events; every config is stored."""
    if command.version is not None:
        return Restorable(command.version, config_is_stored=True)
    reports = [r.event for r in stream.events if isinstance(r.event, DeploymentStatusChanged)]
    ever_ready = {event.version for event in reports if event.status == "READY"}
    earlier = sorted(stream.snapshots)[:-1]
    return Restorable(max(ever_ready.intersection(earlier), default=None), config_is_stored=True)


def config_stream(*commands):
    """A config's stream after some commands, a second apart; nothing refers to it."""
    stream = Stream(deployment_config.changes)
    for command in commands:
        time = at(len(stream.events))
        match command:
            case CreateDeploymentConfig():
                stream.record(deployment_config.create(stream.state, command, time))
            case UpdateDeploymentConfig():
                stream.record(deployment_config.update(stream.state, command, time))
            case DeleteDeploymentConfig():
                stream.record(deployment_config.delete(stream.state, command, [], time))
    return stream
