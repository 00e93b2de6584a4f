"""From tables that are built to live ones: caught up, compared, and switched in one short transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, LiteralString, NamedTuple, TypeVar

from psycopg import Connection, IsolationLevel, errors

from app import live_tables
from app.event_log import LOCK
from app.rebuild import comparing, registry, tables
from app.rebuild.catching_up import ROUND_EVENTS_MAX, fold_round
from app.rebuild.comparing import Difference, Fingerprint
from app.rebuild.registry import RebuildRefused, existing
from app.rebuild.tables import LIVE, NEW, RETIRED
from domain.names import Resource
from projections import position

T = TypeVar("T")

ROUND_EVENTS_SHORT: Final = 200
"""With no more events than this to fold, the log's lock is taken, for which writers then wait."""
SWITCH_TRIES_MAX: Final = 1_000
SWITCH_PAUSE_SECONDS: Final = 0.2
# Nobody waits for the tables longer than this, the readers queued behind us included; it is also shorter than
# the time after which PostgreSQL looks for deadlocks, so it is never a reader that has to give up.
_WAIT_FOR_READERS: Final[LiteralString] = "SET LOCAL lock_timeout = '100ms'"
_WAIT_FOR_WRITERS: Final[LiteralString] = "SET LOCAL lock_timeout = '10s'"


def patiently(attempt: Callable[[], T]) -> T:
    """What the attempt gives; it is repeated where readers stay for longer than others may wait for us."""
    for _ in range(SWITCH_TRIES_MAX):
        with suppress(errors.LockNotAvailable):
            return attempt()
        time.sleep(SWITCH_PAUSE_SECONDS)
    raise RebuildRefused(
        "the tables were in use by long reads each time: nothing was switched; try again, or end these reads"
    )


def catch_up(connection: Connection[Any], schema: str, resources: list[Resource]) -> None:
    """Rounds without a lock, until hardly anything is left."""
    events = ROUND_EVENTS_MAX
    while events > ROUND_EVENTS_SHORT:
        with connection.transaction():
            after = existing(connection).position
            events = fold_round(connection, schema, resources, after, ROUND_EVENTS_MAX).events


def compare(
    connection: Connection[Any], resources: list[Resource]
) -> tuple[dict[Resource, Fingerprint], list[Difference]]:
    """All rows, at one snapshot; what the new tables hold, and where they differ from the live ones."""
    with one_snapshot(connection):
        # In one snapshot the live tables show exactly the events that are in it.
        shown = fold_round(connection, NEW, resources, existing(connection).position, None).position
        registry.note(connection, verified=shown)
        live, new = (
            {name: comparing.fingerprint(connection, schema, name) for name in resources}
            for schema in (LIVE, NEW)
        )
        unequal = [name for name in resources if live[name] != new[name]]
        return new, [
            difference
            for name in unequal
            for difference in comparing.differences(
                connection, name, NEW, fields=comparing.common_fields(connection, name, NEW)
            )
        ]


def draw_near(connection: Connection[Any], resources: list[Resource], *, accept: bool) -> list[Difference]:
    """Compared rounds without a lock, until hardly anything is left."""
    if accept:
        catch_up(connection, NEW, resources)
        return []
    events = ROUND_EVENTS_MAX
    found: list[Difference] = []
    while events > ROUND_EVENTS_SHORT and not found:
        with one_snapshot(connection):
            events, found = _compared_round(connection, resources)
    return found


class Switched(NamedTuple):
    """What differs, so that nothing was switched, and the seconds for which no event could be added."""

    differences: list[Difference]
    locked: float


def switch(connection: Connection[Any], resources: list[Resource], *, accept: bool) -> Switched:
    """Under the log's lock: fold what is left, compare it, switch, unless something differs."""
    with connection.transaction():
        _lock(connection, resources, NEW)
        began = time.monotonic()
        if accept:
            after = existing(connection).position
            fold_round(connection, NEW, resources, after, None)
        else:
            _, found = _compared_round(connection, resources)
            if found:
                return Switched(found, time.monotonic() - began)
        run = existing(connection)
        _exchange(connection, run.made, source=NEW, target=RETIRED, shown=run.position)
        registry.note(connection, state="switched", verified=0 if accept else run.position)
    return Switched([], time.monotonic() - began)


def switch_back(connection: Connection[Any], resources: list[Resource]) -> int:
    """Under the log's lock: fold what is left on the retired tables, make them live; from which position."""
    with connection.transaction():
        _lock(connection, resources, RETIRED)
        run = existing(connection)
        shown = fold_round(connection, RETIRED, resources, run.position, None).position
        _exchange(connection, run.replaced, source=RETIRED, target=NEW, shown=shown)
        registry.note(connection, state="rolled-back", verified=0)
    return shown


def _compared_round(connection: Connection[Any], resources: list[Resource]) -> tuple[int, list[Difference]]:
    """Fold what is left, and compare what that can have changed; all was compared up to where it begins."""
    run = existing(connection)
    if run.verified != run.position:
        raise RebuildRefused(
            "the tables were not compared as far as they were folded: `rebuild resume` does it"
        )
    events, shown, streams = fold_round(connection, NEW, resources, run.position, None)
    registry.note(connection, verified=shown)
    return events, [
        difference
        for resource, names in streams.items()
        for difference in comparing.differences(
            connection,
            resource,
            NEW,
            fields=comparing.common_fields(connection, resource, NEW),
            among=names,
            after=run.position,
        )
    ]


def _lock(connection: Connection[Any], resources: list[Resource], source: str) -> None:
    """Until the transaction ends, no event is added."""
    connection.execute(_WAIT_FOR_WRITERS)
    # Vacuum, which gives way only to those who wait for a while, is let out before anyone has to wait for us.
    tables.lock(connection, resources, "SHARE UPDATE EXCLUSIVE", LIVE, source)
    connection.execute(LOCK)


@contextmanager
def one_snapshot(connection: Connection[Any]) -> Iterator[None]:
    """A transaction that sees the same from its first statement to its last."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            yield
    finally:
        # Of a lost connection nothing can be set any more.
        if not connection.closed:
            connection.isolation_level = None


def _exchange(
    connection: Connection[Any], versions: Mapping[Resource, str], *, source: str, target: str, shown: int
) -> None:
    """Make tables live, and write down of which versions they are: writers look under the lock we hold."""
    resources = list(versions)
    connection.execute(_WAIT_FOR_READERS)
    tables.lock(connection, resources, "ACCESS EXCLUSIVE")
    if source == NEW:
        tables.let_vacuum(connection, resources)
    tables.exchange(connection, resources, source=source, target=target)
    live_tables.note_live(connection, resources, versions, shown)
    with connection.cursor() as cursor:
        position.advance(cursor, shown)
