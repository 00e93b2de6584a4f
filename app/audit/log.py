"""Events as they are stored, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql

from app.audit.deviation import Deviation, Place
from app.audit.scope import Scope
from domain.kinds import KINDS, UnreadableEventError
from domain.stream import Event

SLICE_ROWS: Final = 2_000
"""Rows that are fetched at once; what a command holds in memory does not depend on the length of the log."""


class Stored(NamedTuple):
    """An event as the database has it; `kind` is its stored name, and `state` its JSON."""

    position: int
    stream: str
    stream_version: int
    kind: str
    at: datetime
    state: bytes

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.position, self.stream, self.stream_version)


def events(
    connection: Connection[Any],
    scope: Scope,
    *,
    streams: list[str] | None = None,
    after: int = 0,
    until: int | None = None,
) -> Iterator[Stored]:
    """The events of a scope, or of `streams`, after a position and up to another, in order."""
    conditions = [_within(scope) if streams is None else sql.SQL("originator_id = ANY(%(streams)s)")]
    if after:
        conditions.append(sql.SQL("notification_id > %(after)s"))
    if until is not None:
        conditions.append(sql.SQL("notification_id <= %(until)s"))
    statement = sql.SQL(
        "SELECT notification_id, originator_id, originator_version, topic, recorded_at, state"
        " FROM stored_events WHERE {} ORDER BY notification_id"
    ).format(sql.SQL(" AND ").join(conditions))
    where = {**_operands(scope), "streams": streams, "after": after, "until": until}
    with connection.cursor("events", binary=True) as cursor:
        cursor.itersize = SLICE_ROWS
        cursor.execute(statement, where)
        yield from map(Stored._make, cursor)


def event_at(connection: Connection[Any], position: int) -> Stored | None:
    """The event at a position."""
    return next(events(connection, Scope(), after=position - 1, until=position), None)


def last_position(connection: Connection[Any], scope: Scope) -> int:
    """The position of the last event of a scope, 0 if there is none."""
    statement = sql.SQL("SELECT max(notification_id) FROM stored_events WHERE {}").format(_within(scope))
    row = connection.execute(statement, _operands(scope)).fetchone()
    return row[0] or 0 if row else 0


def decode(stored: Stored) -> Event:
    """The event itself, or a `Deviation` if this release cannot read it."""
    try:
        return KINDS.decode(stored.kind, stored.state, stored.position)
    except UnreadableEventError as error:
        found = f"{stored.kind!r}, which it cannot read: {error.fault}"
        expected = "an event that this release can read"
        raise Deviation(stored.place, "event", expected=expected, found=found) from error


def _within(scope: Scope) -> sql.Composable:
    if scope.stream is not None:
        return sql.SQL("originator_id = %(stream)s")
    if scope.workspace is not None:
        # As the index of a workspace's events has it.
        return sql.SQL("split_part(originator_id, '/', 1) = %(workspace)s")
    return sql.SQL("TRUE")


def _operands(scope: Scope) -> dict[str, Any]:
    return {"stream": scope.stream, "workspace": scope.workspace}
