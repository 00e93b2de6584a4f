"""The database that a command works on: found by the settings, opened as one snapshot, never written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.conninfo import make_conninfo

from app.audit.scope import Moment
from app.database import DatabaseRefused, database
from app.embedded_postgres import EmbeddedPostgres
from app.event_log import WAIT_FOR_WRITERS
from app.migrations import pending
from app.postgres_programs import SUPERUSER
from app.reader import HEAD, KEEP_TABLES, POSITION_AT, READER_SESSION
from app.settings import BadSetting, Resolved

_SESSION: Final[LiteralString] = "SET jit = off; SET work_mem = '64MB'; SET timezone = 'UTC'"
_SHOWN: Final[LiteralString] = "SELECT position FROM projection_position"
_BEFORE: Final[LiteralString] = """
    SELECT notification_id FROM stored_events WHERE recorded_at < %s ORDER BY recorded_at DESC LIMIT 1
"""


class OutsideTheLog(Exception):
    """A point was asked for that the log has not reached."""


@contextmanager
def snapshot(resolved: Resolved) -> Iterator[Connection[Any]]:
    """A connection in one read-only transaction, which sees every event committed before it began."""
    with current_database(resolved) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SESSION)
        # A writer that took its time before now may commit after now: after this, times up to now are
        # settled.
        connection.execute(WAIT_FOR_WRITERS)
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        # Before the snapshot is taken.
        connection.execute(KEEP_TABLES)
        yield connection


@contextmanager
def current_database(resolved: Resolved, *, as_owner: bool = False) -> Iterator[str]:
    """The address of the database, while it runs; refused if its schema is not that of this release.

    It is the service's, or the one that may change tables, where the settings have one.
    """
    with address(resolved, as_owner=as_owner) as url:
        if missing := pending(url):
            raise DatabaseRefused(
                f"the database's schema is not that of this release, which needs {', '.join(missing)}: "
                "run `deployment-ledger migrate` first"
            )
        yield url


def as_the_service(connection: Connection[Any]) -> None:
    """Have statements planned as the service's reads are."""
    connection.execute(READER_SESSION)


def shown_position(connection: Connection[Any]) -> int:
    """Up to which position the tables say that they show the log."""
    return _number(connection, _SHOWN)


def position_until(connection: Connection[Any], moment: Moment) -> int:
    """The position of the last event at a moment or before it; what lies ahead of the log is refused."""
    if moment.position is not None:
        head = _number(connection, HEAD)
        if moment.position > head:
            raise OutsideTheLog(f"the log ends at position {head}: {moment.text} lies ahead of it")
        return moment.position
    if moment.time is not None and moment.time > datetime.now(UTC):
        raise OutsideTheLog(f"{moment.text} lies in the future")
    return _number(connection, POSITION_AT, moment.time)


def position_before(connection: Connection[Any], moment: Moment) -> int:
    """The position before the first event at a moment or after it."""
    if moment.position is not None:
        return max(0, moment.position - 1)
    return _number(connection, _BEFORE, moment.time)


@contextmanager
def address(resolved: Resolved, *, as_owner: bool = False) -> Iterator[str]:
    """The address of the database, while it runs, whatever its schema."""
    settings = resolved.settings
    embedded = settings.database_url is None and settings.owner_url is None
    if embedded:
        server = EmbeddedPostgres(Path(settings.data_dir))
        if not server.pgdata.exists():
            raise BadSetting(
                "data_dir", f"there is no database in {settings.data_dir!r}", resolved.origins["data_dir"]
            )
        if server.postmaster() is not None:
            yield _running(server)
            return
    with database(settings) as found:
        yield found.owner_url if as_owner or embedded else found.url


def _running(server: EmbeddedPostgres) -> str:
    """The address of a server that someone else has started, and will stop."""
    socket_directory = (server.pgdata / "postmaster.pid").read_text().splitlines()[4]
    return make_conninfo("", host=socket_directory, user=SUPERUSER, dbname="ledger")


def _number(connection: Connection[Any], statement: LiteralString, *parameters: Any) -> int:
    row = connection.execute(statement, parameters).fetchone()
    return 0 if row is None else int(row[0])
