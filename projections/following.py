"""The log for those who follow it: pages of events, each with what it made of the versions it touched.

The state after an event is the row that begins at its position; where there is none, the version was removed.
Neither changes any more once the event is there, so a page needs no common snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

import msgspec

from domain.kinds import KINDS, kind_of
from domain.names import Resource, split_stream_id
from domain.principal import Principal
from domain.stream import Event
from projections.occurrences import touched
from projections.questions import Ask, Question
from projections.sql import statements

PAGE_EVENTS_MAX: Final = 256
PAGE_BYTES_MAX: Final = 512 * 1024
"""Roughly how much a page holds, of events and of bodies each; a single event may be larger."""

SPAN_MAX: Final = 10_000
"""Positions that one page looks at: how long it takes does not depend on how few events are wanted."""

_BODIES: Final[Mapping[Resource, LiteralString]] = {
    "deployments": statements("following.sql", versions="deployment_versions")["bodies"],
    "deployment-configs": statements("following.sql", versions="deployment_config_versions")["bodies"],
}
_EVENTS: Final = statements("following.sql", versions="deployment_versions")["events"]
_encode = msgspec.json.Encoder().encode


class GapInLog(Exception):
    """A position is missing: the log was damaged, and nobody is told half of it."""

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"after position {expected - 1} the log goes on at {found}: {expected} is missing")


class Wanted(NamedTuple):
    """Which events a follower wants; None stands for all."""

    workspaces: tuple[str, ...] | None = None
    resource: Resource | None = None
    name: str | None = None
    kind: str | None = None

    def matches(self, event: Followed) -> bool:
        """Whether an event is one of them."""
        return (
            (self.workspaces is None or event.workspace in self.workspaces)
            and (self.name is None or self.name == event.name)
            and (self.resource is None or self.resource == event.resource)
            and (self.kind is None or self.kind == event.kind)
        )


EVERYTHING: Final = Wanted()


class Followed(NamedTuple):
    """An event, and the body of each version it touched, None where it removed it."""

    position: int
    kind: str
    workspace: str
    resource: Resource
    name: str
    at: datetime
    by: Principal
    reason: str | None
    versions: tuple[tuple[int, str | None], ...]


class Page(NamedTuple):
    """Events in order: all that are wanted up to `position`."""

    events: list[Followed]
    position: int


def page_of_log(after: int, until: int, wanted: Wanted = EVERYTHING) -> Question[Page]:
    """Wanted events behind the position `after`.

    `until` is a position that is surely committed. Who wants everything may give any: what is there is
    read, and `GapInLog` raised if it does not follow on `after` without a gap.
    """
    until = min(until, after + SPAN_MAX)
    workspaces = None if wanted.workspaces is None else list(wanted.workspaces)
    parameters = {
        **wanted._asdict(),
        "workspaces": workspaces,
        "after": after,
        "until": until,
        "limit": PAGE_EVENTS_MAX,
    }
    rows = yield Ask(_EVENTS, {**parameters, "bytes": PAGE_BYTES_MAX})
    stored = [_Stored.of(position, stream, kind, state) for position, stream, kind, state in rows if state]
    bodies, fitting = yield from _bodies_of(stored)
    events = [event.followed(bodies) for event in stored[:fitting]]
    if wanted == EVERYTHING:
        _require_no_gap(after, events)
    if len(events) == len(rows) < PAGE_EVENTS_MAX and wanted != EVERYTHING:
        return Page(events, until)
    return Page(events, events[-1].position if events else after)


class _Stored(NamedTuple):
    position: int
    workspace: str
    resource: Resource
    name: str
    kind: str
    event: Event

    @classmethod
    def of(cls, position: int, stream: str, name: str, state: bytes) -> _Stored:
        return cls(position, *split_stream_id(stream), kind_of(name), KINDS.decode(name, state, position))

    @property
    def versions(self) -> tuple[int, ...]:
        return touched(self.event)

    def followed(self, bodies: Mapping[tuple[int, int], str]) -> Followed:
        return Followed(
            self.position,
            self.kind,
            self.workspace,
            self.resource,
            self.name,
            self.event.at,
            self.event.by,
            self.event.reason,
            tuple((version, bodies.get((self.position, version))) for version in self.versions),
        )


def _bodies_of(stored: Sequence[_Stored]) -> Question[tuple[dict[tuple[int, int], str], int]]:
    """Bodies by position and version, and how many of the events got theirs."""
    bodies: dict[tuple[int, int], str] = {}
    fitting = len(stored)
    for resource, statement in _BODIES.items():
        keys = [
            {**_key(event), "n": n, "version": version}
            for n, event in enumerate(stored)
            if event.resource == resource
            for version in event.versions
        ]
        if not keys:
            continue
        parameters = {"keys": _encode(keys).decode(), "bytes": PAGE_BYTES_MAX}
        for n, version, body in (yield Ask(statement, parameters)):
            if body is None:
                fitting = min(fitting, n)
            else:
                bodies[stored[n].position, version] = body
    return bodies, fitting


def _key(event: _Stored) -> dict[str, Any]:
    return {"workspace": event.workspace, "name": event.name, "position": event.position}


def _require_no_gap(after: int, events: Sequence[Followed]) -> None:
    for expected, event in enumerate(events, after + 1):
        if event.position != expected:
            raise GapInLog(expected, event.position)
