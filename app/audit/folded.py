"""A stream as a replay goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.audit.stored_rows import SHAPES
from domain.names import Resource, stream_id
from domain.stream import Recorded, StreamState
from projections.timeline import Row, Timeline


class Ends(NamedTuple):
    """Where a stored row says that it ends."""

    valid_until: int
    latest_until: int


class Folded:
    """What the events of one stream add up to; `ends` is what the stored rows say of those that hold now."""

    def __init__(self, workspace: str, resource: Resource, name: str) -> None:
        self.workspace = workspace
        self.resource = resource
        self.name = name
        self.stream_version = 0
        self.last_version = 0
        self.timeline: Timeline[Any] = Timeline(SHAPES[resource].table.fold)
        self.ends: dict[int, Ends] = {}

    @property
    def stream(self) -> str:
        """Its id."""
        return stream_id(self.workspace, self.resource, self.name)

    @property
    def state(self) -> StreamState[Any]:
        """What decisions are taken on."""
        return StreamState(self.last_version, self.timeline.snapshots)

    @property
    def open_rows(self) -> Iterator[Row[Any]]:
        """The rows that hold now."""
        return (self.timeline.row(version) for version in self.timeline.snapshots)

    def apply(self, recorded: Recorded[Any]) -> None:
        """Fold an event. Until the next one, the timeline says which rows this one began and ended."""
        self.timeline.added.clear()
        self.timeline.ended.clear()
        self.timeline.apply(recorded)
        self.stream_version = recorded.stream_version
        self.last_version = max(self.last_version, getattr(recorded.event, "version", 0))
