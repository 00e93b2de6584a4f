"""The rows of one stream as its events arrive: the one fold that live writes and rebuilds share.

A row is what readers see of one version from the event at `valid_from` until the one at `valid_until`; while
it is what they see now, `valid_until` is `OPEN`. Until `latest_until` the version is also the latest of its
name: `OPEN` while it is, `NEVER` if it was not while this row held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

from domain.stream import Recorded, Snapshot

S = TypeVar("S")
Fold = Callable[[Mapping[int, Snapshot[S]], Recorded[Any]], Mapping[int, Snapshot[S] | None]]

OPEN: Final = 2**63 - 1
NEVER: Final = 0


class Row(Generic[S]):
    """One row. `body` is the answer it gives, encoded; `place` where the table has it, if it does."""

    __slots__ = (
        "body",
        "created_position",
        "latest_until",
        "place",
        "snapshot",
        "valid_from",
        "valid_until",
        "version",
    )

    def __init__(
        self,
        version: int,
        snapshot: Snapshot[S],
        *,
        valid_from: int,
        latest_until: int,
        created_position: int,
        body: str | None = None,
        place: str | None = None,
    ) -> None:
        self.version = version
        self.snapshot = snapshot
        self.valid_from = valid_from
        self.valid_until = OPEN
        self.latest_until = latest_until
        self.created_position = created_position
        self.body = body
        self.place = place


class Timeline(Generic[S]):
    """Rows of one stream: start from those open in the table, or from none, and `apply` events in order.

    Then `added` are the rows to insert and `ended` the stored rows of which an end moved. It is enough to
    start from the versions that the events concern, as long as the latest one is among them, and, where
    versions are removed, the next lower one.
    """

    def __init__(self, fold: Fold[S], stored: Iterable[Row[S]] = ()) -> None:
        self._fold = fold
        self._open = {row.version: row for row in stored}
        self._latest = max(self._open, default=None)
        self.snapshots = {row.version: row.snapshot for row in self._open.values()}
        self.added: list[Row[S]] = []
        self.ended: dict[int, Row[S]] = {}

    def apply(self, recorded: Recorded[Any]) -> None:
        """End and begin rows as the event says."""
        position = recorded.position
        touched = self._fold(self.snapshots, recorded)
        for version, snapshot in touched.items():
            before = self._end(version, position)
            if snapshot is not None:
                self._begin(version, snapshot, position, before)
        self._settle_latest(touched, position)

    def row(self, version: int) -> Row[S]:
        """The open row of a version."""
        return self._open[version]

    def _begin(self, version: int, snapshot: Snapshot[S], position: int, before: Row[S] | None) -> None:
        row = Row(
            version,
            snapshot,
            valid_from=position,
            latest_until=OPEN if version == self._latest else NEVER,
            created_position=position if before is None else before.created_position,
        )
        self._open[version] = row
        self.snapshots[version] = snapshot
        self.added.append(row)

    def _end(self, version: int, position: int) -> Row[S] | None:
        row = self._open.pop(version, None)
        if row is None:
            return None
        del self.snapshots[version]
        row.valid_until = position
        self._end_as_latest(row, position)
        return row

    def _end_as_latest(self, row: Row[S], position: int) -> None:
        row.latest_until = min(row.latest_until, position)
        if row.place is not None:
            self.ended[row.version] = row

    def _settle_latest(self, touched: Iterable[int], position: int) -> None:
        """From `position` on, the highest open version is the latest."""
        latest = self._open.get(self._latest) if self._latest is not None else None
        highest = max(self._open, default=None) if latest is None else latest.version
        if highest is None:
            self._latest = None
            return
        for version in touched:
            if version > highest and version in self._open:
                highest = version
        if highest == self._latest:
            return
        if latest is not None:
            self._end_as_latest(latest, position)
        self._latest = highest
        row = self._open[highest]
        if row.valid_from == position:
            row.latest_until = OPEN
        else:  # it comes back: what holds of it goes on in a row that is the latest
            self._end(highest, position)
            self._begin(highest, row.snapshot, position, row)
