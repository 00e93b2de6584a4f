"""A deployment config: how a model is to be served. Versions are added and removed, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, assert_never

import msgspec

from domain import errors
from domain.names import is_name, is_workspace
from domain.stream import Command, Event, Recorded, Snapshot, StreamState, require_match, version_asked
from domain.texts import Count, Text255

Engine = Literal["nim", "vllm", "generic"]
ModelType = Literal["llm", "embed", "other"]


class ToolCallConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the engine finds tool calls in what the model says."""

    tool_call_parser: Text255 | None = None
    tool_call_plugin: Text255 | None = None
    auto_tool_choice: bool | None = None


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model is to be served."""

    model_type: ModelType | None = None
    model_namespace: Text255 | None = None
    model_name: Text255 | None = None
    model_revision: Text255 | None = None
    chat_template: str | None = None
    tool_call_config: ToolCallConfig | None = None
    lora_enabled: bool = False


class K8sNimOperatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings handed to the Kubernetes operator as they are."""

    resources: dict[str, Any] | None = None
    tolerations: list[dict[str, Any]] | None = None
    node_selector: dict[str, str] | None = None
    startup_probe_grace_seconds: Annotated[int, msgspec.Meta(gt=0)] | None = None


class ExecutorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model is served with and on."""

    gpu: Count
    disk_size: str = "50Gi"
    image_name: Text255 | None = None
    image_tag: Text255 | None = None
    health_check_path: Text255 | None = None
    run_as_user: Count | None = None
    run_as_group: Count | None = None
    additional_envs: dict[str, str] | None = None
    additional_args: list[str] = []
    k8s_nim_operator_config: K8sNimOperatorConfig | None = None
    override_config: dict[str, Any] | None = None


class DeploymentConfigVersion(msgspec.Struct, frozen=True):
    """One version of a config, its fields named and ordered as clients see them."""

    id: str
    name: str
    workspace: str
    project: str | None
    created_at: datetime
    updated_at: datetime
    entity_version: int
    description: str | None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: str | None


class _ConfigVersionAdded(Event, frozen=True, kw_only=True):
    version: int
    id: str
    project: str | None = None
    description: str | None = None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: str | None = None


class DeploymentConfigCreated(
    _ConfigVersionAdded, frozen=True, kw_only=True, tag="deployment-config.created"
):
    """A config was given its first version, or its first one after all were removed."""


class DeploymentConfigUpdated(
    _ConfigVersionAdded, frozen=True, kw_only=True, tag="deployment-config.updated"
):
    """A further version was added."""


class DeploymentConfigRolledBack(
    _ConfigVersionAdded, frozen=True, kw_only=True, tag="deployment-config.rolled-back"
):
    """A further version was added that has what an earlier one, `restored_version`, has."""

    restored_version: int


class DeploymentConfigDeleted(Event, frozen=True, kw_only=True, tag="deployment-config.deleted"):
    """Versions were removed: readers do not find them any more, the log still knows them."""

    versions: tuple[int, ...]


DeploymentConfigEvent = (
    DeploymentConfigCreated | DeploymentConfigUpdated | DeploymentConfigRolledBack | DeploymentConfigDeleted
)
State = StreamState[DeploymentConfigVersion]


class CreateDeploymentConfig(Command, frozen=True, kw_only=True):
    """Create a config: version 1, or the next number if the name was used before."""

    id: str
    project: str | None
    description: str | None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: str | None


class UpdateDeploymentConfig(Command, frozen=True, kw_only=True):
    """Add a version that replaces the latest one in all but its project."""

    id: str
    description: str | None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: str | None


class RollBackDeploymentConfig(Command, frozen=True, kw_only=True):
    """Add a version with what an earlier one has: the one named, or else the one before the latest."""

    id: str
    version: int | None


class DeleteDeploymentConfig(Command, frozen=True, kw_only=True):
    """Remove all versions, or the one that `version` (a literal, see `names.version_number`) names."""

    version: str | None = None


class Referrer(NamedTuple):
    """A deployment that refers to a config: the highest of its stored versions which does."""

    config_version: int
    status: str


def changes(
    snapshots: Mapping[int, Snapshot[DeploymentConfigVersion]], recorded: Recorded[DeploymentConfigEvent]
) -> dict[int, Snapshot[DeploymentConfigVersion] | None]:
    """The versions an event touches, as they are after it; None where it removes one."""
    event = recorded.event
    match event:
        case DeploymentConfigCreated() | DeploymentConfigUpdated() | DeploymentConfigRolledBack():
            return {event.version: Snapshot(_added(recorded, event), recorded.position)}
        case DeploymentConfigDeleted(versions=versions):
            return dict.fromkeys(version for version in versions if version in snapshots)
        case _:
            assert_never(event)


def create(state: State, command: CreateDeploymentConfig, at: datetime) -> DeploymentConfigCreated:
    """Decide on a new config; the order of the checks is the contract's."""
    _require_valid_reference(command.model_entity_id)
    _require_no_plugin(command.model_spec)
    if state.latest is not None:
        raise errors.ConfigExists(command.workspace, command.name)
    require_match(command, None)
    _require_generic_engine_complete(command.engine, command.model_spec, command.executor_config)
    _require_one_revision(command)
    if not is_name(command.name):
        raise errors.InvalidName(command.name)
    if not is_workspace(command.workspace):
        raise errors.WorkspaceCannotExist(command.workspace)
    return DeploymentConfigCreated(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=command.project,
        description=command.description,
        engine=command.engine,
        model_spec=command.model_spec,
        executor_config=command.executor_config,
        model_entity_id=command.model_entity_id,
    )


