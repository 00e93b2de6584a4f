"""Searches of the log: the entries of a history, found in stretches and shown as they come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from psycopg import Connection
from rich.text import Text

from app.audit import tables
from app.audit.database import as_the_service
from app.audit.options import Interrupted, print_all
from app.audit.progress import ProgressBar
from app.audit.scope import Scope
from domain.names import ALL_WORKSPACES
from domain.sight import Sight
from projections.history import History, HistoryEntry, Selection, Span
from projections.questions import answered

ENTRIES_PER_READ: Final = 200
POSITIONS_PER_READ: Final = 20_000
"""How far one statement may search, so that a long search shows how far it is and can be interrupted."""

COLUMNS: Final = ("position", "time", "what", "of", "version", "by", "reason", "changes")


class Search:
    """The events of a scope that are selected, in a span of positions."""

    def __init__(
        self,
        connection: Connection[Any],
        scope: Scope,
        selection: Selection,
        span: Span,
        sight: Sight,
        *,
        limit: int | None,
    ) -> None:
        self._connection = connection
        self._workspace = scope.workspace or ALL_WORKSPACES
        self._selection = selection
        self._span = span
        self._limit = limit
        self._history = History(lambda _: sight)

    def show(self, *, as_json: bool) -> int:
        """Print what is found, and give the number of events."""
        as_the_service(self._connection)
        with ProgressBar("searching", self._span.high - self._span.low, streaming=as_json) as bar:
            entries = islice(self._entries(bar), self._limit)
            try:
                if as_json:
                    return print_all(entries)
                return tables.print_table(COLUMNS, map(_row, entries), details=2, aside=bar.aside)
            except KeyboardInterrupt:
                searched = f"{bar.position} of {self._span.high - self._span.low} positions"
                raise Interrupted(f"interrupted: {searched} were searched") from None

    def _entries(self, bar: ProgressBar) -> Iterator[HistoryEntry]:
        for stretch in self._stretches():
            rest: Span | None = stretch
            while rest is not None:
                question = self._history.of_workspace(self._workspace, rest, self._selection)
                page = answered(self._connection, question)
                yield from page.data
                rest = None if page.next is None else rest.after(page.next)
            searched = stretch.high if not stretch.newest_first else self._span.high - stretch.low
            bar.at(searched - (0 if stretch.newest_first else self._span.low))

    def _stretches(self) -> Iterator[Span]:
        limit = ENTRIES_PER_READ if self._limit is None else min(self._limit, ENTRIES_PER_READ)
        span = self._span._replace(limit=limit)
        if self._selection.name is not None:  # found by name, without a search
            yield span
            return
        begins = range(span.low, span.high, POSITIONS_PER_READ)
        for low in reversed(begins) if span.newest_first else begins:
            yield span._replace(low=low, high=min(low + POSITIONS_PER_READ, span.high))


def _row(entry: HistoryEntry) -> tuple[str | Text, ...]:
    return (
        str(entry.position),
        tables.time(entry.at),
        entry.kind,
        f"{entry.workspace}/{entry.name}",
        ", ".join(str(part.version) for part in entry.versions),
        tables.who(entry.actor),
        entry.reason or "",
        tables.effects(entry.versions),
    )
