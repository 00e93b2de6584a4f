"""The log from nothing through the domain's own code: every rule checked again, every row made again.

Events are taken in the order of the log. Each is decided again on what the events before it add up to,
folded, and the rows it begins and ends are compared with those stored. The first thing that is not as it has
to be is a `Deviation`. Memory holds what is stored of each stream, however long the log is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from app.audit.deviation import Deviation, Place
from app.audit.folded import Folded
from app.audit.log import Stored, decode
from app.audit.redecide import require_config_event, require_deployment_event
from app.audit.row_check import RowCheck
from app.audit.stored_rows import StoredRows
from domain.deployment_config import Referrer
from domain.kinds import resource_of
from domain.names import Resource, split_stream_id, stream_id
from domain.stream import Event, Recorded


class Summary(msgspec.Struct, frozen=True):
    """What was replayed without a deviation: `position` is that of the last event read."""

    events: int
    streams: int
    rows: int
    position: int


class Replay:
    """Give it events with `apply`, then `finish`.

    `only` is the one stream to be checked, the others being what it refers to; None checks all. `whole` says
    that the events are those of the whole log, so that positions have no gaps.
    """

    def __init__(
        self, rows: Mapping[Resource, StoredRows], *, only: str | None = None, whole: bool = False
    ) -> None:
        self._rows = RowCheck(rows)
        self._only = only
        self._whole = whole
        self._streams: dict[str, Folded] = {}
        self._users: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._at: datetime | None = None
        self._events = 0
        self.position = 0

    def apply(self, stored: Stored) -> None:
        """Check an event, and the rows that came of it."""
        event = decode(stored)
        self._require_order(stored, event)
        folded = self._stream(stored, event)
        # After the gaps: where an event was lost, the rows it made are not what is wrong.
        self._rows.require_none_before(stored.position)
        recorded = Recorded(folded.workspace, folded.name, stored.stream_version, stored.position, event)
        if self._only in (None, stored.stream):
            self._require_decision(folded, recorded)
            self._fold(folded, recorded, stored.place)
            self._rows.require_same(folded, stored.position)
            self._events += 1
        else:
            self._fold(folded, recorded, stored.place)
        self.position = stored.position

    def finish(self, shown_position: int) -> Summary:
        """Check that nothing is left over, and that the tables say that they show the whole log."""
        checked = [f for stream, f in self._streams.items() if self._only in (None, stream)]
        self._rows.require_finished(checked)
        if shown_position < self.position or (self._whole and shown_position != self.position):
            raise Deviation(
                Place(self.position, "-"),
                "projection-position",
                expected=f"tables that show the log up to {self.position}",
                found=f"ones that say they show it up to {shown_position}",
            )
        return Summary(self._events, len(checked), self._rows.count, self.position)

    def _require_order(self, stored: Stored, event: Event) -> None:
        dense = self.position + 1
        if stored.position != dense and (self._whole or stored.position < dense):
            raise Deviation(
                stored.place, "position", expected=f"position {dense}", found=f"position {stored.position}"
            )
        if self._at is not None and event.at <= self._at:
            expected = f"a time after {_time(self._at)}"
            raise Deviation(stored.place, "time", expected=expected, found=_time(event.at))
        if event.at != stored.at:
            expected = f"the time in the event, {_time(event.at)}"
            raise Deviation(stored.place, "time", expected=expected, found=_time(stored.at))
        self._at = event.at

    def _stream(self, stored: Stored, event: Event) -> Folded:
        folded = self._streams.get(stored.stream)
        if folded is None:
            try:
                folded = self._streams[stored.stream] = Folded(*split_stream_id(stored.stream))
            except ValueError as error:
                expected = "a stream workspace/resource/name"
                raise Deviation(
                    stored.place, "stream", expected=expected, found=repr(stored.stream)
                ) from error
        if resource_of(event) != folded.resource:
            expected = f"an event of {folded.resource}"
            raise Deviation(stored.place, "stream", expected=expected, found=stored.kind)
        dense = folded.stream_version + 1
        if stored.stream_version != dense:
            found = f"stream version {stored.stream_version}"
            raise Deviation(stored.place, "stream-version", expected=f"stream version {dense}", found=found)
        return folded

    def _require_decision(self, folded: Folded, recorded: Recorded[Any]) -> None:
        event = recorded.event
        if folded.resource == "deployments":
            stored = hasattr(event, "config") and self._config_is_stored(
                folded.workspace, event.config, event.config_version
            )
            require_deployment_event(folded.state, recorded, config_is_stored=stored)
        else:
            referrers = self._referrers(folded) if hasattr(event, "versions") else []
            require_config_event(folded.state, recorded, referrers)

    def _config_is_stored(self, workspace: str, config: str, version: int) -> bool:
        folded = self._streams.get(stream_id(workspace, "deployment-configs", config))
        return folded is not None and version in folded.timeline.snapshots

    def _referrers(self, config: Folded) -> list[Referrer]:
        """Of each deployment that refers to a config, the highest stored version which does."""
        found = []
        for name in self._users[config.workspace, config.name]:
            snapshots = self._streams[stream_id(config.workspace, "deployments", name)].timeline.snapshots
            versions = [n for n, snapshot in snapshots.items() if snapshot.state.config == config.name]
            if versions:
                state = snapshots[max(versions)].state
                found.append(Referrer(state.config_version, state.status))
        return found

    def _fold(self, folded: Folded, recorded: Recorded[Any], place: Place) -> None:
        try:
            folded.apply(recorded)
        except KeyError as missing:
            raise Deviation(
                place,
                "decision",
                expected="a stored version",
                found=f"version {missing}, which is not stored",
            ) from missing
        config = getattr(recorded.event, "config", None)
        if config is not None:
            self._users[folded.workspace, config].add(folded.name)


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
