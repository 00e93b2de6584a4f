"""A made-up log stored as the service's writer would have stored it, but by COPY, and shown to readers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, LiteralString, NamedTuple

import psycopg

from app.bench.processes import DatabaseServer, Ran, ledger
from app.event_log import EventMapper
from domain.stream import Recorded

_COPY: Final[LiteralString] = """
    COPY stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
    FROM STDIN (FORMAT binary)
"""
_TYPES: Final = ["text", "int8", "text", "bytea", "int8", "timestamptz"]


WORKERS: Final = 2


class Loaded(NamedTuple):
    """Events that were stored, and the bytes of JSON that they are."""

    events: int
    json_bytes: int


def load(url: str, log: Iterator[Recorded[Any]], events: int) -> Loaded:
    """Store the next events of a log."""
    mapper = EventMapper()
    count = size = 0
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for recorded in islice(log, events):
                stored = mapper.to_stored_event(recorded)
                copy.write_row(
                    (
                        stored.originator_id,
                        stored.originator_version,
                        stored.topic,
                        stored.state,
                        recorded.position,
                        recorded.event.at,
                    )
                )
                count += 1
                size += len(stored.state)
        # As autovacuum leaves a table that was not written all at once.
        connection.execute("VACUUM (ANALYZE) stored_events")
        connection.execute("CHECKPOINT")
    return Loaded(count, size)


def show(server: DatabaseServer, url: str) -> Ran:
    """Make the tables that endpoints read; they do not show the log yet, so there is nothing to compare."""
    ran = ledger(server, url, "rebuild", "start", "--workers", str(WORKERS), "--accept-differences")
    ledger(server, url, "rebuild", "clean")
    return ran
