"""The command line `deployment-ledger rebuild`."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
import psycopg
from cyclopts import App, Parameter, validators
from psycopg import Connection

from app.audit.database import current_database
from app.audit.options import CODES, DONE, FAILED, Options, print_json, told
from app.audit.tables import print_line
from app.event_log import UnknownEventError
from app.rebuild import registry, run
from app.rebuild.comparing import Difference
from app.rebuild.display import Display
from app.rebuild.registry import RebuildRefused
from app.rebuild.run import Work
from app.rebuild.verifying import verify as verified
from app.rebuild.workers import run_workers
from domain.names import Resource
from projections.references import TABLES

HELP: Final = """
Write the tables that endpoints read again from the log, while the service runs, and prove them equal.

The tables hold nothing that is not in the log. `start` builds them anew beside the live ones, brings them up
to the log, compares all rows, and puts them in the live ones' place in one short transaction. It can be
killed at any moment: `resume` goes on with what was finished. `verify` compares the live tables with the log
and leaves nothing behind; it is what a nightly job runs.
"""
EPILOGUE: Final = """
Progress is shown on stderr, in a terminal only.

Exit codes: 0 done, 1 failed, refused, or rows differ, 2 wrong command line, 130 interrupted.
"""
NO_OPTIONS: Final = Options()
CPUS: Final = len(os.sched_getaffinity(0))

Workers = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=256), help="Processes that fold at the same time.")
]
Accept = Annotated[
    bool,
    Parameter(
        negative="", help="Switch even where live and new rows differ: the live ones are what is wrong."
    ),
]
CODES[RebuildRefused] = CODES[UnknownEventError] = FAILED

app = App(name="rebuild", help=HELP, help_epilogue=EPILOGUE, help_format="markdown")


@app.command
@told
def start(
    *projections: Resource,
    workers: Workers = CPUS,
    accept_differences: Accept = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Rebuild all tables, or those of the resources named, and switch to them.

    Where rows differ, nothing is switched: they are named, and the exit code is 1. Then find out which are
    right; `resume --accept-differences` takes the new ones, `abort` gives the rebuild up.

    ```
    deployment-ledger rebuild start
    deployment-ledger rebuild start deployments --workers 4 --json
    ```
    """
    with _turn(options) as (connection, url):
        run.start(connection, list(dict.fromkeys(projections)) or list(TABLES))
        return _go_on(connection, url, workers, options, accept=accept_differences)


@app.command
@told
def resume(
    *, workers: Workers = CPUS, accept_differences: Accept = False, options: Options = NO_OPTIONS
) -> int:
    """Go on with a rebuild that was interrupted, stopped by differences, or rolled back.

    ```
    deployment-ledger rebuild resume
    deployment-ledger rebuild resume --accept-differences
    ```
    """
    with _turn(options) as (connection, url):
        return _go_on(connection, url, workers, options, accept=accept_differences)


@app.command
@told
def status(*, options: Options = NO_OPTIONS) -> int:
    """Show the rebuild there is: how far it is, how fast, what each worker did, and whether one is at work.

    ```
    deployment-ledger rebuild status --json
    ```
    """
    with current_database(options.resolved()) as url, psycopg.connect(url, autocommit=True) as connection:
        found = registry.current(connection)
        working = registry.at_work(connection)
        done, left = registry.done(connection), registry.events_left(connection)
    rate = sum(worker.recent for worker in done) / registry.RECENT_SECONDS
    if options.json:
        print_json(
            {
                "run": found,
                "at_work": working,
                "events_done": sum(worker.events for worker in done),
                "events_left": left,
                "rate": rate,
                "seconds_left": left / rate if rate else None,
                "workers": [worker._asdict() for worker in done],
            }
        )
    elif found is None:
        print_line("no rebuild")
    else:
        at_work = "a process is at work on it" if working else "nobody is at work on it"
        print_line(
            f"{found.state}: {', '.join(found.resources)}, "
            f"begun {found.started_at:%Y-%m-%d %H:%M:%SZ}; {at_work}"
        )
        if found.state == "building":
            for worker in done:
                print_line(f"  worker {worker.worker}: {worker.events:,} events")
            ends = f", {left / rate:,.0f} s left" if rate else ""
            print_line(
                f"  {left:,} of {left + sum(w.events for w in done):,} events left, {rate:,.0f}/s{ends}"
            )
        else:
            print_line(f"  the tables that are not live show the log up to position {found.position}")
    return DONE


