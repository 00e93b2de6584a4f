"""Streams folded from their beginning; rows go by COPY to the schema that is first in the search path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, LiteralString, Protocol

import msgspec
from psycopg import Connection, sql

from app.audit.stored_rows import SHAPES, Shape
from app.rebuild import registry
from app.rebuild.registry import END_WITH_CLIENT, Slice
from domain.kinds import KINDS
from domain.names import Resource, split_stream_id
from domain.stream import Recorded
from projections.timeline import OPEN, Row, Timeline

WAITING_MAX: Final = registry.SLICE_EVENTS
"""Rows, and events, in memory at a time: a rebuild needs no more for a longer log.

Most slices are then one read, and one COPY to each table: fewer rows at a time cost a tenth more.
"""

_EVENTS: Final[LiteralString] = """
    SELECT originator_id, originator_version, topic, state, notification_id
      FROM stored_events
     WHERE originator_id BETWEEN %(first)s AND %(last)s AND notification_id <= %(base)s
       AND split_part(originator_id, '/', 2) = ANY(%(resources)s)
     ORDER BY originator_id, originator_version
"""
# Streams are read in the order of the primary key: no plan that sorts, however little is known of the table.
WORKER_SESSION: Final[LiteralString] = f"""
    {END_WITH_CLIENT};
    SET jit = off; SET timezone = 'UTC';
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
    SET default_transaction_isolation = 'read committed'; SET synchronous_commit = off;
    SET idle_in_transaction_session_timeout = '5min'
"""


class Sink(Protocol):
    """Where the rows of one resource go."""

    shape: Shape

    def put(self, workspace: str, name: str, rows: list[Row[Any]]) -> None:
        """Take rows that never change again, unless the position moves on."""

    def flush(self) -> None:
        """A slice has ended."""


class RowsOfStreams:
    """Gives the rows of slices to the database, inside the caller's transactions, or to other sinks."""

    def __init__(
        self,
        connection: Connection[Any],
        base: int,
        resources: list[Resource],
        sinks: Mapping[Resource, Sink] | None = None,
    ) -> None:
        self._connection = connection
        self._where = {"base": base, "resources": resources}
        self._sinks = sinks or {resource: _Table(connection, SHAPES[resource]) for resource in resources}

    def copy(self, part: Slice) -> list[tuple[Resource, str, str]]:
        """Fold the streams of a slice and write all their rows; which streams there were."""
        streams = []
        stream = ""
        fold: _Fold | None = None
        for events in self._events(part):
            for stream_id, version, topic, state, position in events:
                if stream_id != stream:
                    if fold is not None:
                        fold.write()
                    stream = stream_id
                    workspace, resource, name = split_stream_id(stream)
                    streams.append((resource, workspace, name))
                    fold = _Fold(self._sinks[resource], workspace, name)
                    apply = fold.apply
                apply(Recorded(workspace, name, version, position, KINDS.decode(topic, state, position)))
        if fold is not None:
            fold.write()
        for sink in self._sinks.values():
            sink.flush()
        return streams

    def _events(self, part: Slice) -> Iterator[list[tuple[str, int, str, bytes, int]]]:
        with self._connection.cursor("events", binary=True) as cursor:
            cursor.execute(_EVENTS, {**self._where, "first": part.first, "last": part.last})
            while events := cursor.fetchmany(WAITING_MAX):
                yield events


class _Fold:
    """One stream as its events arrive; of a long one, rows are let go when they have ended."""

    def __init__(self, sink: Sink, workspace: str, name: str) -> None:
        self._sink = sink
        self._timeline: Timeline[Any] = Timeline(sink.shape.table.fold)
        self._held_max = WAITING_MAX
        self.workspace = workspace
        self.name = name

    def apply(self, recorded: Recorded[Any]) -> None:
        self._timeline.apply(recorded)
        if len(self._timeline.added) >= self._held_max:
            rows = self._timeline.added
            self._timeline.added = [row for row in rows if row.valid_until == OPEN]
            # Thousands may still hold: looking through them at every event would take ever longer.
            self._held_max = len(self._timeline.added) + WAITING_MAX
            # What has ended never changes again.
            self._sink.put(self.workspace, self.name, [row for row in rows if row.valid_until != OPEN])

    def write(self) -> None:
        self._sink.put(self.workspace, self.name, self._timeline.added)


class _Table:
    """The rows of one resource go to its table."""

    def __init__(self, connection: Connection[Any], shape: Shape) -> None:
        self.shape = shape
        self._connection = connection
        self._waiting: list[tuple[Any, ...]] = []
        self._types = column_types(connection, shape)
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
            sql.Identifier(shape.table.table), sql.SQL(", ").join(map(sql.Identifier, shape.fields))
        )

    def put(self, workspace: str, name: str, rows: list[Row[Any]]) -> None:
        self._waiting += values_of(self.shape, workspace, name, rows)
        if len(self._waiting) >= WAITING_MAX:
            self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        with self._connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            for row in self._waiting:
                copy.write_row(row)
        self._waiting.clear()


def values_of(shape: Shape, workspace: str, name: str, rows: list[Row[Any]]) -> list[tuple[Any, ...]]:
    """Rows of a stream as the table holds them, in the order of its shape's fields."""
    columns, body = shape.columns, shape.table.body
    return [msgspec.structs.astuple(columns(workspace, name, row, body(row))) for row in rows]


def column_types(connection: Connection[Any], shape: Shape) -> list[int]:
    """The types of a table's columns, in the order of its shape's fields."""
    rows = connection.execute(
        "SELECT attname, atttypid::int FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        [shape.table.table],
    )
    types = dict(rows.fetchall())
    return [types[field] for field in shape.fields]
