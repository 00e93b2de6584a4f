"""Every stored event decided again: the command it came of, given to the domain's own decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec

from app.audit.deviation import Deviation, Place, Rule
from domain import deployment, deployment_config, errors
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentCreated,
    DeploymentDeletionRequested,
    DeploymentEvent,
    DeploymentPurged,
    DeploymentRolledBack,
    DeploymentStatusChanged,
    DeploymentUpdated,
    PinnedConfig,
    Restorable,
    RollBackDeployment,
    UpdateDeployment,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    DeploymentConfigCreated,
    DeploymentConfigDeleted,
    DeploymentConfigEvent,
    DeploymentConfigRolledBack,
    DeploymentConfigUpdated,
    Referrer,
    RollBackDeploymentConfig,
    UpdateDeploymentConfig,
)
from domain.errors import Refusal
from domain.kinds import stored_name
from domain.stream import Event, Recorded

RULE_OF_REFUSAL: Final[dict[type[Refusal], Rule]] = {
    errors.ReferencedConfigNotFound: "config-reference",
    errors.DeploymentIsDeleting: "status",
    errors.ConfigInUse: "config-in-use",
}
"""The rule that a refused event breaks, where it is none of those below."""

_RULE_OF_REMOVAL_FIELD: Final[dict[str, Rule]] = {"version": "version-number", "versions": "removal"}
_REMOVALS: Final = (DeploymentDeletionRequested, DeploymentPurged, DeploymentConfigDeleted)


def require_deployment_event(
    state: deployment.State, recorded: Recorded[DeploymentEvent], *, config_is_stored: bool
) -> None:
    """Raise a `Deviation` unless the rules, given what was before, make exactly this event."""
    try:
        decided = _deployment(state, recorded, config_is_stored=config_is_stored)
    except Refusal as refusal:
        raise _refused(recorded, "deployments", refusal) from refusal
    _require_same(recorded, "deployments", decided)


def require_config_event(
    state: deployment_config.State,
    recorded: Recorded[DeploymentConfigEvent],
    referrers: Sequence[Referrer],
) -> None:
    """The same for an event of a config; `referrers` matter to removals only."""
    try:
        decided = _config(state, recorded, referrers)
    except Refusal as refusal:
        raise _refused(recorded, "deployment-configs", refusal) from refusal
    _require_same(recorded, "deployment-configs", decided)


def _deployment(
    state: deployment.State, recorded: Recorded[DeploymentEvent], *, config_is_stored: bool
) -> DeploymentEvent | None:
    event = recorded.event
    match event:
        case DeploymentCreated():
            pinned = PinnedConfig(event.config_version if config_is_stored else None)
            creation = CreateDeployment(**_given(recorded, "id", "project", "config", "config_version"))
            return deployment.create(state, creation, pinned, event.at)
        case DeploymentUpdated():
            pinned = PinnedConfig(event.config_version if config_is_stored else None)
            update = UpdateDeployment(**_given(recorded, "id", "config", "config_version"))
            return deployment.update(state, update, pinned, event.at)
        case DeploymentRolledBack():
            rollback = RollBackDeployment(**_given(recorded, "id"), version=event.restored_version)
            restorable = Restorable(event.restored_version, config_is_stored=config_is_stored)
            return deployment.roll_back(state, rollback, restorable, event.at)
        case DeploymentStatusChanged():
            report = ChangeDeploymentStatus(
                **_given(recorded, "status", "status_message", "model_provider_id"),
                version=str(event.version),
            )
            return deployment.change_status(state, report, event.at)
        case DeploymentDeletionRequested() | DeploymentPurged():
            removal = DeleteDeployment(**_given(recorded), version=_only(event.versions))
            return deployment.delete(state, removal, event.at)
        case _:
            assert_never(event)


def _config(
    state: deployment_config.State,
    recorded: Recorded[DeploymentConfigEvent],
    referrers: Sequence[Referrer],
) -> DeploymentConfigEvent:
    event = recorded.event
    parts = ("id", "description", "engine", "model_spec", "executor_config", "model_entity_id")
    match event:
        case DeploymentConfigCreated():
            creation = CreateDeploymentConfig(**_given(recorded, *parts, "project"))
            return deployment_config.create(state, creation, event.at)
        case DeploymentConfigUpdated():
            update = UpdateDeploymentConfig(**_given(recorded, *parts))
            return deployment_config.update(state, update, event.at)
        case DeploymentConfigRolledBack(restored_version=restored):
            rollback = RollBackDeploymentConfig(**_given(recorded, "id"), version=restored)
            return deployment_config.roll_back(state, rollback, event.at)
        case DeploymentConfigDeleted():
            removal = DeleteDeploymentConfig(**_given(recorded), version=_only(event.versions))
            return deployment_config.delete(state, removal, referrers, event.at)
        case _:
            assert_never(event)


def _given(recorded: Recorded[Any], *fields: str) -> dict[str, Any]:
    """What a command had from its caller: it is in the event."""
    event = recorded.event
    common = {
        "workspace": recorded.workspace,
        "name": recorded.name,
        "by": event.by,
        "reason": event.reason,
    }
    return common | {field: getattr(event, field) for field in fields}


def _only(versions: Sequence[int]) -> str | None:
    """The one version that a removal named; where there is only one, naming none would be the same."""
    return str(versions[0]) if len(versions) == 1 else None


def _place(recorded: Recorded[Any], resource: str) -> Place:
    stream = f"{recorded.workspace}/{resource}/{recorded.name}"
    return Place(recorded.position, stream, recorded.stream_version)


def _refused(recorded: Recorded[Any], resource: str, refusal: Refusal) -> Deviation:
    event = recorded.event
    rule: Rule = "removal" if isinstance(event, _REMOVALS) else "decision"
    return Deviation(
        _place(recorded, resource),
        RULE_OF_REFUSAL.get(type(refusal), rule),
        expected="an event that the rules allow",
        found=f"{stored_name(event)}, which they refuse: {refusal}",
    )


def _require_same(recorded: Recorded[Any], resource: str, decided: Event | None) -> None:
    event = recorded.event
    if decided == event:
        return
    place = _place(recorded, resource)
    if decided is None:
        expected = "no event, as it changes nothing"
        raise Deviation(place, "decision", expected=expected, found=stored_name(event))
    if type(decided) is not type(event):
        rule: Rule = "removal" if isinstance(event, _REMOVALS) else "decision"
        raise Deviation(place, rule, expected=stored_name(decided), found=stored_name(event))
    field = next(f for f in event.__struct_fields__ if getattr(decided, f) != getattr(event, f))
    raise Deviation(
        place,
        _RULE_OF_REMOVAL_FIELD.get(field, "decision"),
        expected=f"{field} {_json(getattr(decided, field))}",
        found=f"{field} {_json(getattr(event, field))}",
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
