"""Events as people ask about them: what kind, by whom, why, and which versions they touched."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final, NamedTuple, Self, TypeAlias, get_args

import msgspec
from msgspec import UNSET, UnsetType

from domain.deployment import DeploymentEvent
from domain.deployment_config import DeploymentConfigEvent
from domain.names import Resource
from domain.principal import Principal
from domain.stream import Event, Recorded
from projections.questions import Ask, Question
from projections.sql import statements


class Stored(NamedTuple):
    """An event as the log holds it, its parts named as the event library names them."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    position: int


Decode: TypeAlias = Callable[[Any], Recorded[Any]]
"""What makes a `Recorded` of something with the first four attributes of `Stored`."""


class Actor(msgspec.Struct, frozen=True):
    """Who did something: an empty id is the anonymous caller."""

    id: str
    on_behalf_of: str | None
    email: str | UnsetType | None = UNSET
    groups: tuple[str, ...] | UnsetType = UNSET

    @classmethod
    def of(cls, principal: Principal, *, auth_context: bool) -> Self:
        """The principal as it is shown; email and groups only to those who see the `auth_context`."""
        if not auth_context:
            return cls(principal.id, principal.on_behalf_of)
        return cls(principal.id, principal.on_behalf_of, principal.email, principal.groups)


class Occurrence(msgspec.Struct, frozen=True):
    """An event without what it did."""

    position: int
    at: datetime
    kind: str
    actor: Actor
    reason: str | None

    @classmethod
    def of(cls, recorded: Recorded[Any], *, auth_context: bool) -> Self:
        """The occurrence of an event, as it is shown."""
        event: Event = recorded.event
        actor = Actor.of(event.by, auth_context=auth_context)
        return cls(recorded.position, event.at, kind_of(event), actor, event.reason)


def recorded_of(decode: Decode, row: tuple[Any, ...]) -> Recorded[Any]:
    """The event that a row of the log holds."""
    stored = Stored(*row)
    return decode(stored)._replace(position=stored.position)


def events_at(decode: Decode, positions: Collection[int]) -> Question[dict[int, Recorded[Any]]]:
    """The events at some positions."""
    rows = yield Ask(_EVENTS_AT, {"positions": sorted(set(positions))})
    events = (recorded_of(decode, row) for row in rows)
    return {recorded.position: recorded for recorded in events}


def kind_of(event: Event) -> str:
    """The stored name of an event."""
    return str(event.__struct_config__.tag)


def resource_of(event: Event) -> Resource:
    """Whether it happened to a deployment or to a config."""
    return "deployments" if isinstance(event, DeploymentEvent) else "deployment-configs"


def touched(event: Any) -> tuple[int, ...]:
    """The versions that an event added, changed or removed."""
    if "versions" in event.__struct_fields__:
        return tuple(event.versions)
    return (event.version,)


def adds_version(event: Event) -> bool:
    """Whether the version that the event touches begins with it."""
    return isinstance(event, _ADDITIONS)


_KINDS: Final[tuple[type[Event], ...]] = (*get_args(DeploymentEvent), *get_args(DeploymentConfigEvent))
# Who adds a version gives it an id.
_ADDITIONS: Final = tuple(kind for kind in _KINDS if "id" in kind.__struct_fields__)
_EVENTS_AT: Final = statements("history.sql", direction="ASC")["events_at"]
