"""What a command is about, and points of the log, as they are written on a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cyclopts import Token

from domain.names import Resource, stream_id

DEFAULT_WORKSPACE: Final = "default"
EVERYWHERE: Final = ("all", "-")
"""How all workspaces are called."""

_RESOURCES: Final[dict[str, Resource]] = {
    "deployments": "deployments",
    "deployment-configs": "deployment-configs",
}
_POSITION: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Scope(NamedTuple):
    """Everything, a workspace, or one deployment or config."""

    workspace: str | None = None
    resource: Resource | None = None
    name: str | None = None

    @property
    def stream(self) -> str | None:
        """The id of the one stream that this is, None where it is more."""
        if self.workspace is None or self.resource is None or self.name is None:
            return None
        return stream_id(self.workspace, self.resource, self.name)

    @property
    def title(self) -> str:
        """The scope in words."""
        if self.workspace is None:
            return "all workspaces"
        return self.stream or f"workspace {self.workspace}"


class Named(NamedTuple):
    """One deployment or config."""

    workspace: str
    resource: Resource
    name: str

    @property
    def title(self) -> str:
        """Its stream's id."""
        return stream_id(*self)


class Moment(NamedTuple):
    """A point in the log: a position, or a time."""

    text: str
    position: int | None
    time: datetime | None


class VersionAt(NamedTuple):
    """A state of a deployment or config: a version, or the latest one then, or the latest one now."""

    version: int | None
    moment: Moment | None


def parse_scope(text: str) -> Scope:
    """`WORKSPACE`, `all`, or `WORKSPACE/deployments/NAME`."""
    parts = text.split("/")
    if text in EVERYWHERE:
        return Scope()
    if len(parts) == 1 and text:
        return Scope(text)
    if len(parts) == 3 and all(parts) and parts[1] in _RESOURCES:  # noqa: PLR2004 - workspace, resource, name
        return Scope(parts[0], _RESOURCES[parts[1]], parts[2])
    raise ValueError(f"{text!r} is neither WORKSPACE nor WORKSPACE/deployments/NAME nor all")


def parse_named(text: str) -> Named:
    """`NAME` or `WORKSPACE/NAME` of a deployment, or `WORKSPACE/deployment-configs/NAME`."""
    match text.split("/"):
        case [name] if name:
            return Named(DEFAULT_WORKSPACE, "deployments", name)
        case [workspace, name] if workspace and name:
            return Named(workspace, "deployments", name)
        case [workspace, resource, name] if workspace and name and resource in _RESOURCES:
            return Named(workspace, _RESOURCES[resource], name)
    raise ValueError(f"{text!r} is neither [WORKSPACE/]NAME nor WORKSPACE/deployment-configs/NAME")


def parse_moment(text: str) -> Moment:
    """A position, or an ISO 8601 time; a time without an offset is UTC."""
    if _POSITION.fullmatch(text):
        return Moment(text, int(text), None)
    try:
        time = datetime.fromisoformat(text)
        return Moment(text, None, time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a position nor a time such as 2026-11-17T14:00 (UTC) "
            "or 2026-11-17T15:00+01:00"
        ) from None


def parse_version_at(text: str) -> VersionAt:
    """A version, `@` and a position, or a time."""
    if _POSITION.fullmatch(text):
        return VersionAt(int(text), None)
    return VersionAt(None, parse_moment(text.removeprefix("@")))


def scope_argument(_type: Any, tokens: Sequence[Token]) -> Scope:
    """`parse_scope` as the command line calls it."""
    return parse_scope(tokens[0].value)


def named_argument(_type: Any, tokens: Sequence[Token]) -> Named:
    """`parse_named` as the command line calls it."""
    return parse_named(tokens[0].value)


def moment_argument(_type: Any, tokens: Sequence[Token]) -> Moment:
    """`parse_moment` as the command line calls it."""
    return parse_moment(tokens[0].value)


def reference_argument(_type: Any, tokens: Sequence[Token]) -> VersionAt:
    """`parse_version_at` as the command line calls it."""
    return parse_version_at(tokens[0].value)
