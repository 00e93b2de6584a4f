"""A deployment: which config is to be served under a name, and how that is going.

    create -> CREATED --status--> any of UNKNOWN CREATED PENDING READY ERROR LOST DELETED DELETING
    update -> PENDING (a new version)         any but DELETED --delete--> DELETING
    DELETING --status DELETED--> DELETED      DELETED --delete--> removed      DELETED --status--> any

Every version has a status of its own. Updating never changes an earlier version; nor does rolling back, which
is an update with what an earlier version has.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from domain import errors
from domain.names import is_name, is_workspace
from domain.principal import AuthContext
from domain.stream import Command, Event, Recorded, Snapshot, StreamState, require_match, version_asked

Status = Literal["UNKNOWN", "CREATED", "PENDING", "READY", "ERROR", "DELETING", "DELETED", "LOST"]

STATUS_HISTORY_MAX: Final = 100
"""Entries of `status_history` that are kept; the log keeps all."""


class StatusHistoryItem(msgspec.Struct, frozen=True):
    """A status and since when it held."""

    timestamp: datetime
    status: Status
    status_message: str


class DeploymentVersion(msgspec.Struct, frozen=True):
    """One version of a deployment, its fields named and ordered as clients see them."""

    id: str
    name: str
    workspace: str
    project: str | None
    created_at: datetime
    updated_at: datetime
    entity_version: int
    config: str
    config_version: int
    status: Status
    status_message: str
    status_history: tuple[StatusHistoryItem, ...]
    model_provider_id: str | None
    auth_context: AuthContext | None


class _VersionAdded(Event, frozen=True, kw_only=True):
    version: int
    id: str
    project: str | None = None
    config: str
    config_version: int


class DeploymentCreated(_VersionAdded, frozen=True, kw_only=True, tag="deployment.created"):
    """A deployment was given its first version, or its first one after all were removed."""


class DeploymentUpdated(_VersionAdded, frozen=True, kw_only=True, tag="deployment.updated"):
    """A further version was added; `config_version` is the number pinned when that was decided."""


class DeploymentRolledBack(_VersionAdded, frozen=True, kw_only=True, tag="deployment.rolled-back"):
    """A further version was added that has the config and config version of an earlier one."""

    restored_version: int


class DeploymentStatusChanged(Event, frozen=True, kw_only=True, tag="deployment.status-changed"):
    """A version's status was reported; all three values are those that hold from now on."""

    version: int
    status: Status
    status_message: str
    model_provider_id: str | None = None


class DeploymentDeletionRequested(Event, frozen=True, kw_only=True, tag="deployment.deletion-requested"):
    """Versions were marked for deletion: something else takes the model down and reports DELETED."""

    versions: tuple[int, ...]


class DeploymentPurged(Event, frozen=True, kw_only=True, tag="deployment.purged"):
    """Versions were removed: readers do not find them any more, the log still knows them."""

    versions: tuple[int, ...]


DeploymentEvent = (
    DeploymentCreated
    | DeploymentUpdated
    | DeploymentRolledBack
    | DeploymentStatusChanged
    | DeploymentDeletionRequested
    | DeploymentPurged
)
State = StreamState[DeploymentVersion]


class CreateDeployment(Command, frozen=True, kw_only=True):
    """Create a deployment: version 1, or the next number if the name was used before."""

    id: str
    project: str | None
    config: str
    config_version: int | None


class UpdateDeployment(Command, frozen=True, kw_only=True):
    """Add a version."""

    id: str
    config: str
    config_version: int | None


class RollBackDeployment(Command, frozen=True, kw_only=True):
    """Add a version with what `version` has, or the newest version before the latest that was ever READY."""

    id: str
    version: int | None = None


class ChangeDeploymentStatus(Command, frozen=True, kw_only=True):
    """Report the status of the latest version, or of the one that the literal `version` names."""

    version: str | None
    status: Status
    status_message: str
    model_provider_id: str | None


