"""Events as people ask about them: what kind, by whom, why, and which versions they touched."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET, UnsetType

from domain.kinds import KINDS, kind_of, stored_name
from domain.principal import Principal
from domain.sight import Sight
from domain.stream import Event, Recorded
from projections.questions import Ask, Question
from projections.sql import statements


class Actor(msgspec.Struct, frozen=True):
    """Who did something: an empty id is the anonymous caller."""

    id: str
    on_behalf_of: str | None
    email: str | UnsetType | None = UNSET
    groups: tuple[str, ...] | UnsetType = UNSET

    @classmethod
    def of(cls, principal: Principal, sight: Sight) -> Self:
        """The principal as it is shown; email and groups only to those who see the `auth_context`."""
        if not sight.auth_context:
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
    def of(cls, recorded: Recorded[Any], sight: Sight) -> Self:
        """The occurrence of an event, as it is shown."""
        event: Event = recorded.event
        actor = Actor.of(event.by, sight)
        return cls(recorded.position, event.at, kind_of(stored_name(event)), actor, event.reason)


def events_at(positions: Collection[int]) -> Question[dict[int, Recorded[Any]]]:
    """The events at some positions."""
    rows = yield Ask(_EVENTS_AT, {"positions": sorted(set(positions))})
    events = (KINDS.recorded(*row) for row in rows)
    return {recorded.position: recorded for recorded in events}


def touched(event: Any) -> tuple[int, ...]:
    """The versions that an event added, changed or removed."""
    if "versions" in event.__struct_fields__:
        return tuple(event.versions)
    return (event.version,)


def adds_version(event: Event) -> bool:
    """Whether the version that the event touches begins with it."""
    return "id" in event.__struct_fields__  # who adds a version gives it an id


_EVENTS_AT: Final = statements("history.sql", direction="ASC")["events_at"]
