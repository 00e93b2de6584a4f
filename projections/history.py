"""What happened to deployments and configs: events, what they changed, when, by whom and why.

A page is found by position, never by an offset: the events of a workspace have an index on it, and in a
stream, whose versions are dense from 1, a position is found by bisection on the primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from domain.kinds import KINDS, kind_of, resource_of, stored_name
from domain.names import ALL_WORKSPACES, Resource, stream_id
from domain.sight import Sights
from domain.stream import Event, Recorded
from projections.effects import VersionChange, effects_of
from projections.occurrences import Actor
from projections.questions import Ask, Question
from projections.references import TABLES, Name
from projections.sql import statements
from projections.timeline import OPEN


class HistoryEntry(msgspec.Struct, frozen=True):
    """An event: what happened to what, when, by whom, why, and what it changed."""

    position: int
    at: datetime
    kind: str
    workspace: str
    resource: Resource
    name: str
    actor: Actor
    reason: str | None
    versions: tuple[VersionChange, ...]


class HistoryPage(msgspec.Struct, frozen=True):
    """A part of a history."""

    data: tuple[HistoryEntry, ...]
    next: int | None


class Span(NamedTuple):
    """Up to `limit` events after position `low`, up to and with position `high`, beginning at one end."""

    low: int = 0
    high: int = OPEN
    newest_first: bool = True
    limit: int = 100

    def after(self, position: int) -> Span:
        """What of it follows an event in its order."""
        if self.newest_first:
            return self._replace(high=min(self.high, position - 1))
        return self._replace(low=max(self.low, position))


class Selection(NamedTuple):
    """Which events, where a part is not None; `actor` is who acted or on whose behalf."""

    resource: Resource | None = None
    name: str | None = None
    kind: str | None = None
    actor: str | None = None


class History:
    """Questions about what happened, to be answered as `projections.questions` says.

    `sights` is what the one who asks sees.
    """

    def __init__(self, sights: Sights) -> None:
        self._sights = sights

    def of_name(self, name: Name, span: Span) -> Question[HistoryPage]:
        """What happened to a deployment or config, also to a removed one; a Refusal if nothing ever did."""
        stream = stream_id(name.workspace, name.resource, name.name)
        page = yield from self._of_streams([stream], span, Selection())
        if not page.data and not (yield from _stream_version(stream, OPEN)):
            raise name.not_found()
        return page

    def of_workspace(
        self, workspace: str, span: Span, selection: Selection, only: Sequence[str] | None = None
    ) -> Question[HistoryPage]:
        """What happened in a workspace or, if it is `-`, in all of them, or in `only` some."""
        if selection.name is not None and workspace != ALL_WORKSPACES:
            resources = tuple(TABLES) if selection.resource is None else (selection.resource,)
            streams = [stream_id(workspace, resource, selection.name) for resource in resources]
            return (yield from self._of_streams(streams, span, selection))
        which = "events_of_workspace"
        if workspace == ALL_WORKSPACES:
            which = "events_of_all" if only is None else "events_of_workspaces"
        where = {
            "workspace": workspace,
            "workspaces": None if only is None else list(only),
            "low": span.low,
            "high": span.high,
        }
        return (yield from self._page(which, where, span, selection))

    def entries(self, events: Sequence[Recorded[Any]]) -> Question[list[HistoryEntry]]:
        """The entries of events, in their order."""
        effects = yield from effects_of(events, self._sights)
        return [self._entry(recorded, versions) for recorded, versions in zip(events, effects, strict=True)]

    def _of_streams(self, streams: Sequence[str], span: Span, selection: Selection) -> Question[HistoryPage]:
        ranges = []
        for stream in streams:
            low = yield from _stream_version(stream, span.low)
            high = yield from _stream_version(stream, span.high)
            ranges.append({"stream": stream, "low": low, "high": high})
        where = {"ranges": msgspec.json.encode(ranges).decode()}
        return (yield from self._page("events_of_streams", where, span, selection))

    def _page(
        self, which: str, where: dict[str, Any], span: Span, selection: Selection
    ) -> Question[HistoryPage]:
        statement = (_NEWEST_FIRST if span.newest_first else _OLDEST_FIRST)[which]
        # One more than is asked for tells whether there is a next page.
        rows = yield Ask(statement, {**where, **selection._asdict(), "limit": span.limit + 1})
        events = [KINDS.recorded(*row) for row in rows[: span.limit]]
        entries = yield from self.entries(events)
        return HistoryPage(tuple(entries), events[-1].position if len(rows) > span.limit else None)

    def _entry(self, recorded: Recorded[Any], versions: tuple[VersionChange, ...]) -> HistoryEntry:
        event: Event = recorded.event
        return HistoryEntry(
            position=recorded.position,
            at=event.at,
            kind=kind_of(stored_name(event)),
            workspace=recorded.workspace,
            resource=resource_of(event),
            name=recorded.name,
            actor=Actor.of(event.by, self._sights(recorded.workspace)),
            reason=event.reason,
            versions=versions,
        )


def _stream_version(stream: str, position: int) -> Question[int]:
    """How many events a stream had at a position."""
    if position == 0:
        return 0
    rows = yield Ask(_OLDEST_FIRST["stream_version"], {"stream": stream, "position": position})
    return int(rows[0][0])


_NEWEST_FIRST: Final = statements("history.sql", direction="DESC")
_OLDEST_FIRST: Final = statements("history.sql", direction="ASC")