class DeleteDeployment(Command, frozen=True, kw_only=True):
    """Mark all versions, or the one that the literal `version` names, for deletion; remove DELETED ones."""

    version: str | None = None


class Restorable(NamedTuple):
    """What a rollback would restore: a version, None if there is none, and whether its config is stored."""

    version: int | None
    config_is_stored: bool = False


class PinnedConfig(NamedTuple):
    """What a command's config reference resolves to: `version` is None if there is no such config."""

    version: int | None


def changes(
    snapshots: Mapping[int, Snapshot[DeploymentVersion]], recorded: Recorded[DeploymentEvent]
) -> dict[int, Snapshot[DeploymentVersion] | None]:
    """The versions an event touches, as they are after it; None where it removes one."""
    event = recorded.event
    match event:
        case DeploymentCreated():
            added = _added(recorded, event, "CREATED", "Deployment created")
            return {event.version: Snapshot(added, recorded.position)}
        case DeploymentUpdated() | DeploymentRolledBack():
            added = _added(recorded, event, "PENDING", "Deployment update pending")
            return {event.version: Snapshot(added, recorded.position)}
        case DeploymentStatusChanged():
            state = snapshots[event.version].state
            changed = _with_status(
                state, event.at, event.status, event.status_message, event.model_provider_id
            )
            return {event.version: Snapshot(changed, recorded.position)}
        case DeploymentDeletionRequested(versions=versions, at=at):
            return {
                version: Snapshot(_deleting(snapshots[version].state, at), recorded.position)
                for version in versions
            }
        case DeploymentPurged(versions=versions):
            return dict.fromkeys(versions)
        case _:
            assert_never(event)


def create(state: State, command: CreateDeployment, pinned: PinnedConfig, at: datetime) -> DeploymentCreated:
    """Decide on a new deployment; the order of the checks is the contract's."""
    if state.latest is not None:
        raise errors.DeploymentExists(command.workspace, command.name)
    require_match(command, None)
    config_version = _require_config(command, pinned)
    if not is_name(command.name):
        raise errors.InvalidName(command.name)
    if not is_workspace(command.workspace):
        raise errors.WorkspaceCannotExist(command.workspace)
    return DeploymentCreated(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=command.project,
        config=command.config,
        config_version=config_version,
    )


def update(state: State, command: UpdateDeployment, pinned: PinnedConfig, at: datetime) -> DeploymentUpdated:
    """Decide on a further version; the status of the current one does not matter."""
    if state.latest is None:
        raise errors.DeploymentToUpdateNotFound(command.workspace, command.name)
    latest = state.snapshots[state.latest]
    require_match(command, latest)
    return DeploymentUpdated(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=latest.state.project,
        config=command.config,
        config_version=_require_config(command, pinned),
    )


def roll_back(
    state: State, command: RollBackDeployment, restorable: Restorable, at: datetime
) -> DeploymentRolledBack:
    """Decide on a further version with what an earlier one has; `state` holds that one too, if stored."""
    if state.latest is None:
        raise errors.DeploymentNotFound(command.workspace, command.name)
    latest = state.snapshots[state.latest]
    require_match(command, latest)
    restored = restorable.version
    if restored is None:
        raise errors.NothingToRollBackTo(command.workspace, command.name, state.latest)
    if restored not in state.snapshots:
        raise errors.DeploymentVersionNotFound(command.workspace, command.name, str(restored))
    config, config_version = _served(state.snapshots[restored].state)
    if (config, config_version) == _served(latest.state):
        raise errors.AlreadyCurrent(command.workspace, command.name, restored, config, config_version)
    if not restorable.config_is_stored:
        raise errors.ReferencedConfigNotFound(command.workspace, config, config_version)
    return DeploymentRolledBack(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=latest.state.project,
        config=config,
        config_version=config_version,
        restored_version=restored,
    )


