"""Which event gave each field of a version the value it has.

It is the last one in the version's line of descent whose history entry lists the field, or what it is in, or
what was in it: an event that touched the version, its creation (compared with what was the latest version
then), an event that touched that one before, and so on.

While a version lives only its status changes. So its own events matter to few fields, which are columns: the
database skips the rows in which they already had their value. For all others only creations are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, LiteralString, NamedTuple

import msgspec

from domain.changes import RECORDS, FieldChange, changed_fields
from domain.names import Resource
from domain.sight import Sight
from projections.occurrences import Actor, Occurrence, events_at
from projections.questions import Ask, Question
from projections.references import NOW, TABLES, Name, Reference, members_of, state_of
from projections.sql import statements

CHANGING: Final[Mapping[Resource, tuple[str, ...]]] = {
    "deployments": ("status", "status_message", "model_provider_id"),
    "deployment-configs": (),
}
"""Fields of a version that events can change while it lives, beside `updated_at`, which each of them sets."""

STEPS_PER_READ: Final = 200
"""Versions of a line of descent that are read at a time."""


class BlamedField(msgspec.Struct, frozen=True):
    """A field, its value, and the event that gave it this value; `version` is the one in which it did."""

    field: str
    value: Any
    position: int
    at: datetime
    kind: str
    actor: Actor
    reason: str | None
    version: int


class Blame(msgspec.Struct, frozen=True):
    """For each field of a version the event that gave it its value."""

    workspace: str
    name: str
    version: int
    fields: tuple[BlamedField, ...]


def blame(name: Name, reference: Reference, sight: Sight) -> Question[Blame]:
    """Who set the fields of a version; a Refusal if there is no such version."""
    state = yield from state_of(name, reference)
    members = members_of(state.body, sight)
    fields = dict(leaves(members))
    search = _Search(fields, CHANGING[name.resource])
    search.settle("/updated_at", state.position, state.version)
    until = NOW if reference.position is None else reference.position + 1
    version, created_position = state.version, state.created_position
    while search.open:
        begin = {"version": version, "created_position": created_position, "until": until}
        steps = yield from _descent(name, begin, fields)
        search.follow(steps, ended=len(steps) <= STEPS_PER_READ)
        version, created_position, until, *_ = steps[-1]
    events = yield from events_at({setter.position for setter in search.found.values()})
    seen = {position: Occurrence.of(recorded, sight) for position, recorded in events.items()}
    shown = fields if sight.redaction is None else dict(leaves(sight.redaction.redacted(members)))
    return Blame(
        name.workspace,
        name.name,
        state.version,
        tuple(
            _blamed(field, value, seen[search.found[field].position], search.found[field].version)
            for field, value in shown.items()
        ),
    )


def leaves(members: Mapping[str, Any], pointer: str = "") -> Iterator[tuple[str, Any]]:
    """The fields with values of their own, as JSON Pointers: objects count only if they are empty."""
    for key, value in members.items():
        path = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if not pointer and key in RECORDS:
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, path)
        else:
            yield path, value


class _Setter(NamedTuple):
    position: int
    version: int


class _Step(NamedTuple):
    """A version in the line of descent, up to position `until`; for `ends` see the statement."""

    version: int
    created_position: int
    until: int
    body: str
    ends: list[int | None]


class _Search:
    """The fields of which the setter is still sought, and what was found."""

    def __init__(self, fields: Collection[str], changing: Sequence[str]) -> None:
        self.found: dict[str, _Setter] = {}
        self.open = dict.fromkeys(fields)
        self._changing = changing

    def settle(self, field: str, position: int, version: int) -> None:
        """Note who set a field, unless that is known or there is no such field."""
        if field in self.open:
            del self.open[field]
            self.found[field] = _Setter(position, version)

    def follow(self, steps: Sequence[_Step], *, ended: bool) -> None:
        """Settle what the events of these versions set; the last one is compared with no other yet."""
        for step, ancestor in pairwise(steps):
            self._own_events(step)
            self._creation(step, ancestor)
        if ended:
            last = steps[-1]
            self._own_events(last)
            for field in list(self.open):
                self.settle(field, last.created_position, last.version)

    def _own_events(self, step: _Step) -> None:
        for field, end in zip(self._changing, step.ends, strict=True):
            if end is not None:
                self.settle(f"/{field}", end, step.version)

    def _creation(self, step: _Step, ancestor: _Step) -> None:
        for field, end in zip(self._changing, ancestor.ends, strict=True):
            if end is not None and end >= step.created_position:
                self.settle(f"/{field}", step.created_position, step.version)
        sought = {field.split("/", 2)[1] for field in self.open} - set(self._changing)
        was, became = (
            {key: m[key] for key in m if key in sought} for m in map(_members, (ancestor.body, step.body))
        )
        for change in changed_fields(was, became):
            for field in _concerned(change, self.open):
                self.settle(field, step.created_position, step.version)


def _concerned(change: FieldChange, fields: Collection[str]) -> list[str]:
    """The fields that a changed one is, contains, or was in; in time that does not grow with `fields`."""
    if isinstance(change.new, dict) and change.new:
        return [field for field, _ in leaves(change.new, change.field) if field in fields]
    path = change.field
    while path and path not in fields:
        path = path.rpartition("/")[0]
    return [path] if path else []


def _descent(name: Name, begin: Mapping[str, int], fields: Mapping[str, Any]) -> Question[list[_Step]]:
    present = {field: fields[f"/{field}"] for field in CHANGING[name.resource]}
    where = {"workspace": name.workspace, "name": name.name, "steps": STEPS_PER_READ, **begin, **present}
    rows = yield Ask(_DESCENT[name.resource], where)
    return [_Step(*row) for row in rows]


def _blamed(field: str, value: Any, occurrence: Occurrence, version: int) -> BlamedField:
    return BlamedField(
        field=field,
        value=value,
        position=occurrence.position,
        at=occurrence.at,
        kind=occurrence.kind,
        actor=occurrence.actor,
        reason=occurrence.reason,
        version=version,
    )


def _statement(resource: Resource, table: str) -> LiteralString:
    ends = [
        statements("blame.sql", versions=table, column=column, ends="")["until_changed"]
        for column in CHANGING[resource]
    ]
    return statements("blame.sql", versions=table, column="", ends=", ".join(ends))["descent"]


_members = msgspec.json.Decoder(dict[str, Any]).decode
_DESCENT: Final = {resource: _statement(resource, table) for resource, table in TABLES.items()}
