"""Rows made by a replay beside those stored: the same rows, with the same values, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from app.audit.deviation import Deviation, Place
from app.audit.folded import Ends, Folded
from app.audit.stored_rows import SHAPES, Found, StoredRows
from domain.changes import changed_fields
from domain.names import Resource, stream_id
from domain.redaction import Redaction
from projections.timeline import OPEN, Row

_MATCHED: Final = "matched"
"""Any place: a timeline tells of the rows that have one when they end."""


class BodyDiffers(Deviation):
    """The body of a stored row is not the one it should have, which is `body`."""

    def __init__(self, place: Place, resource: Resource, row: Found, body: str) -> None:
        self.resource = resource
        self.row = row
        self.body = body
        expected = f"version {row.version} with another body"
        super().__init__(place, "row", expected=expected, found="a body that differs")

    def told(self, stored: str) -> Deviation:
        """The same, with the first field of the stored body that differs."""
        made = msgspec.json.decode(self.body)
        try:
            differences = changed_fields(
                made, msgspec.json.decode(stored, type=dict[str, Any]), (), Redaction()
            )
        except msgspec.DecodeError:
            differences = []
        of = f"version {self.row.version} with "
        if not differences:
            return Deviation(
                self.place, self.rule, expected=f"{of}body {self.body}", found=f"{of}body {stored}"
            )
        field, old, new = msgspec.structs.astuple(differences[0])
        return Deviation(
            self.place, self.rule, expected=f"{of}{field} {_shown(old)}", found=f"{of}{field} {_shown(new)}"
        )


class RowCheck:
    """Holds the stored rows of each resource against what events began and ended, in the log's order."""

    def __init__(self, rows: Mapping[Resource, StoredRows]) -> None:
        self._rows = rows
        self.count = 0

    def require_none_before(self, position: int | None) -> None:
        """No stored row is left that begins before a position; None is the end of the log."""
        for resource, rows in self._rows.items():
            found = rows.before(position)
            if found is not None:
                raise _extra(resource, found)

    def require_same(self, folded: Folded, position: int) -> None:
        """The rows that the stream's last event ended and began are those stored."""
        if folded.resource not in self._rows:
            return
        for version, row in folded.timeline.ended.items():
            _require_ends(folded, row, ended=row.valid_until != OPEN)
            if row.valid_until != OPEN:
                del folded.ends[version]
        begun = {row.version: row for row in folded.timeline.added}
        for found in self._rows[folded.resource].take(position):
            row_begun = begun.pop(found.version, None)
            if row_begun is None or (found.workspace, found.name) != (folded.workspace, folded.name):
                raise _extra(folded.resource, found)
            _require_equal(folded, row_begun, found)
            row_begun.place = _MATCHED
            folded.ends[found.version] = Ends(found.valid_until, found.latest_until)
            self.count += 1
        for version in begun:
            place = Place(position, folded.stream)
            raise Deviation(place, "row-missing", expected=f"a row of version {version}", found="none")

    def require_finished(self, streams: Iterable[Folded]) -> None:
        """Nothing is left over, and the rows that hold still hold in the table."""
        self.require_none_before(None)
        compared = (folded for folded in streams if folded.resource in self._rows)
        wrong = []
        for folded in compared:
            try:
                for row in folded.open_rows:
                    _require_ends(folded, row, ended=True)
            except Deviation as deviation:
                wrong.append(deviation)
        if wrong:
            raise min(wrong, key=lambda deviation: deviation.place.position)


def _require_equal(folded: Folded, row: Row[Any], found: Found) -> None:
    shape = SHAPES[folded.resource]
    expected = shape.values(folded.workspace, folded.name, row)
    if expected[:4] == found.values[:4] and expected[6:] == found.values[6:]:
        return
    for field, made, stored in zip(shape.fields, expected, found.values, strict=True):
        if made != stored and field not in Ends._fields:
            place = Place(found.valid_from, folded.stream)
            if field == "body":
                raise BodyDiffers(place, folded.resource, found, shape.table.body(row))
            of = f"version {row.version} with {field} "
            raise Deviation(place, "row", expected=of + _shown(made), found=of + _shown(stored))


def _require_ends(folded: Folded, row: Row[Any], *, ended: bool) -> None:
    """`ended` is False where the row goes on: where it ends is then known of it only as the latest."""
    stored = folded.ends[row.version]
    made = Ends(row.valid_until, row.latest_until)
    for field in Ends._fields if ended else Ends._fields[1:]:
        if getattr(made, field) != getattr(stored, field):
            which = f"version {row.version} with {field} "
            raise Deviation(
                Place(row.valid_from, folded.stream),
                "row",
                expected=f"{which}{getattr(made, field)}",
                found=f"{which}{getattr(stored, field)}",
            )


def _extra(resource: Resource, found: Found) -> Deviation:
    place = Place(found.valid_from, stream_id(found.workspace, resource, found.name))
    return Deviation(
        place, "row-extra", expected="no row that begins here", found=f"one of version {found.version}"
    )


def _shown(value: Any) -> str:
    return "missing" if value is UNSET else msgspec.json.encode(value).decode()
