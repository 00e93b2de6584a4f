"""What the database knows of a rebuild: the run, its slices, and who is at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Literal, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg import Connection, errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.projection_versions import RELEASE, versions_of
from domain.names import Resource

State = Literal["building", "catching-up", "differs", "switched", "rolled-back"]

SLICE_EVENTS: Final = 5_000
"""About how many events a slice has: it is what is lost when a worker dies, and the step of its progress."""
RECENT_SECONDS: Final = 10

_KEY: Final = 0x7265_6275_696C_64  # "rebuild" in ASCII
END_WITH_CLIENT: Final[LiteralString] = "SET client_connection_check_interval = '1s'"
"""A long statement ends soon after its client was killed, and with it what the connection has locked."""
# The server may still be noticing that an earlier process is gone.
_WAIT_FOR_TURN: Final[LiteralString] = "SET lock_timeout = '2s'"
# What is read under a lock must not be older than the lock, whatever is the database's default.
_SESSION: Final[LiteralString] = """
    SET jit = off; SET timezone = 'UTC'; SET maintenance_work_mem = '256MB';
    SET default_transaction_isolation = 'read committed'
"""
_ADD: Final[LiteralString] = """
    INSERT INTO rebuild.run (state, resources, base, position, release, made, replaced)
    SELECT 'building', %s, %s, %s, %s, %s, jsonb_object_agg(resource, version)
      FROM live_projections WHERE resource = ANY(%s)
    RETURNING id
"""
_SLICES: Final[LiteralString] = """
    SELECT %(run)s::bigint, slice::int, min(originator_id), max(originator_id), sum(events)::bigint
      FROM (SELECT originator_id, events,
                   floor((sum(events) OVER (ORDER BY originator_id) - events) / %(size)s) AS slice
              FROM (SELECT originator_id, count(*) AS events
                      FROM stored_events
                     WHERE (%(until)s::bigint IS NULL OR notification_id <= %(until)s)
                       AND split_part(originator_id, '/', 2) = ANY(%(resources)s)
                     GROUP BY originator_id) streams) numbered
     GROUP BY slice
     ORDER BY slice
"""
_ADD_SLICES: Final[LiteralString] = "INSERT INTO rebuild.slices (run, slice, first, last, events)" + _SLICES
# The run is looked at in the statement that locks: an ended one has no slices, a later one has others.
_CLAIM: Final[LiteralString] = """
    SELECT slice, first, last, events FROM rebuild.slices
     WHERE run = %s AND done_at IS NULL
     ORDER BY slice LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class RebuildRefused(Exception):
    """What was asked for cannot be done as things are; the text says why, and what can."""


class Run(msgspec.Struct, frozen=True):
    """A rebuild: what it rebuilds, and how far it is; see the migrations that create the table.

    `made` and `replaced` are versions of its tables, and of those that were live when it began.
    """

    id: int
    state: State
    resources: list[Resource]
    base: int
    position: int
    verified: int
    started_at: datetime
    release: str
    made: dict[Resource, str]
    replaced: dict[Resource, str]

    @property
    def title(self) -> str:
        """The rebuild for people."""
        return f"{self.state}, begun {self.started_at:%Y-%m-%d %H:%M:%SZ} by release {self.release}"

    @property
    def is_own(self) -> bool:
        """Whether this program makes the rows that the rebuild makes."""
        return self.made == versions_of(self.resources)


class Slice(NamedTuple):
    """Streams from the first to the last one, in the order of their ids."""

    slice: int
    first: str
    last: str
    events: int


class Done(NamedTuple):
    """What a worker has loaded; `recent` is how much of it in the last ten seconds."""

    worker: int
    events: int
    recent: int


