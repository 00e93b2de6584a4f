"""Tables and sentences for people, in colour where the output is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import UNSET
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from domain.changes import FieldChange
from projections.blame import leaves
from projections.effects import VersionChange
from projections.occurrences import Actor

ROWS_PER_TABLE: Final = 1_000
"""Rows whose columns are aligned with one another; more come under a header of their own."""

VALUE_LENGTH_MAX: Final = 60
CHANGES_MAX: Final = 12
_PIPED_WIDTH: Final = 100_000

STYLE_OF_STATUS: Final[Mapping[str, str]] = {
    "READY": "green",
    "CREATED": "cyan",
    "PENDING": "yellow",
    "ERROR": "bold red",
    "LOST": "bold red",
    "DELETING": "magenta",
    "DELETED": "dim",
    "UNKNOWN": "dim",
}
UNREMARKABLE: Final = frozenset(
    ("id", "name", "workspace", "created_at", "updated_at", "entity_version", "auth_context")
)
"""Members that differ between any two versions, or are in the other columns."""


def console() -> Console:
    """Where tables go. Outside a terminal no line is folded."""
    output = Console(highlight=False, markup=False, emoji=False)
    if not output.is_terminal:
        output.width = _PIPED_WIDTH
    return output


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    details: int = 0,
    aside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Print rows as they come, each part `aside` of what else is in the terminal; the number of them.

    In a terminal that is too narrow, the last `details` columns are shown below each row.
    """
    output = console()
    count = 0
    for part in _parts(rows):
        cells = [[cell if isinstance(cell, Text) else plain(cell) for cell in row] for row in part]
        table = _table(output, columns, cells)
        with aside():
            if details and _width(output, table) > output.width:
                for line in _stacked(columns, cells, details):
                    output.print(line, soft_wrap=True)
            else:
                output.print(table)
        count += len(part)
    return count


def print_line(text: Text | str) -> None:
    """Print one line; a long one is folded by the terminal alone."""
    console().print(text if isinstance(text, Text) else plain(text), soft_wrap=True)


def plain(text: str, style: str = "") -> Text:
    """Text of users, that can neither style nor command a terminal: control characters are spelled out."""
    return Text("".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in text), style=style)


def status(name: str) -> Text:
    """A status in its colour."""
    return Text(name, style=STYLE_OF_STATUS.get(name, ""))


def time(at: datetime) -> str:
    """A time to the second, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def who(actor: Actor) -> Text:
    """Who did something."""
    if not actor.id:
        return Text("anonymous", style="dim")
    return plain(actor.id if actor.on_behalf_of is None else f"{actor.id} for {actor.on_behalf_of}")


def effects(versions: Sequence[VersionChange]) -> Text:
    """What an event did to versions, one field a line, without what it does to any version."""
    lines = []
    for version in versions:
        of = Text(f"v{version.version} ", style="dim") if len(versions) > 1 else Text()
        lines += [Text.assemble(of, _change(change)) for change in version.changes if _is_remarkable(change)]
    if len(lines) > CHANGES_MAX:
        lines[CHANGES_MAX:] = [Text(f"… and {len(lines) - CHANGES_MAX} more", style="dim")]
    return Text("\n").join(lines)


def change_rows(changes: Sequence[FieldChange]) -> Iterator[tuple[Text, Text, Text]]:
    """Changed fields as rows, without those that always differ: the field, its old value, its new one."""
    for change in changes:
        if _member(change) in UNREMARKABLE:
            continue
        yield plain(change.field.removeprefix("/"), "cyan"), value(change.old), value(change.new)


def value(of: Any) -> Text:
    """A JSON value, shortened."""
    if of is UNSET:
        return Text("-", style="dim")
    text = of if isinstance(of, str) and of else msgspec.json.encode(of).decode()
    return plain(text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…")


def _is_remarkable(change: FieldChange) -> bool:
    """Whether it is worth a line: what a removal took away is not, and what begins as nothing."""
    begins_as_nothing = change.old is UNSET and (change.new is None or change.new in ([], {}))
    return _member(change) not in UNREMARKABLE and change.new is not UNSET and not begins_as_nothing


def _member(change: FieldChange) -> str:
    return change.field.split("/")[1]


def _change(change: FieldChange) -> Text:
    field = change.field.removeprefix("/")
    if change.old is not UNSET:
        return Text.assemble(plain(f"{field} ", "cyan"), value(change.old), (" → ", "dim"), value(change.new))
    begun = leaves(change.new, field) if isinstance(change.new, dict) else [(field, change.new)]
    told = ((path, leaf) for path, leaf in begun if leaf is not None and leaf not in ([], {}))
    return Text("\n").join(Text.assemble(plain(f"{path} ", "cyan"), value(leaf)) for path, leaf in told)


def _table(output: Console, columns: Sequence[str], cells: Iterable[Sequence[Text]]) -> Table:
    rule = box.SIMPLE_HEAD if output.is_terminal else None
    # What does not fit is folded: an ellipsis would keep from people what they ask for.
    folded = [Column(column, overflow="fold") for column in columns]
    table = Table(*folded, box=rule, pad_edge=False, show_edge=False, header_style="bold")
    for row in cells:
        table.add_row(*row)
    return table


def _width(output: Console, table: Table) -> int:
    """How wide a table is if nothing is folded."""
    return Measurement.get(output, output.options.update(max_width=_PIPED_WIDTH), table).maximum


def _stacked(columns: Sequence[str], cells: Sequence[Sequence[Text]], details: int) -> Iterator[Text]:
    """Rows as lines, with their details indented below them."""
    titles = [Text(column, style="bold") for column in columns[:-details]]
    widths = [
        max(cell.cell_len for cell in column)
        for column in zip(titles, *(row[:-details] for row in cells), strict=True)
    ]
    for row in ([*titles, Text()], *cells):
        padded = (
            Text.assemble(cell, " " * (width - cell.cell_len))
            for cell, width in zip(row, widths, strict=False)
        )
        yield Text("  ").join(padded)
        for cell in row[len(widths) :]:
            yield from (Text.assemble("    ", line) for line in cell.split() if cell)


def _parts(rows: Iterable[Sequence[str | Text]]) -> Iterator[list[Sequence[str | Text]]]:
    remaining = iter(rows)
    while part := list(islice(remaining, ROWS_PER_TABLE)):
        yield part
