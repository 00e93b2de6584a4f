"""What another release makes of the log: read from its recording, or from its code while that records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, LiteralString

import psycopg

from app.projection_versions import RELEASE, own_versions
from app.rebuild.fingerprints import COLUMNS
from app.rebuild.recording import FORMAT, Header, Recording, RecordingRefused, read

_PROGRAM: Final = "from app.cli import main; main()"
_WRONG_USE: Final = 2
_END_SECONDS_MAX: Final = 10

_LOG: Final[LiteralString] = "SELECT to_regclass('stored_events') IS NOT NULL"
_HEAD: Final[LiteralString] = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
_AT: Final[LiteralString] = "SELECT state FROM stored_events WHERE notification_id = %s"


def header(url: str, position: int | None) -> Header:
    """How a recording of the log by the running code begins: up to a position, or up to the log's end."""
    with psycopg.connect(url, autocommit=True) as connection:

        def value(statement: LiteralString, *parameters: Any) -> Any:
            row = connection.execute(statement, parameters).fetchone()
            return None if row is None else row[0]

        if not value(_LOG):
            raise RecordingRefused(
                "the database has no log: give the address of the one that the service uses"
            )
        head = int(value(_HEAD))
        at = head if position is None else position
        if at > head:
            raise RecordingRefused(f"the log ends at position {head}: {at} lies ahead of it")
        last = value(_AT, at) if at else b""
    return Header(FORMAT, RELEASE, dict(own_versions()), at, sha256(last).hexdigest(), COLUMNS)


def require_same_log(here: Header, recorded: Header, name: str) -> None:
    """Refuse a recording that is not of this log; `here` is how one up to its position begins."""
    if here.log != recorded.log:
        raise RecordingRefused(
            f"{name} is of another log: its event at position {recorded.position} is not the one here"
        )


@contextmanager
def recording_in(path: Path) -> Iterator[Recording]:
    """The recording in a file."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise RecordingRefused(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield read(file, str(path))


@contextmanager
def recording_by(directory: Path, url: str, position: int, workers: int) -> Iterator[Recording]:
    """What the code in a directory makes of the log, while it records it in a process of its own."""
    if not (directory / "app" / "cli.py").is_file():
        raise RecordingRefused(f"{directory} is no checkout of Deployment Ledger: it has no app/cli.py")
    directory = directory.resolve()
    own = directory / ".venv" / "bin" / "python"
    program = [str(own if own.exists() else sys.executable), "-c", _PROGRAM]
    with TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - the operator named the code to be run
            [*program, "rebuild", "record", "--position", str(position), "--workers", str(workers)],
            # Where a program that is given as text looks for modules first, and so do its workers.
            cwd=directory,
            env=_environment(directory, url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        with process:
            try:
                yield read(process.stdout, f"the recording by {directory}")  # type: ignore[arg-type]
            except RecordingRefused as refused:
                if code := _code(process):
                    said.seek(0)
                    text = said.read().decode("utf-8", "replace")
                    raise RecordingRefused(_failure(directory, code, text)) from refused
                raise
            finally:
                process.terminate()


def _environment(directory: Path, url: str) -> dict[str, str]:
    """That of this process, without settings that the other release may not know."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYMENT_LEDGER_")}
    own = {
        "PYTHONPATH": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DEPLOYMENT_LEDGER_DATABASE_URL": url,
    }
    return kept | own


def _code(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code of a process that failed; None if it is not what went wrong."""
    try:
        return process.wait(_END_SECONDS_MAX) or None
    except subprocess.TimeoutExpired:
        return None


def _failure(directory: Path, code: int, said: str) -> str:
    if code == _WRONG_USE:
        return f"the code in {directory} does not know `rebuild record`: it is too old to be compared with"
    lines = said.strip().splitlines() or ["it said nothing"]
    return f"the code in {directory} failed with exit code {code}: {lines[-1]}"