@contextmanager
def turn(url: str) -> Iterator[Connection[Any]]:
    """The connection that may change the run; refused while there is another one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"{END_WITH_CLIENT}; {_SESSION}; {_WAIT_FOR_TURN}")
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [_KEY])
        except errors.LockNotAvailable:
            raise RebuildRefused(
                "another process is at work on a rebuild of this database: wait, or stop it"
            ) from None
        connection.execute("RESET lock_timeout")
        yield connection


@contextmanager
def another(connection: Connection[Any], session: LiteralString) -> Iterator[Connection[Any]]:
    """A further connection of whoever has the turn, for what is done beside other work."""
    # The password is in no connection string that a connection tells.
    conninfo = make_conninfo(connection.info.dsn, password=connection.info.password or None)
    with psycopg.connect(conninfo, autocommit=True) as further:
        further.execute(f"{END_WITH_CLIENT}; {_SESSION}; {session}")
        yield further


def at_work(connection: Connection[Any]) -> bool:
    """Whether a process is at work on the run."""
    statement = """
        SELECT EXISTS (SELECT FROM pg_locks
                        WHERE locktype = 'advisory' AND granted AND objsubid = 1
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                          AND (classid::bigint << 32) | objid::bigint = %s)
    """
    return connection.execute(statement, [_KEY]).fetchone() == (True,)


def current(connection: Connection[Any]) -> Run | None:
    """The rebuild there is."""
    cursor = connection.cursor(row_factory=class_row(Run))
    columns = sql.SQL(", ").join(map(sql.Identifier, Run.__struct_fields__))
    return cursor.execute(sql.SQL("SELECT {} FROM rebuild.run").format(columns)).fetchone()


def existing(connection: Connection[Any]) -> Run:
    """The rebuild there is, or a refusal."""
    run = current(connection)
    if run is None:
        raise RebuildRefused("there is no rebuild: `rebuild start` begins one")
    return run


def add(connection: Connection[Any], resources: Sequence[Resource], base: int, slice_events: int) -> None:
    """Register a run of this program up to a position, with its slices: the end of the log as it is seen."""
    added = connection.execute(
        _ADD, [list(resources), base, base, RELEASE, Jsonb(versions_of(resources)), list(resources)]
    ).fetchone()
    where = {"run": added and added[0], "size": slice_events, "until": None, "resources": list(resources)}
    connection.execute(_ADD_SLICES, where)


def remove(connection: Connection[Any]) -> None:
    """Forget the run. Waits for workers that were left behind: afterwards none finds a slice."""
    connection.execute("DELETE FROM rebuild.slices")
    connection.execute("DELETE FROM rebuild.run")


def note(connection: Connection[Any], **columns: Any) -> None:
    """Write down how far the run is: `state`, `position`, `verified`."""
    for column, value in columns.items():
        statement = sql.SQL("UPDATE rebuild.run SET {} = %s").format(sql.Identifier(column))
        connection.execute(statement, [value])


def slices(
    connection: Connection[Any], resources: Sequence[Resource], slice_events: int, until: int | None = None
) -> list[Slice]:
    """How the streams of the log are cut, as far as it is seen, or up to a position, which takes longer."""
    where = {"run": 0, "size": slice_events, "until": until, "resources": list(resources)}
    return [Slice._make(row[1:]) for row in connection.execute(_SLICES, where)]


def claim(connection: Connection[Any], run: int) -> Slice | None:
    """A slice that nobody has, locked until the transaction ends."""
    row = connection.execute(_CLAIM, [run]).fetchone()
    return None if row is None else Slice._make(row)


def finish(connection: Connection[Any], run: int, number: int, worker: int) -> None:
    """Mark a claimed slice as loaded."""
    connection.execute(
        "UPDATE rebuild.slices SET worker = %s, done_at = clock_timestamp() WHERE run = %s AND slice = %s",
        [worker, run, number],
    )


def events_left(connection: Connection[Any]) -> int:
    """The events of slices that are not done."""
    row = connection.execute(
        "SELECT coalesce(sum(events), 0)::bigint FROM rebuild.slices WHERE done_at IS NULL"
    ).fetchone()
    return int(row[0]) if row else 0


def done(connection: Connection[Any]) -> list[Done]:
    """What each worker has loaded."""
    rows = connection.execute("""
        SELECT worker, sum(events)::bigint,
               coalesce(sum(events) FILTER (WHERE done_at > clock_timestamp() - interval '10 s'), 0)::bigint
          FROM rebuild.slices WHERE done_at IS NOT NULL GROUP BY worker ORDER BY worker
    """)
    return [Done._make(row) for row in rows]
