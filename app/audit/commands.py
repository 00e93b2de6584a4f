"""The command line `deployment-ledger audit`: questions to the log, and proof that it adds up."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
from cyclopts import App, Parameter
from psycopg import Connection
from rich.text import Text

from app.audit import export as exports
from app.audit import tables
from app.audit.database import position_until, shown_position, snapshot
from app.audit.deviation import RULES, Deviation
from app.audit.investigate import blame, diff, history, who
from app.audit.live import Live, live
from app.audit.log import event_at, events, last_position
from app.audit.options import (
    AT_LEAST_0,
    DONE,
    FAILED,
    DatabaseOptions,
    Interrupted,
    MomentArgument,
    NothingFound,
    Options,
    ScopeArgument,
    WrongUse,
    note,
    print_all,
    print_json,
    told,
)
from app.audit.progress import ProgressBar
from app.audit.references import streams_beside
from app.audit.replay import Replay, Summary
from app.audit.row_check import BodyDiffers
from app.audit.scope import EVERYWHERE, Scope
from app.audit.stored_rows import body_of, stored_rows

HELP: Final = """
Ask the log what happened, what was live, and whether it all adds up.

Works on the database itself, found as `serve` finds it, also while a service runs on it: reads one snapshot
and writes nothing. An embedded database that is not running is started for as long as the command takes.
"""
EPILOGUE: Final = """
Times without an offset are UTC. With `--json`, lists are printed as one object a line.

Exit codes: 0 done, 1 failed or a deviation was found, 2 wrong command line, 3 nothing was found where
something was asked for, 130 interrupted.
"""
NO_DATABASE_OPTIONS: Final = DatabaseOptions()
NO_OPTIONS: Final = Options()
EVERYTHING: Final = Scope()

app = App(name="audit", help=HELP, help_epilogue=EPILOGUE, help_format="markdown")
for _command in (history, diff, blame, who):
    app.command(_command)


@app.command
@told
def at(
    when: MomentArgument,
    /,
    *,
    workspace: Annotated[str, Parameter(help="A workspace, or `all` of them.")] = EVERYWHERE[0],
    all_versions: Annotated[
        bool, Parameter(negative="", help="Every stored version instead of the latest of each deployment.")
    ] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show what was live at a time or a position: every deployment, also those removed since.

    `since` is when the status was last changed, `made` when the version was made, `by` and `reason` by whom
    and why it was made. Exit code 3 if nothing was live.

    ```
    deployment-ledger audit at 2026-11-17T14:00
    deployment-ledger audit at 2026-11-17T15:00+01:00 --workspace production
    deployment-ledger audit at 1234 --all-versions --json
    ```
    """
    only = None if workspace in EVERYWHERE else workspace
    with snapshot(options.resolved()) as connection:
        position = position_until(connection, when)
        found = live(connection, position, workspace=only, all_versions=all_versions)
        if options.json:
            count = print_all(found)
        else:
            columns = ("deployment", "version", "config", "status", "since", "made", "by", "reason")
            count = tables.print_table(columns, map(_live_row, found))
    if not count:
        raise NothingFound(f"no deployment was live in {Scope(only).title} at {when.text}")
    return DONE


@app.command
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

    ```
    deployment-ledger audit replay
    deployment-ledger audit replay production
    deployment-ledger audit replay production/deployments/llama --json
    ```
    """
    if everything:
        scope = EVERYTHING
    with snapshot(options.resolved()) as connection:
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
        tables.print_line(Text("ok ", style="bold green") + tables.plain(_sentence(scope, summary, seconds)))
    return DONE


@app.command
@told
def export(
    *,
    after: Annotated[int, Parameter(validator=AT_LEAST_0, help="Begin after this position.")] = 0,
    until: Annotated[
        int | None, Parameter(validator=AT_LEAST_0, help="End with this position instead of the last one.")
    ] = None,
    output: Annotated[Path | None, Parameter(help="File to write instead of stdout; it must be new.")] = None,
    resume: Annotated[
        bool, Parameter(negative="", help="Go on in the file after its last complete line.")
    ] = False,
    options: DatabaseOptions = NO_DATABASE_OPTIONS,
) -> int:
    """Write events as JSON Lines in the order of the log: the same events are the same bytes each time.

    A line is `{"position", "stream", "stream_version", "kind", "at", "event"}`, the event as it is stored. A
    file that was cut off at any point can be resumed: its last complete line is compared with the log first.

    ```
    deployment-ledger audit export > events.jsonl
    deployment-ledger audit export --output events.jsonl --resume
    deployment-ledger audit export --after 1000 --until 2000 | jq .kind
    ```
    """
    if resume and output is None:
        raise WrongUse("--resume needs the file: --output FILE --resume")
    with snapshot(options.resolved()) as connection, ExitStack() as stack:
        last = last_position(connection, EVERYTHING)
        target: BinaryIO = sys.stdout.buffer
        if output is not None:
            target = stack.enter_context(exports.opened(output, resume=resume))
        if output is not None and resume:
            after = max(
                after, exports.resume(target, output, lambda position: event_at(connection, position))
            )
        bar = stack.enter_context(
            ProgressBar("exporting", min(last, until or last), first=after, streaming=output is None)
        )
        count = 0
        try:
            for position in exports.write(events(connection, EVERYTHING, after=after, until=until), target):
                bar.at(position)
                count += 1
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted after position {bar.position}") from None
        target.flush()
    if output is not None:
        note(f"{count} events after position {after} are in {output}")
    return DONE


def _live_row(item: Live) -> tuple[str | Text, ...]:
    return (
        f"{item.workspace}/{item.name}",
        str(item.version),
        f"{item.config} {item.config_version}",
        tables.status(item.status),
        tables.time(item.changed.at),
        tables.time(item.made.at),
        tables.who(item.made.actor),
        item.made.reason or "",
    )


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
    title = Text("deviation ", style="bold red")
    tables.print_line(title + tables.plain(f"at position {place.position}, {place.stream}{event}"))
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
