"""The way of a rebuild from its start to the switch, back, and to its end; every step can be taken again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, LiteralString, NamedTuple, Protocol

import msgspec
from psycopg import Connection, IsolationLevel, errors

from app.event_log import LOCK
from app.reader import HEAD
from app.rebuild import comparing, registry, tables
from app.rebuild.catching_up import ROUND_EVENTS_MAX, fold_round
from app.rebuild.comparing import Difference, Fingerprint
from app.rebuild.registry import RebuildRefused, Run
from app.rebuild.tables import LIVE, NEW, RETIRED
from domain.names import Resource
from projections import position

ROUND_EVENTS_SHORT: Final = 200
"""With no more events than this to fold, the log's lock is taken, for which writers then wait."""
SWITCH_TRIES_MAX: Final = 1_000
SWITCH_PAUSE_SECONDS: Final = 0.2
# Nobody waits for the tables longer than this, the readers queued behind us included; it is also shorter than
# the time after which PostgreSQL looks for deadlocks, so it is never a reader that has to give up.
_WAIT_FOR_READERS: Final[LiteralString] = "SET LOCAL lock_timeout = '100ms'"
_WAIT_FOR_WRITERS: Final[LiteralString] = "SET LOCAL lock_timeout = '10s'"


class Watch(Protocol):
    """Whoever wants to know how far a rebuild is."""

    def phase(self, title: str) -> None:
        """Something else begins."""

    def loaded(self, connection: Connection[Any]) -> None:
        """Workers are at work; what they have done is in the registry."""


class Outcome(msgspec.Struct, frozen=True):
    """Whether the new tables are live, since which position, what was compared, and what differs."""

    switched: bool
    position: int
    fingerprints: dict[Resource, Fingerprint]
    differences: list[Difference]


class Work(NamedTuple):
    """Lets workers load what is left of a run, and returns when they have ended."""

    run_workers: Callable[[Run, Callable[[], None]], None]


def start(
    connection: Connection[Any], resources: Sequence[Resource], slice_events: int = registry.SLICE_EVENTS
) -> Run:
    """Begin a rebuild; refused while there is one."""
    if (run := registry.current(connection)) is not None:
        raise RebuildRefused(f"there is a rebuild already, {_told(run)}")
    with connection.transaction():
        registry.add(connection, resources, _number(connection, HEAD), slice_events)
        tables.make(connection, resources)
    return existing(connection)


def existing(connection: Connection[Any]) -> Run:
    """The rebuild there is, or a refusal."""
    run = registry.current(connection)
    if run is None:
        raise RebuildRefused("there is no rebuild: `rebuild start` begins one")
    return run


def go_on(connection: Connection[Any], work: Work, watch: Watch, *, accept: bool = False) -> Outcome:
    """Do what is left of a rebuild, up to the switch.

    Where live and new tables differ, they are not switched unless the caller says that the new ones are to
    be taken: because the live ones were found wrong, or are of other code.
    """
    run = existing(connection)
    if run.state == "switched":
        raise RebuildRefused(f"nothing is left to do: the rebuild is {_told(run)}")
    if run.state == "building":
        _build(connection, run, work, watch)
    watch.phase("catching up")
    _catch_up(connection, NEW, run.resources)
    fingerprints: dict[Resource, Fingerprint] = {}
    found: list[Difference] = []
    if not accept:
        watch.phase("comparing")
        fingerprints, found = _compare(connection, run.resources)
    for _ in _tries(watch, "switching"):
        if not found:
            found = _draw_near(connection, run.resources, accept=accept)
        if found:
            registry.note(connection, state="differs", verified=0)
            return Outcome(False, existing(connection).position, fingerprints, found)
        with suppress(errors.LockNotAvailable):
            found = _switch(connection, run.resources, accept=accept)
            if not found:
                return Outcome(True, existing(connection).position, fingerprints, [])
    raise RebuildRefused(_IN_USE)


def roll_back(connection: Connection[Any], watch: Watch) -> int:
    """Put the tables that were live before the switch back, brought up to the log; since which position."""
    run = existing(connection)
    if run.state != "switched":
        raise RebuildRefused(f"there is nothing to go back from: the rebuild is {_told(run)}")
    switched = False
    for _ in _tries(watch, "switching back"):
        _catch_up(connection, RETIRED, run.resources)
        with suppress(errors.LockNotAvailable), connection.transaction():
            _lock(connection, run.resources)
            shown = fold_round(
                connection, RETIRED, run.resources, existing(connection).position, None
            ).position
            _exchange(connection, run.resources, source=RETIRED, target=NEW, shown=shown)
            registry.note(connection, state="rolled-back", verified=0)
            switched = True
        if switched:
            return shown
    raise RebuildRefused(_IN_USE)


