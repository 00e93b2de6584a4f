"""The version of a projection: what its table looks like, and which rows its fold makes of a log.

It is found by folding a fixed log, so it changes when rows do, and not when code is written differently: two
releases with the same version fill each other's tables. What the fixed log does not show, a comparison of the
live tables with the real log does: `rebuild verify`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import astuple, replace

from domain.kinds import KINDS
from domain.names import Resource
from domain.stream import Recorded
from projections.definition import PROJECTIONS, definition
from projections.sample import sample
from projections.timeline import OPEN, Row, Timeline
from projections.versions import VersionsTable

Stream = tuple[str, str]
Values = tuple[Any, ...]


def fold_version(resource: Resource) -> str:
    """16 hexadecimal digits for the table's definition and what the fold makes of the sample log."""
    table = PROJECTIONS[resource]
    streams = _streams(table).items()
    found = [
        definition(resource, "").text,
        [row for stream, events in streams for row in _at_once(table, stream, events)],
        [row for stream, events in streams for row in _one_by_one(table, stream, events)],
    ]
    return sha256(msgspec.json.encode(found)).hexdigest()[:16]


def _streams(table: VersionsTable[Any]) -> dict[Stream, list[Recorded[Any]]]:
    streams: dict[Stream, list[Recorded[Any]]] = {}
    for position, stored in enumerate(sample(), 1):
        if stored.resource == table.resource:
            events = streams.setdefault((stored.workspace, stored.name), [])
            event = KINDS.decode(stored.topic, stored.state)
            events.append(Recorded(stored.workspace, stored.name, len(events) + 1, position, event))
    return streams


def _at_once(table: VersionsTable[Any], stream: Stream, events: list[Recorded[Any]]) -> list[Values]:
    """The rows of a stream as a rebuild makes them."""
    timeline: Timeline[Any] = Timeline(table.fold)
    for recorded in events:
        timeline.apply(recorded)
    return [astuple(table.columns(*stream, row, table.body(row))) for row in timeline.added]


def _one_by_one(table: VersionsTable[Any], stream: Stream, events: list[Recorded[Any]]) -> list[Values]:
    """The rows of a stream as the service writes them: each event on the rows stored before it."""
    stored: list[Any] = []
    for recorded in events:
        timeline = Timeline(table.fold, _open_rows(table, stored))
        timeline.apply(recorded)
        for row in timeline.ended.values():
            place = int(row.place or 0)
            stored[place] = replace(stored[place], valid_until=row.valid_until, latest_until=row.latest_until)
        stored += [table.columns(*stream, row, table.body(row)) for row in timeline.added]
    return [astuple(row) for row in stored]


def _open_rows(table: VersionsTable[Any], stored: list[Any]) -> list[Row[Any]]:
    names = ("version", "valid_from", "latest_until", "changed_position", "created_position")
    return [
        table.stored_row([*(getattr(row, name) for name in names), str(place), row.body])
        for place, row in enumerate(stored)
        if row.valid_until == OPEN
    ]
