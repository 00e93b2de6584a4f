"""What two releases make of the same log, compared row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from app.rebuild.fingerprints import COLUMNS
from app.rebuild.recording import Recording, RowPrint
from domain.names import Resource, split_stream_id

What = Literal["changed", "gone", "new"]

ORDER: Final = "(order of fields)"


class RowChange(msgspec.Struct, frozen=True):
    """A row that differs: `changed` in fields of its answer and in columns, `gone`, or `new`."""

    what: What
    resource: Resource
    workspace: str
    name: str
    version: int
    valid_from: int
    fields: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The change for people."""
        row = f"{self.workspace}/{self.resource}/{self.name} version {self.version} from {self.valid_from}"
        parts = [f"answer {', '.join(self.fields)}"] if self.fields else []
        parts += [f"columns {', '.join(self.columns)}"] if self.columns else []
        return f"{self.what:8}{row}{': ' if parts else ''}{'; '.join(parts)}"


class ReleaseCheck:
    """Iterate over it: every row that differs between an earlier release and the running code, in order.

    Afterwards `rows` says how many rows were compared, and `found` how many differ, by how.
    """

    def __init__(self, old: Recording, new: Iterator[RowPrint]) -> None:
        self._old = old
        self._new = new
        self.only_old = _lacking(old.header.columns, COLUMNS)
        self.only_new = _lacking(COLUMNS, old.header.columns)
        self.rows = 0
        self.found: Counter[What] = Counter()

    def __iter__(self) -> Iterator[RowChange]:
        for old, new in _beside(self._old.rows, self._new):
            self.rows += 1
            change = self._change(old, new)
            if change is not None:
                self.found[change.what] += 1
                yield change

    def _change(self, old: RowPrint | None, new: RowPrint | None) -> RowChange | None:
        if old is None:
            return None if new is None else _told("new", new)
        if new is None:
            return _told("gone", old)
        if (old.row, old.answer) == (new.row, new.answer):
            return None
        fields, columns = _differing_fields(old, new), self._differing_columns(old, new)
        return _told("changed", new, fields, columns) if fields or columns else None

    def _differing_columns(self, old: RowPrint, new: RowPrint) -> tuple[str, ...]:
        """Of the columns that both have."""
        _, resource, _ = split_stream_id(new.stream)
        before = dict(zip(self._old.header.columns[resource], old.columns, strict=True))
        after = zip(COLUMNS[resource], new.columns, strict=True)
        return tuple(column for column, value in after if before.get(column, value) != value)


def _lacking(columns: dict[Resource, list[str]], others: dict[Resource, list[str]]) -> list[str]:
    return [
        f"{resource}.{column}"
        for resource, names in columns.items()
        for column in names
        if column not in others.get(resource, [])
    ]


def _differing_fields(old: RowPrint, new: RowPrint) -> tuple[str, ...]:
    if old.answer == new.answer:
        return ()
    names = dict.fromkeys((*new.fields, *old.fields))
    return tuple(name for name in names if old.fields.get(name) != new.fields.get(name)) or (ORDER,)


def _told(
    what: What, row: RowPrint, fields: tuple[str, ...] = (), columns: tuple[str, ...] = ()
) -> RowChange:
    workspace, resource, name = split_stream_id(row.stream)
    return RowChange(what, resource, workspace, name, row.version, row.valid_from, fields, columns)


def _beside(
    old: Iterator[RowPrint], new: Iterator[RowPrint]
) -> Iterator[tuple[RowPrint | None, RowPrint | None]]:
    """Rows of the same key together, others alone."""
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            yield left, None
            left = next(old, None)
        elif left is None or right.key < left.key:
            yield None, right
            right = next(new, None)
        else:
            yield left, right
            left, right = next(old, None), next(new, None)