def end(connection: Connection[Any], *, switched: bool) -> None:
    """Drop the tables that are not live, and forget the rebuild: after its switch, or before it."""
    run = existing(connection)
    if switched and run.state not in {"switched", "rolled-back"}:
        raise RebuildRefused(f"the rebuild is {_told(run)}: `rebuild abort` gives it up")
    if not switched and run.state == "switched":
        raise RebuildRefused(
            f"the rebuild is {_told(run)}: `rebuild rollback` goes back, `rebuild clean` drops the old tables"
        )
    with connection.transaction():
        registry.remove(connection)
        tables.drop(connection, RETIRED if run.state == "switched" else NEW, run.resources)


def _build(connection: Connection[Any], run: Run, work: Work, watch: Watch) -> None:
    watch.phase("folding")
    left = registry.events_left(connection)
    while left:
        work.run_workers(run, lambda: watch.loaded(connection))
        before, left = left, registry.events_left(connection)
        # Those that died have left their slices to new ones; where nothing was done, there is a reason.
        if left == before:
            raise RebuildRefused(
                f"no worker could go on, {left:,} events are left: `rebuild resume` tries again"
            )
    tables.finish(connection, run.resources, step=lambda: watch.phase("indexing"))
    registry.note(connection, state="catching-up")


def _catch_up(connection: Connection[Any], schema: str, resources: list[Resource]) -> None:
    """Rounds without a lock, until hardly anything is left."""
    events = ROUND_EVENTS_MAX
    while events > ROUND_EVENTS_SHORT:
        with connection.transaction():
            after = existing(connection).position
            events = fold_round(connection, schema, resources, after, ROUND_EVENTS_MAX).events


def _compare(
    connection: Connection[Any], resources: list[Resource]
) -> tuple[dict[Resource, Fingerprint], list[Difference]]:
    """All rows, at one snapshot."""
    with _one_snapshot(connection):
        # In one snapshot the live tables show exactly the events that are in it.
        shown = fold_round(connection, NEW, resources, existing(connection).position, None).position
        registry.note(connection, verified=shown)
        live, new = (
            {name: comparing.fingerprint(connection, schema, name) for name in resources}
            for schema in (LIVE, NEW)
        )
        unequal = [name for name in resources if live[name] != new[name]]
        return new, [d for name in unequal for d in comparing.differences(connection, name, NEW)]


def _draw_near(connection: Connection[Any], resources: list[Resource], *, accept: bool) -> list[Difference]:
    """Compared rounds without a lock, until hardly anything is left."""
    if accept:
        _catch_up(connection, NEW, resources)
        return []
    events = ROUND_EVENTS_MAX
    found: list[Difference] = []
    while events > ROUND_EVENTS_SHORT and not found:
        with _one_snapshot(connection):
            events, found = _compared_round(connection, resources)
    return found


def _switch(connection: Connection[Any], resources: list[Resource], *, accept: bool) -> list[Difference]:
    """Under the log's lock: fold what is left, compare it, switch, unless something differs."""
    with connection.transaction():
        _lock(connection, resources)
        if accept:
            after = existing(connection).position
            fold_round(connection, NEW, resources, after, None)
        else:
            _, found = _compared_round(connection, resources)
            if found:
                return found
        shown = existing(connection).position
        _exchange(connection, resources, source=NEW, target=RETIRED, shown=shown)
        registry.note(connection, state="switched", verified=0 if accept else shown)
    return []


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
        for difference in comparing.differences(connection, resource, NEW, among=names, after=run.position)
    ]


def _lock(connection: Connection[Any], resources: list[Resource]) -> None:
    """Until the transaction ends, no event is added."""
    connection.execute(_WAIT_FOR_WRITERS)
    # Vacuum, which gives way only to those who wait for a while, is let out before anyone has to wait for us.
    tables.lock_live(connection, resources, "SHARE UPDATE EXCLUSIVE")
    connection.execute(LOCK)


@contextmanager
def _one_snapshot(connection: Connection[Any]) -> Iterator[None]:
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            yield
    finally:
        # Of a lost connection nothing can be set any more.
        if not connection.closed:
            connection.isolation_level = None


def _exchange(
    connection: Connection[Any], resources: list[Resource], *, source: str, target: str, shown: int
) -> None:
    connection.execute(_WAIT_FOR_READERS)
    tables.lock_live(connection, resources, "ACCESS EXCLUSIVE")
    tables.exchange(connection, resources, source=source, target=target)
    with connection.cursor() as cursor:
        position.advance(cursor, shown)


def _tries(watch: Watch, title: str) -> Iterator[None]:
    """Readers may be there for longer than others may have to wait for us: then it is tried again."""
    watch.phase(title)
    for _ in range(SWITCH_TRIES_MAX):
        yield
        time.sleep(SWITCH_PAUSE_SECONDS)


def _told(run: Run) -> str:
    return f"{run.state}, begun {run.started_at:%Y-%m-%d %H:%M:%SZ}"


def _number(connection: Connection[Any], statement: LiteralString) -> int:
    row = connection.execute(statement).fetchone()
    return 0 if row is None else int(row[0])


_IN_USE: Final = (
    "the tables were in use by long reads each time: nothing was switched; try again, or end these reads"
)