def update(state: State, command: UpdateDeploymentConfig, at: datetime) -> DeploymentConfigUpdated:
    """Decide on a further version; the order of the checks is the contract's."""
    _require_valid_reference(command.model_entity_id)
    _require_no_plugin(command.model_spec)
    if state.latest is None:
        raise errors.ConfigToUpdateNotFound(command.workspace, command.name)
    latest = state.snapshots[state.latest]
    require_match(command, latest)
    _require_generic_engine_complete(command.engine, command.model_spec, command.executor_config)
    return DeploymentConfigUpdated(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=latest.state.project,
        description=command.description,
        engine=command.engine,
        model_spec=command.model_spec,
        executor_config=command.executor_config,
        model_entity_id=command.model_entity_id,
    )


def roll_back(state: State, command: RollBackDeploymentConfig, at: datetime) -> DeploymentConfigRolledBack:
    """Decide on a further version with what an earlier one has; `state` holds that one too, if stored."""
    if state.latest is None:
        raise errors.ConfigNotFound(command.workspace, command.name)
    latest = state.snapshots[state.latest]
    require_match(command, latest)
    restored = command.version
    if restored is None:
        restored = max((number for number in state.snapshots if number < state.latest), default=None)
    if restored is None:
        raise errors.NoEarlierConfigVersion(command.workspace, command.name, state.latest)
    if restored not in state.snapshots:
        raise errors.ConfigVersionNotFound(command.workspace, command.name, str(restored))
    content = state.snapshots[restored].state
    if _content(content) == _content(latest.state):
        raise errors.ConfigAlreadyCurrent(command.workspace, command.name, restored)
    return DeploymentConfigRolledBack(
        at=at,
        by=command.by,
        reason=command.reason,
        version=state.last_version + 1,
        id=command.id,
        project=latest.state.project,
        description=content.description,
        engine=content.engine,
        model_spec=content.model_spec,
        executor_config=content.executor_config,
        model_entity_id=content.model_entity_id,
        restored_version=restored,
    )


def delete(
    state: State, command: DeleteDeploymentConfig, referrers: Sequence[Referrer], at: datetime
) -> DeploymentConfigDeleted:
    """Decide on removing versions that no deployment needs; `state` holds all versions concerned."""
    number = None if command.version is None else version_asked(command.version)
    users = [r for r in referrers if r.status != "DELETED" and number in (None, r.config_version)]
    if users:
        raise errors.ConfigInUse(command.workspace, command.name, number, len(users))
    if number is None:
        if state.latest is None:
            raise errors.ConfigNotFound(command.workspace, command.name)
        require_match(command, state.snapshots[state.latest])
        removed = tuple(sorted(state.snapshots))
    else:
        if number not in state.snapshots:
            raise errors.ConfigVersionNotFound(command.workspace, command.name, command.version or "")
        require_match(command, state.snapshots[number])
        removed = (number,)
    return DeploymentConfigDeleted(at=at, by=command.by, reason=command.reason, versions=removed)


_GENERIC_NEEDS: Final = ("image_name", "health_check_path")


def _content(version: DeploymentConfigVersion) -> bytes:
    """What a version says, as JSON: free-form numbers of different kinds are different."""
    return msgspec.json.encode(
        (
            version.description,
            version.engine,
            version.model_spec,
            version.executor_config,
            version.model_entity_id,
        )
    )


def _added(
    recorded: Recorded[DeploymentConfigEvent],
    event: DeploymentConfigCreated | DeploymentConfigUpdated | DeploymentConfigRolledBack,
) -> DeploymentConfigVersion:
    return DeploymentConfigVersion(
        id=event.id,
        name=recorded.name,
        workspace=recorded.workspace,
        project=event.project,
        created_at=event.at,
        updated_at=event.at,
        entity_version=event.version,
        description=event.description,
        engine=event.engine,
        model_spec=event.model_spec,
        executor_config=event.executor_config,
        model_entity_id=event.model_entity_id,
    )


def _require_valid_reference(value: str | None) -> None:
    if not value:
        return
    parts = value.split("/")
    if len(parts) > 2 or not all(part.strip() for part in parts):  # noqa: PLR2004 - 'workspace/name'
        raise errors.InvalidEntityReference(value)


def _require_no_plugin(spec: ModelSpec) -> None:
    if spec.tool_call_config is not None and spec.tool_call_config.tool_call_plugin:
        raise errors.PluginDisabled


def _require_one_revision(command: CreateDeploymentConfig) -> None:
    spec = command.model_spec
    if not command.model_entity_id and spec.model_revision and "@" in (spec.model_name or ""):
        raise errors.TwoRevisions(spec.model_revision, spec.model_name or "")


def _require_generic_engine_complete(engine: Engine, spec: ModelSpec, executor: ExecutorConfig) -> None:
    if engine != "generic":
        return
    values = {field: getattr(executor, field) or "" for field in _GENERIC_NEEDS}
    if missing := [field for field, value in values.items() if not value.strip()]:
        raise errors.GenericEngineLacks(missing)
    if blank := [field for field, value in values.items() if value != value.strip()]:
        raise errors.GenericEngineBlanks(blank)
    if spec.lora_enabled:
        raise errors.GenericEngineLora
