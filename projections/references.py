"""A state of a deployment or config as people name it: a version or the latest one, now or earlier."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from domain import errors
from domain.errors import Refusal
from domain.names import Resource
from domain.sight import Sight
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS
from projections.questions import Ask, Question
from projections.sql import statements
from projections.timeline import OPEN

TABLES: Final[dict[Resource, str]] = {
    table.resource: table.table for table in (DEPLOYMENTS, DEPLOYMENT_CONFIGS)
}
NOW: Final = OPEN - 1
"""A position after every event."""


class Name(NamedTuple):
    """A deployment or a config."""

    resource: Resource
    workspace: str
    name: str

    def not_found(self, version: str | None = None) -> Refusal:
        """The refusal that says that there is no such thing, or no such version of it."""
        if self.resource == "deployments":
            if version is None:
                return errors.DeploymentNotFound(self.workspace, self.name)
            return errors.DeploymentVersionNotFound(self.workspace, self.name, version)
        if version is None:
            return errors.ConfigNotFound(self.workspace, self.name)
        return errors.ConfigVersionNotFound(self.workspace, self.name, version)


class Reference(NamedTuple):
    """A version as it was at a position, the latest one then if `version` is None.

    Without a position the state now is meant or, of a version that was removed, the last one it had.
    """

    version: int | None = None
    position: int | None = None


class State(NamedTuple):
    """What readers saw of a version since `position`; `created_position` is where the version began."""

    version: int
    position: int
    created_position: int
    body: str

    def members(self, sight: Sight) -> dict[str, Any]:
        """The body's members, without the `auth_context` for those who may not see it, but with secrets."""
        return members_of(self.body, sight)


def state_of(name: Name, reference: Reference) -> Question[State]:
    """The state that a reference means; the refusal of a read if there is none."""
    statement = _STATEMENT[name.resource]
    position = NOW if reference.position is None else reference.position
    where = {"workspace": name.workspace, "name": name.name, "position": position}
    if reference.version is None:
        rows = yield Ask(statement["latest_as_of"], where)
    elif reference.position is None:
        rows = yield Ask(statement["newest_row"], {**where, "version": reference.version})
    else:
        rows = yield Ask(statement["row_as_of"], {**where, "version": reference.version})
    if not rows:
        raise name.not_found(None if reference.version is None else str(reference.version))
    return State(*rows[0])


def members_of(body: str, sight: Sight) -> dict[str, Any]:
    """The members of a stored body, without the `auth_context` for those who may not see it.

    Secrets are still there, to be compared: whoever shows members or their differences leaves them out.
    """
    members = _decode(body)
    if not sight.auth_context:
        members.pop("auth_context", None)
    return members


_STATEMENT: Final = {resource: statements("states.sql", versions=table) for resource, table in TABLES.items()}
_decode = msgspec.json.Decoder(dict[str, Any]).decode