def change_status(
    state: State, command: ChangeDeploymentStatus, at: datetime
) -> DeploymentStatusChanged | None:
    """Decide on a reported status; None where it says nothing new."""
    version, snapshot = _addressed(state, command, command.version)
    require_match(command, snapshot)
    current = snapshot.state
    if current.status == "DELETING" and command.status != "DELETED":
        raise errors.DeploymentIsDeleting
    provider = current.model_provider_id if command.model_provider_id is None else command.model_provider_id
    before = (current.status, current.status_message, current.model_provider_id)
    if before == (command.status, command.status_message, provider):
        return None
    return DeploymentStatusChanged(
        at=at,
        by=command.by,
        reason=command.reason,
        version=version,
        status=command.status,
        status_message=command.status_message,
        model_provider_id=provider,
    )


def delete(
    state: State, command: DeleteDeployment, at: datetime
) -> DeploymentDeletionRequested | DeploymentPurged | None:
    """Decide on a deletion; None where it was requested before. `state` holds all versions concerned."""
    if command.version is None:
        if state.latest is None:
            raise errors.DeploymentNotFound(command.workspace, command.name)
        require_match(command, state.snapshots[state.latest])
        concerned = dict(sorted(state.snapshots.items()))
    else:
        version, snapshot = _addressed(state, command, command.version)
        require_match(command, snapshot)
        concerned = {version: snapshot}
    if all(snapshot.state.status == "DELETED" for snapshot in concerned.values()):
        return DeploymentPurged(at=at, by=command.by, reason=command.reason, versions=tuple(concerned))
    marked = tuple(n for n, s in concerned.items() if s.state.status not in ("DELETED", "DELETING"))
    if not marked:
        return None
    return DeploymentDeletionRequested(at=at, by=command.by, reason=command.reason, versions=marked)


def _addressed(
    state: State, command: ChangeDeploymentStatus | DeleteDeployment, literal: str | None
) -> tuple[int, Snapshot[DeploymentVersion]]:
    if literal:
        version = version_asked(literal)
        if version not in state.snapshots:
            raise errors.DeploymentVersionNotFound(command.workspace, command.name, literal)
        return version, state.snapshots[version]
    if state.latest is None:
        raise errors.DeploymentNotFound(command.workspace, command.name)
    return state.latest, state.snapshots[state.latest]


def _served(version: DeploymentVersion) -> tuple[str, int]:
    """What an update decides on, and a rollback restores."""
    return version.config, version.config_version


def _require_config(command: CreateDeployment | UpdateDeployment, pinned: PinnedConfig) -> int:
    if pinned.version is None:
        raise errors.ReferencedConfigNotFound(
            command.workspace, command.config, command.config_version or None
        )
    return pinned.version


def _added(
    recorded: Recorded[DeploymentEvent],
    event: _VersionAdded,
    status: Status,
    status_message: str,
) -> DeploymentVersion:
    return DeploymentVersion(
        id=event.id,
        name=recorded.name,
        workspace=recorded.workspace,
        project=event.project,
        created_at=event.at,
        updated_at=event.at,
        entity_version=event.version,
        config=event.config,
        config_version=event.config_version,
        status=status,
        status_message=status_message,
        status_history=(),
        model_provider_id=None,
        auth_context=AuthContext.of(event.by),
    )


def _deleting(state: DeploymentVersion, at: datetime) -> DeploymentVersion:
    return _with_status(state, at, "DELETING", "Deployment deletion requested", state.model_provider_id)


def _with_status(
    state: DeploymentVersion, at: datetime, status: Status, status_message: str, model_provider_id: str | None
) -> DeploymentVersion:
    """The version with a status; only a change of it makes a history entry, after one for how it began."""
    history = state.status_history
    if (status, status_message) != (state.status, state.status_message):
        began = StatusHistoryItem(state.created_at, state.status, state.status_message)
        history = (*(history or (began,)), StatusHistoryItem(at, status, status_message))
    return replace(
        state,
        updated_at=at,
        status=status,
        status_message=status_message,
        status_history=history[-STATUS_HISTORY_MAX:],
        model_provider_id=model_provider_id,
    )