@app.command
@told
def abort(*, options: Options = NO_OPTIONS) -> int:
    """Give a rebuild up before its switch, or after it was rolled back: nothing of it is left.

    ```
    deployment-ledger rebuild abort
    ```
    """
    with _turn(options) as (connection, _):
        run.end(connection, switched=False)
    return _said(options, "aborted", "the rebuild is given up, and its tables are dropped")


@app.command
@told
def rollback(*, options: Options = NO_OPTIONS) -> int:
    """Put the tables from before the switch back, brought up to the log first.

    The rebuilt ones are kept: `resume` switches to them again, `clean` drops them.

    ```
    deployment-ledger rebuild rollback
    ```
    """
    with _turn(options) as (connection, _), Display() as display:
        position = run.roll_back(connection, display)
    return _said(
        options,
        "rolled-back",
        f"the tables from before the switch are live since position {position}",
        position=position,
    )


@app.command
@told
def clean(*, options: Options = NO_OPTIONS) -> int:
    """Drop the tables that the switch replaced; after a rollback, those that it had put in their place.

    ```
    deployment-ledger rebuild clean
    ```
    """
    with _turn(options) as (connection, _):
        run.end(connection, switched=True)
    return _said(options, "cleaned", "the tables that were not live are dropped")


@app.command
@told
def verify(*projections: Resource, workers: Workers = CPUS, options: Options = NO_OPTIONS) -> int:
    """Compare the live tables with what the log adds up to, row by row, at one moment.

    Wrong rows are named with the fields that differ, missing and extra ones as such; the exit code is then 1.

    ```
    deployment-ledger rebuild verify
    deployment-ledger rebuild verify deployment-configs --workers 1 --json
    ```
    """
    resources = list(dict.fromkeys(projections)) or list(TABLES)
    began = time.monotonic()
    with current_database(options.resolved()) as url, Display("verifying") as display:
        result = verified(url, resources, workers, display.total, display.advance)
    seconds = time.monotonic() - began
    if options.json:
        print_json({"ok": result.ok, **msgspec.structs.asdict(result), "seconds": round(seconds, 3)})
    elif result.ok:
        print_line(
            f"ok: up to position {result.position} the tables are what {result.events:,} events add up to "
            f"({seconds:.1f} s, {result.events / seconds:,.0f} events/s)"
        )
    else:
        if result.shown != result.position:
            print_line(f"the tables say they show the log up to {result.shown}, it ends at {result.position}")
        _name(result.differences)
    return DONE if result.ok else FAILED


@contextmanager
def _turn(options: Options) -> Iterator[tuple[Connection[Any], str]]:
    with current_database(options.resolved()) as url, registry.turn(url) as connection:
        yield connection, url


def _go_on(connection: Connection[Any], url: str, workers: int, options: Options, *, accept: bool) -> int:
    began = time.monotonic()
    left, total = registry.events_left(connection), registry.events_left(connection)
    total += sum(worker.events for worker in registry.done(connection))
    work = Work(lambda which, seen: run_workers(url, which, workers, seen))
    with Display("folding", total) as display:
        outcome = run.go_on(connection, work, display, accept=accept)
    seconds = time.monotonic() - began
    if options.json:
        print_json({**msgspec.structs.asdict(outcome), "events": left, "seconds": round(seconds, 3)})
    elif outcome.switched:
        rows = ", ".join(f"{found.rows:,} of {name}" for name, found in outcome.fingerprints.items())
        print_line(
            f"switched at position {outcome.position}: all rows are equal ({rows}); "
            f"{left:,} events in {seconds:.1f} s ({left / seconds:,.0f} events/s)"
            if outcome.fingerprints
            else f"switched at position {outcome.position}, not compared; {left:,} events in {seconds:.1f} s"
        )
        print_line("the old tables are kept: `rebuild rollback` puts them back, `rebuild clean` drops them")
    else:
        _name(outcome.differences)
        print_line("nothing was switched: `rebuild resume --accept-differences` or `rebuild abort`")
    return DONE if outcome.switched else FAILED


def _name(differences: list[Difference]) -> None:
    for difference in differences:
        print_line(difference.title)


def _said(options: Options, state: str, text: str, **more: Any) -> int:
    if options.json:
        print_json({"state": state, **more})
    else:
        print_line(text)
    return DONE
