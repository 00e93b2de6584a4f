"""The command line `deployment-ledger audit`: questions to the log, and proof that it adds up."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from cyclopts import App, Parameter
from rich.text import Text

from app.audit import export as exports
from app.audit import tables
from app.audit.database import position_until, snapshot
from app.audit.investigate import blame, diff, history, who
from app.audit.live import Live, live
from app.audit.log import event_at, events, last_position
from app.audit.options import (
    AT_LEAST_0,
    DONE,
    DatabaseOptions,
    Interrupted,
    MomentArgument,
    NothingFound,
    Options,
    WithSecrets,
    WrongUse,
    note,
    print_all,
    sight_of,
    told,
)
from app.audit.progress import ProgressBar
from app.audit.proof import replay
from app.audit.scope import EVERYWHERE, Scope

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
for _command in (history, diff, blame, who, replay):
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
            count = tables.print_table(columns, map(_live_row, found), details=1)
    if not count:
        raise NothingFound(f"no deployment was live in {Scope(only).title} at {when.text}")
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
    with_secrets: WithSecrets = False,
    options: DatabaseOptions = NO_DATABASE_OPTIONS,
) -> int:
    """Write events as JSON Lines in the order of the log: the same events are the same bytes each time.

    A line is `{"position", "stream", "stream_version", "kind", "at", "event"}`, the event as it is stored,
    but for the values of secrets: only with `--with-secrets` they are in it, and an export is a whole copy.
    A file that was cut off at any point can be resumed: its last complete line is compared with the log
    first.

    ```
    deployment-ledger audit export > events.jsonl
    deployment-ledger audit export --output events.jsonl --resume
    deployment-ledger audit export --after 1000 --until 2000 | jq .kind
    ```
    """
    if resume and output is None:
        raise WrongUse("--resume needs the file: --output FILE --resume")
    redaction = sight_of(options.resolved(), with_secrets=with_secrets).redaction
    with snapshot(options.resolved()) as connection, ExitStack() as stack:
        last = last_position(connection, EVERYTHING)
        target: BinaryIO = sys.stdout.buffer
        if output is not None:
            target = stack.enter_context(exports.opened(output, resume=resume))
        if output is not None and resume:
            after = max(
                after,
                exports.resume(target, output, lambda position: event_at(connection, position), redaction),
            )
        bar = stack.enter_context(
            ProgressBar("exporting", min(last, until or last), first=after, streaming=output is None)
        )
        count = 0
        try:
            for position in exports.write(
                events(connection, EVERYTHING, after=after, until=until), target, redaction
            ):
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
