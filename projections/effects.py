"""What events did to versions, field by field.

A version as it was before an event is the row that ends at the event's position, and as it is since is the
row that begins there. Neither changes once the event is there, so reading them needs no snapshot in common
with whatever found the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from domain.changes import RECORDS, FieldChange, changed_fields
from domain.kinds import resource_of
from domain.sight import Sight, Sights
from domain.stream import Recorded
from projections.occurrences import adds_version, touched
from projections.questions import Ask, Question
from projections.references import TABLES, members_of
from projections.sql import statements

STATES_PER_READ: Final = 200
"""Versions of which states are read at a time: they may be large, and a page has many."""


class VersionChange(msgspec.Struct, frozen=True):
    """What an event did to one version.

    An added version is compared with `previous_version`, the latest one just before, if there was one. Of
    what was not there before there are only new values, of what was removed only old ones.
    """

    version: int
    previous_version: int | None
    changes: tuple[FieldChange, ...]


def effects_of(events: Sequence[Recorded[Any]], sights: Sights) -> Question[list[tuple[VersionChange, ...]]]:
    """For each event what it did, as it is shown; who wrote a version counts as a field for who sees that."""
    touches = [
        _Touch(n, recorded, version)
        for n, recorded in enumerate(events)
        for version in touched(recorded.event)
    ]
    effects: list[list[VersionChange]] = [[] for _ in events]
    for begin in range(0, len(touches), STATES_PER_READ):
        part = touches[begin : begin + STATES_PER_READ]
        states = yield from _states(part)
        for n, touch in enumerate(part):
            effects[touch.event].append(_change(touch, states[n], sights(touch.recorded.workspace)))
    return [tuple(changes) for changes in effects]


class _Touch(NamedTuple):
    """A version that an event touched; `event` is the event's number."""

    event: int
    recorded: Recorded[Any]
    version: int

    def key(self, n: int) -> dict[str, Any]:
        return {
            "n": n,
            "workspace": self.recorded.workspace,
            "name": self.recorded.name,
            "version": self.version,
            "position": self.recorded.position,
            "added": adds_version(self.recorded.event),
        }


class _States(NamedTuple):
    """A version before and after an event, None where there is none."""

    version_before: int | None
    before: str | None
    after: str | None


def _states(touches: Sequence[_Touch]) -> Question[dict[int, _States]]:
    states = {}
    for resource, statement in _STATES.items():
        keys = [t.key(n) for n, t in enumerate(touches) if resource_of(t.recorded.event) == resource]
        if keys:
            rows = yield Ask(statement, {"keys": msgspec.json.encode(keys).decode()})
            states.update({n: _States(*columns) for n, *columns in rows})
    return states


def _change(touch: _Touch, states: _States, sight: Sight) -> VersionChange:
    before, after = (
        {} if body is None else members_of(body, sight) for body in (states.before, states.after)
    )
    return VersionChange(
        touch.version,
        states.version_before if adds_version(touch.recorded.event) else None,
        tuple(changed_fields(before, after, RECORDS, sight.redaction)),
    )


_STATES: Final = {
    resource: statements("states.sql", versions=table)["states"] for resource, table in TABLES.items()
}
