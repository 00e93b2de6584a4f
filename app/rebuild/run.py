"""The way of a rebuild from its start to the switch, back, and to its end; every step can be taken again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from psycopg import Connection

from app.reader import HEAD
from app.rebuild import comparing, indexing, registry, switching, tables
from app.rebuild.comparing import Difference, Fingerprint
from app.rebuild.registry import RebuildRefused, Run, existing
from app.rebuild.switching import Switched
from app.rebuild.tables import NEW, RETIRED
from app.rebuild.versions import require_own, require_replaced
from domain.names import Resource


class Watch(Protocol):
    """Whoever wants to know how far a rebuild is."""

    def phase(self, title: str) -> None:
        """Something else begins."""

    def loaded(self, connection: Connection[Any]) -> None:
        """Workers are at work; what they have done is in the registry."""


class Outcome(msgspec.Struct, frozen=True):
    """Whether the new tables are live, since which position, what was compared, and what differs.

    `not_compared` are columns that only one of a live and a new table has, if their shapes differ. For
    `locked` seconds no event could be added: so long a write waited for the switch, at most.
    """

    switched: bool
    position: int
    fingerprints: dict[Resource, Fingerprint]
    differences: list[Difference]
    not_compared: dict[Resource, list[str]]
    locked: float


class Work(NamedTuple):
    """Lets workers load what is left of a run, and returns when they have ended."""

    run_workers: Callable[[Run, Callable[[], None]], None]


def start(
    connection: Connection[Any], resources: Sequence[Resource], slice_events: int = registry.SLICE_EVENTS
) -> Run:
    """Begin a rebuild; refused while there is one."""
    if (run := registry.current(connection)) is not None:
        ends = "clean" if run.state == "switched" else "abort"
        raise RebuildRefused(f"there is a rebuild already, {run.title}: `rebuild {ends}` ends it")
    with switching.one_snapshot(connection):
        # Every event that is seen is one up to the head.
        row = connection.execute(HEAD).fetchone()
        registry.add(connection, resources, row[0] if row else 0, slice_events)
        tables.make(connection, resources)
    return existing(connection)


def go_on(connection: Connection[Any], work: Work, watch: Watch, *, accept: bool = False) -> Outcome:
    """Do what is left of a rebuild of this program, up to the switch.

    Where live and new tables differ, they are not switched unless the caller says that the new ones are to
    be taken: because the live ones were found wrong, or are of other code.
    """
    run = existing(connection)
    if run.state == "switched":
        raise RebuildRefused(f"nothing is left to do: the rebuild is {run.title}")
    require_own(run)
    if run.state == "building":
        _build(connection, run, work, watch)
    watch.phase("catching up")
    switching.catch_up(connection, NEW, run.resources)
    fingerprints: dict[Resource, Fingerprint] = {}
    found: list[Difference] = []
    not_compared = {
        name: others
        for name in run.resources
        if (others := comparing.common_fields(connection, name, NEW, shared=False))
    }
    if not accept:
        watch.phase("comparing")
        fingerprints, found = switching.compare(connection, run.resources)
    watch.phase("switching")
    switched = Switched(found, 0.0)
    if not found:
        switched = switching.patiently(lambda: _switch(connection, run, accept=accept))
    if switched.differences:
        registry.note(connection, state="differs", verified=0)
    return Outcome(
        not switched.differences,
        existing(connection).position,
        fingerprints,
        switched.differences,
        not_compared,
        switched.locked,
    )


def roll_back(connection: Connection[Any], watch: Watch) -> int:
    """Put the tables that were live before the switch back, brought up to the log; since which position.

    They are brought up to it by a program of their versions.
    """
    run = existing(connection)
    if run.state != "switched":
        raise RebuildRefused(f"there is nothing to go back from: the rebuild is {run.title}")
    require_replaced(run)
    watch.phase("switching back")

    def attempt() -> int:
        switching.catch_up(connection, RETIRED, run.resources)
        return switching.switch_back(connection, run.resources)

    return switching.patiently(attempt)


def end(connection: Connection[Any], *, switched: bool) -> None:
    """Drop the tables that are not live, and forget the rebuild: after its switch, or before it."""
    run = existing(connection)
    if switched and run.state not in {"switched", "rolled-back"}:
        raise RebuildRefused(f"the rebuild is {run.title}: `rebuild abort` gives it up")
    if not switched and run.state == "switched":
        raise RebuildRefused(
            f"the rebuild is {run.title}: `rebuild rollback` goes back, `rebuild clean` drops the old tables"
        )
    with connection.transaction():
        registry.remove(connection)
        tables.drop(connection, RETIRED if run.state == "switched" else NEW, run.resources)


def _switch(connection: Connection[Any], run: Run, *, accept: bool) -> Switched:
    found = switching.draw_near(connection, run.resources, accept=accept)
    return Switched(found, 0.0) if found else switching.switch(connection, run.resources, accept=accept)


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
    indexing.finish(connection, run.resources, step=lambda: watch.phase("indexing"))
    registry.note(connection, state="catching-up")
