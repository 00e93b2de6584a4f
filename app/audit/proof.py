"""The audit command that proves: the log follows every rule, and the tables are what it makes."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from psycopg import Connection
from rich.text import Text

from app.audit import tables
from app.audit.database import shown_position, snapshot
from app.audit.deviation import RULES, Deviation
from app.audit.log import events, last_position
from app.audit.options import (
    CODES,
    DONE,
    FAILED,
    Interrupted,
    NothingFound,
    Options,
    ScopeArgument,
    print_json,
    told,
)
from app.audit.progress import ProgressBar
from app.audit.references import streams_beside
from app.audit.replay import Replay, Summary
from app.audit.row_check import BodyDiffers
from app.audit.scope import Scope
from app.audit.stored_rows import body_of, stored_rows
from app.projection_versions import stale_in

EVERYTHING: Final = Scope()
NO_OPTIONS: Final = Options()


class OtherRows(Exception):
    """The live tables are those of another release: that they are not what this one makes says nothing."""


CODES[OtherRows] = FAILED


@told
def replay(
    scope: ScopeArgument = EVERYTHING,
    /,
    *,
    everything: Annotated[
        bool, Parameter(name="--all", negative="", help="The whole log; the same as naming nothing.")
    ] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Run events again from nothing, check each rule again, and compare the tables with what comes of it.

    Checked are: positions and times grow, and positions of the whole log have no gaps; stream versions have
    no gaps; each event can be read; decided again by the same code, on what was before, it comes out the same
    (version numbers have no gaps and are never reused, config references were stored then in the workspace,
    statuses were allowed, removals hit what was stored and could be removed); and the tables hold the rows
    that the events make, no others. The first deviation is printed with its position; exit code 1.

    A deployment is replayed with the configs it refers to, a config with the deployments that refer to it.
    Refused by a release that would make other rows of the same events than the one whose tables are live.

    ```
    deployment-ledger audit replay
    deployment-ledger audit replay production
    deployment-ledger audit replay production/deployments/llama --json
    ```
    """
    if everything:
        scope = EVERYTHING
    with snapshot(options.resolved()) as connection:
        if stale := stale_in(connection):
            raise OtherRows("; ".join(map(str, stale)))
        last = last_position(connection, scope)
        if not last and scope != EVERYTHING:
            raise NothingFound(f"no event of {scope.title}")
        began = time.monotonic()
        try:
            summary = _replayed(connection, scope, last)
        except Deviation as deviation:
            return _deviated(_explained(connection, deviation), as_json=options.json)
    seconds = time.monotonic() - began
    if options.json:
        print_json({"ok": True, **msgspec.structs.asdict(summary), "seconds": round(seconds, 3)})
    else:
        tables.print_line(
            Text.assemble(("ok ", "bold green"), tables.plain(_sentence(scope, summary, seconds)))
        )
    return DONE


def _replayed(connection: Connection[Any], scope: Scope, last: int) -> Summary:
    with _uncollected(), ProgressBar("replaying", last) as bar, stored_rows(connection, scope) as rows:
        run = Replay(rows, only=scope.stream, whole=scope == EVERYTHING)
        try:
            for stored in events(connection, scope, streams=streams_beside(connection, scope)):
                run.apply(stored)
                bar.at(stored.position)
            return run.finish(shown_position(connection))
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after position {bar.position}: no deviation up to there"
            ) from None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without searches for cyclic garbage: a replay makes none, and they would visit all that it holds."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _explained(connection: Connection[Any], deviation: Deviation) -> Deviation:
    if isinstance(deviation, BodyDiffers):
        return deviation.told(body_of(connection, deviation.resource, deviation.row))
    return deviation


def _deviated(deviation: Deviation, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": False, "deviation": deviation.described})
        return FAILED
    place = deviation.place
    event = "" if place.stream_version is None else f", event {place.stream_version} of its stream"
    where = tables.plain(f"at position {place.position}, {place.stream}{event}")
    tables.print_line(Text.assemble(("deviation ", "bold red"), where))
    tables.print_line(f"  rule      {deviation.rule}: {RULES[deviation.rule]}")
    tables.print_line(f"  expected  {deviation.expected}")
    tables.print_line(f"  found     {deviation.found}")
    return FAILED


def _sentence(scope: Scope, summary: Summary, seconds: float) -> str:
    rate = f", {summary.events / seconds:,.0f} events/s" if seconds >= 1 else ""
    return (
        f"{scope.title} up to position {summary.position}: {_count(summary.events, 'event')} of "
        f"{_count(summary.streams, 'stream')} follow every rule, and the tables have the "
        f"{_count(summary.rows, 'row')} they make, no other ({seconds:.1f} s{rate})"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
