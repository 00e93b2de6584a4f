"""The commands that check a release before it is switched on: what it would answer, row by row."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from cyclopts import Parameter

from app.audit.database import address
from app.audit.options import (
    AT_LEAST_0,
    CODES,
    DONE,
    FAILED,
    DatabaseOptions,
    Options,
    WrongUse,
    note,
    print_json,
    told,
)
from app.audit.tables import print_line
from app.rebuild.display import Display
from app.rebuild.fingerprints import fold
from app.rebuild.options import Workers
from app.rebuild.other_release import header, recording_by, recording_in, require_same_log
from app.rebuild.recording import Header, RecordingRefused, new_file, rows_of, write
from app.rebuild.release_check import ReleaseCheck
from app.rebuild.workers import CPUS

NO_OPTIONS: Final = Options()
NO_DATABASE_OPTIONS: Final = DatabaseOptions()
CODES[RecordingRefused] = FAILED

Position = Annotated[
    int | None, Parameter(validator=AT_LEAST_0, help="Up to this position of the log instead of its end.")
]


@told
def record(
    *,
    output: Annotated[Path | None, Parameter(help="File to write instead of stdout; it must be new.")] = None,
    position: Position = None,
    workers: Workers = CPUS,
    options: DatabaseOptions = NO_DATABASE_OPTIONS,
) -> int:
    """Record what this release makes of the log, for `compare --against` by another one.

    Every row that the log adds up to is recorded as hashes: one of the answer, one of each of its fields, one
    of each column. What is recorded is the log folded by this code, not what the tables hold. Needs nothing
    but to read the log, and writes nothing to the database; a service may run on it.

    ```
    deployment-ledger rebuild record --output release-1.rows.gz
    deployment-ledger rebuild record --position 120000 > release-1.rows.gz
    ```
    """
    if output is None and sys.stdout.isatty():
        raise WrongUse("a recording is for programs: name a file by --output FILE, or redirect the output")
    with address(options.resolved()) as url, Display("recording") as display:
        begin = header(url, position)
        with _target(output) as target:
            rows = write(target, begin, fold(url, begin.position, workers, display.total, display.advance))
    if output is not None:
        note(f"{rows:,} rows up to position {begin.position} are in {output}")
    return DONE


@told
def compare(
    *,
    against: Annotated[
        Path,
        Parameter(help="A recording of the other release, or a directory with its code, such as a checkout."),
    ],
    position: Position = None,
    workers: Workers = CPUS,
    options: Options = NO_OPTIONS,
) -> int:
    """Compare what this release makes of the log with what another one makes of it, before it is switched on.

    Every row that differs is listed: `changed` with the fields of its answer and the columns that differ,
    `gone` if only the other release has it, `new` if only this one has. Exit code 0 if none does, else 1.

    A recording says up to which position it is; what was written since does not matter. The code in a
    directory is run with the Python of its `.venv`, if it has one, else with the one that runs this command.

    Needs nothing but to read the log, and writes nothing to the database; a service may run on it.

    ```
    git worktree add ../in-use v1.4.0 && deployment-ledger rebuild compare --against ../in-use
    deployment-ledger rebuild compare --against release-1.rows.gz --json
    ```
    """
    began = time.monotonic()
    with ExitStack() as stack:
        url = stack.enter_context(address(options.resolved()))
        if against.is_dir():
            here = header(url, position)
            old = stack.enter_context(recording_by(against, url, here.position, workers))
        elif position is not None:
            raise WrongUse("--position is for directories: a recording says itself up to where it is")
        else:
            old = stack.enter_context(recording_in(against))
            here = header(url, old.header.position)
        require_same_log(here, old.header, str(against))
        display = stack.enter_context(Display("comparing"))
        lines = fold(url, old.header.position, workers, display.total, display.advance)
        check = ReleaseCheck(old, rows_of(lines))
        for change in check:
            if options.json:
                print_json(change)
            else:
                print_line(change.title)
    _conclude(check, against, old.header, time.monotonic() - began, as_json=options.json)
    return FAILED if check.found else DONE


def _conclude(check: ReleaseCheck, against: Path, old: Header, seconds: float, *, as_json: bool) -> None:
    position = old.position
    differing = check.found.total()
    if as_json:
        print_json(
            {
                "ok": not differing,
                "against": str(against),
                "release": old.release,
                "position": position,
                "rows": check.rows,
                **{what: check.found[what] for what in ("changed", "gone", "new")},
                "columns_gone": check.only_old,
                "columns_new": check.only_new,
                "seconds": round(seconds, 3),
            }
        )
        return
    for columns, what in ((check.only_old, "gone"), (check.only_new, "new")):
        if columns:
            print_line(f"not compared, as they are {what}: columns {', '.join(columns)}")
    compared = f"{check.rows:,} rows up to position {position}"
    if differing:
        found = ", ".join(f"{count:,} {what}" for what, count in check.found.items())
        print_line(f"of {compared} {differing:,} differ from those of {against}: {found} ({seconds:.1f} s)")
    else:
        print_line(f"ok: all {compared} are those of {against} ({seconds:.1f} s)")


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with new_file(output) as file:
            yield file
