"""Every refusal the rules can give: one class per reason, the message built inside it.

The texts are part of the wire contract: clients show them as they are.
"""

from __future__ import annotations

from domain.names import NAME_PATTERN


class Refusal(Exception):
    """Base of all refusals; `str()` of one is the sentence shown to the caller."""


class DeploymentNotFound(Refusal):
    """No version of the deployment is stored."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment '{workspace}/{name}' not found")


class DeploymentVersionNotFound(Refusal):
    """The deployment has no such version; the literal is echoed as it was sent."""

    def __init__(self, workspace: str, name: str, version: str) -> None:
        super().__init__(f"Deployment '{workspace}/{name}' version '{version}' not found")


class DeploymentToUpdateNotFound(Refusal):
    """An update names no deployment; the contract answers 400 with another text than a read's 404."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment with workspace '{workspace}' and name '{name}' does not exist")


class DeploymentExists(Refusal):
    """The name is taken by a deployment of which any version is stored."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment with workspace '{workspace}' and name '{name}' already exists")


class DeploymentIsDeleting(Refusal):
    """A version that is DELETING may only become DELETED."""

    def __init__(self) -> None:
        super().__init__(
            "Deployment is marked for deletion (DELETING). Only transition to DELETED is allowed."
        )


class NothingToRollBackTo(Refusal):
    """A rollback names no version, and no stored version before the latest was ever READY."""

    def __init__(self, workspace: str, name: str, latest: int) -> None:
        super().__init__(
            f"Deployment '{workspace}/{name}' has no version before version {latest} that was ever READY. "
            "Name the version to restore."
        )


class AlreadyCurrent(Refusal):
    """A rollback would restore what the latest version has already."""

    def __init__(self, workspace: str, name: str, restored: int, config: str, config_version: int) -> None:
        super().__init__(
            f"Deployment '{workspace}/{name}' already has the config of version {restored}: "
            f"'{config}' version {config_version}. Name another version to restore."
        )


class NoEarlierConfigVersion(Refusal):
    """A rollback of a config names no version, and none before the latest is stored."""

    def __init__(self, workspace: str, name: str, latest: int) -> None:
        super().__init__(
            f"Deployment config '{workspace}/{name}' has no version before version {latest} to restore."
        )


class ConfigAlreadyCurrent(Refusal):
    """A rollback of a config would restore what its latest version says already."""

    def __init__(self, workspace: str, name: str, restored: int) -> None:
        super().__init__(
            f"Deployment config '{workspace}/{name}' already says what version {restored} does. "
            "Name another version to restore."
        )


class ReferencedConfigNotFound(Refusal):
    """The config, or the version of it, that a deployment refers to is not stored in its workspace."""

    def __init__(self, workspace: str, config: str, version: int | None) -> None:
        which = "" if version is None else f" version '{version}'"
        super().__init__(f"Deployment config '{workspace}/{config}'{which} does not exist")


class ConfigNotFound(Refusal):
    """No version of the config is stored."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment config '{workspace}/{name}' not found")


class ConfigVersionNotFound(Refusal):
    """The config has no such version; the literal is echoed as it was sent."""

    def __init__(self, workspace: str, name: str, version: str) -> None:
        super().__init__(f"Deployment config '{workspace}/{name}' version '{version}' not found")


class ConfigToUpdateNotFound(Refusal):
    """An update names no config; the contract answers 400."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment config with workspace '{workspace}' and name '{name}' does not exist")


class ConfigExists(Refusal):
    """The name is taken by a config of which any version is stored."""

    def __init__(self, workspace: str, name: str) -> None:
        super().__init__(f"Deployment config with workspace '{workspace}' and name '{name}' already exists")


class ConfigInUse(Refusal):
    """Deployments that are not DELETED still refer to the config or to the version to be removed."""

    def __init__(self, workspace: str, name: str, version: int | None, referrers: int) -> None:
        still = f"because {referrers} ModelDeployment(s) still reference it and are not in DELETED status"
        which = f"Cannot delete ModelDeploymentConfig '{workspace}/{name}'"
        if version is None:
            super().__init__(f"{which} {still}. Delete the dependent deployments first.")
        else:
            super().__init__(f"{which} version {version} {still}")


class InvalidVersion(Refusal):
    """A version literal is no integer."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Invalid version '{text}': must be a positive integer")


class InvalidName(Refusal):
    """The name breaks the name rule; shown as a validation item on `name`."""

    pattern = NAME_PATTERN

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"String should match pattern '{self.pattern}'")


class WorkspaceCannotExist(Refusal):
    """Something is to be created in a workspace that breaks the name rule, so that it cannot exist."""

    def __init__(self, workspace: str) -> None:
        super().__init__(f"Workspace '{workspace}' does not exist. Please create the workspace first.")


class WorkspaceNotFound(Refusal):
    """A list is asked of a workspace that breaks the name rule, so that it cannot exist."""

    def __init__(self, workspace: str) -> None:
        super().__init__(f"Workspace '{workspace}' not found")


class InvalidEntityReference(Refusal):
    """`model_entity_id` is neither `name` nor `workspace/name`."""

    def __init__(self, value: str) -> None:
        super().__init__(f"invalid entity reference '{value}'; expected 'name' or 'workspace/name'")


class PluginDisabled(Refusal):
    """A config brings its own tool call parser plugin, which this service does not allow."""

    def __init__(self) -> None:
        super().__init__(
            "tool_call_plugin is disabled at the platform level. Set models.tool_call_plugin.enabled=true "
            "in the platform configuration to allow custom parser plugins."
        )


class TwoRevisions(Refusal):
    """A config gives the model's revision twice."""

    def __init__(self, revision: str, model_name: str) -> None:
        super().__init__(
            f"Cannot specify both model_revision field ('{revision}') and @revision suffix in model_name "
            f"('{model_name}'). Please use only one."
        )


class GenericEngineLacks(Refusal):
    """A config of engine `generic` leaves out what no platform default can fill."""

    def __init__(self, fields: list[str]) -> None:
        named = " and ".join(f"executor_config.{field}" for field in fields)
        super().__init__(
            f"The 'generic' engine requires {named} to be set "
            "(no platform default exists for a generic container)."
        )


class GenericEngineBlanks(Refusal):
    """A config of engine `generic` has blanks around a value that is used as it stands."""

    def __init__(self, fields: list[str]) -> None:
        named = " and ".join(f"executor_config.{field}" for field in fields)
        super().__init__(f"{named} must not have leading or trailing whitespace.")


class GenericEngineLora(Refusal):
    """A config of engine `generic` asks for LoRA."""

    def __init__(self) -> None:
        super().__init__(
            "The 'generic' engine does not support LoRA (model_spec.lora_enabled); there is no engine "
            "compiler to wire the adapter sidecar against."
        )


class PreconditionFailed(Refusal):
    """`If-Match` names a state that is not the current one; nothing was changed."""

    def __init__(self, tag: str | None) -> None:
        current = "nothing to match" if tag is None else f'its ETag is now "{tag}"'
        super().__init__(
            f"If-Match does not hold: {current}. Read the resource again and decide on what it is now."
        )


class IdempotencyKeyReused(Refusal):
    """An `Idempotency-Key` comes back with another request than the one it was first used for."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key '{key}' was already used for a different request. Use a new key for a new "
            "request, or repeat the first request unchanged."
        )
