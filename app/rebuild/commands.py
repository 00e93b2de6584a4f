"""The command line `deployment-ledger rebuild`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import psycopg
from cyclopts import App, Parameter
from psycopg import Connection

from app.audit.database import current_database
from app.audit.options import CODES, DONE, FAILED, OwnerOptions, told
from app.rebuild import registry, rights, run
from app.rebuild.display import Display
from app.rebuild.options import Workers
from app.rebuild.registry import RebuildRefused
from app.rebuild.release_commands import compare, record
from app.rebuild.run import Work
from app.rebuild.telling import Status, print_done, print_outcome, print_verified
from app.rebuild.verifying import verify as verified
from app.rebuild.workers import CPUS, run_workers
from domain.names import Resource
from projections.references import TABLES

HELP: Final = """
Write the tables that endpoints read again from the log, while the service runs, and prove them equal.

The tables hold nothing that is not in the log. `start` builds them anew beside the live ones, brings them up
to the log, compares all rows, and puts them in the live ones' place in one short transaction. It can be
killed at any moment: `resume` goes on with what was finished. `verify` compares the live tables with the log
and leaves nothing behind; it is what a nightly job runs. `record` and `compare` find out, before a release is
switched on, which answers it would change.
"""
EPILOGUE: Final = """
Progress is shown on stderr, in a terminal only.

Exit codes: 0 done, 1 failed, refused, or rows differ, 2 wrong command line, 130 interrupted.
"""
NO_OPTIONS: Final = OwnerOptions()
Accept = Annotated[
    bool,
    Parameter(
        negative="", help="Switch even where live and new rows differ: the live ones are what is wrong."
    ),
]
CODES[RebuildRefused] = FAILED

app = App(name="rebuild", help=HELP, help_epilogue=EPILOGUE, help_format="markdown")
for _command in (record, compare):
    app.command(_command)


@app.command
@told
def start(
    *projections: Resource,
    workers: Workers = CPUS,
    accept_differences: Accept = False,
    options: OwnerOptions = NO_OPTIONS,
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
    *, workers: Workers = CPUS, accept_differences: Accept = False, options: OwnerOptions = NO_OPTIONS
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
def status(*, options: OwnerOptions = NO_OPTIONS) -> int:
    """Show the rebuild there is, how far and how fast it is, and of which versions the live tables are.

    ```
    deployment-ledger rebuild status --json
    ```
    """
    with current_database(options.resolved()) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        Status.of(connection).print(options)
    return DONE


@app.command
@told
def abort(*, options: OwnerOptions = NO_OPTIONS) -> int:
    """Give a rebuild up before its switch, or after it was rolled back: nothing of it is left.

    ```
    deployment-ledger rebuild abort
    ```
    """
    with _turn(options) as (connection, _):
        run.end(connection, switched=False)
    print_done(options, "aborted", "the rebuild is given up, and its tables are dropped")
    return DONE


@app.command
@told
def rollback(*, options: OwnerOptions = NO_OPTIONS) -> int:
    """Put the tables from before the switch back, brought up to the log first.

    The rebuilt ones are kept: `resume` switches to them again, `clean` drops them.

    ```
    deployment-ledger rebuild rollback
    ```
    """
    with _turn(options) as (connection, _), Display() as display:
        position = run.roll_back(connection, display)
    told = f"the tables from before the switch are live since position {position}"
    print_done(options, "rolled-back", told, position=position)
    return DONE


@app.command
@told
def clean(*, options: OwnerOptions = NO_OPTIONS) -> int:
    """Drop the tables that the switch replaced; after a rollback, those that it had put in their place.

    ```
    deployment-ledger rebuild clean
    ```
    """
    with _turn(options) as (connection, _):
        run.end(connection, switched=True)
    print_done(options, "cleaned", "the tables that were not live are dropped")
    return DONE


@app.command
@told
def verify(*projections: Resource, workers: Workers = CPUS, options: OwnerOptions = NO_OPTIONS) -> int:
    """Compare the live tables with what the log adds up to, row by row, at one moment.

    Wrong rows are named with the fields that differ, missing and extra ones as such; the exit code is then 1.

    ```
    deployment-ledger rebuild verify
    deployment-ledger rebuild verify deployment-configs --workers 1 --json
    ```
    """
    resources = list(dict.fromkeys(projections)) or list(TABLES)
    began = time.monotonic()
    with current_database(options.resolved(), as_owner=True) as url, Display("verifying") as display:
        rights.require_temporary_tables(url)
        result = verified(url, resources, workers, display.total, display.advance)
    print_verified(options, result, time.monotonic() - began)
    return DONE if result.ok else FAILED


@contextmanager
def _turn(options: OwnerOptions) -> Iterator[tuple[Connection[Any], str]]:
    with current_database(options.resolved(), as_owner=True) as url, registry.turn(url) as connection:
        rights.require_ownership(connection)
        yield connection, url


def _go_on(
    connection: Connection[Any], url: str, workers: int, options: OwnerOptions, *, accept: bool
) -> int:
    left, total = registry.events_left(connection), registry.events_left(connection)
    total += sum(worker.events for worker in registry.done(connection))
    work = Work(lambda which, seen: run_workers(url, which, workers, seen))
    with Display("folding", total) as display:
        outcome = run.go_on(connection, work, display, accept=accept)
    print_outcome(options, outcome, left, display.seconds())
    return DONE if outcome.switched else FAILED
