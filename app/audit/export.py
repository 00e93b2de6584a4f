"""Events as JSON Lines: the same bytes each time, in files that go on where an earlier run was cut off."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from app.audit.log import Stored
from domain.redaction import Redaction

_SEARCH_BYTES: Final = 65_536


class ExportRefused(Exception):
    """The file cannot be written, or does not belong to this log; it was left as it is."""


class Line(msgspec.Struct, frozen=True):
    """One line; `event` is the event's JSON exactly as it is stored, unless secrets were left out."""

    position: int
    stream: str
    stream_version: int
    kind: str
    at: datetime
    event: msgspec.Raw


class _Position(msgspec.Struct, frozen=True):
    position: int


def line(stored: Stored, redaction: Redaction | None = None) -> bytes:
    """An event as one line, with its end."""
    at = stored.at.astimezone(UTC)
    event = msgspec.Raw(_shown(stored.state, redaction))
    fields = Line(stored.position, stored.stream, stored.stream_version, stored.kind, at, event)
    return msgspec.json.encode(fields) + b"\n"


def _shown(state: bytes, redaction: Redaction | None) -> bytes:
    if redaction is None:
        return state
    members = msgspec.json.decode(state, type=dict[str, Any])
    redacted = redaction.redacted(members)
    return state if redacted is members else msgspec.json.encode(redacted)


def write(events: Iterable[Stored], output: BinaryIO, redaction: Redaction | None = None) -> Iterator[int]:
    """Write events, giving the position of each that is written."""
    for stored in events:
        output.write(line(stored, redaction))
        yield stored.position


@contextmanager
def opened(path: Path, *, resume: bool) -> Iterator[BinaryIO]:
    """The file to write, for this process alone; what was written is on the disk when this ends.

    Only with `resume` it may be there before.
    """
    flags = os.O_RDWR | os.O_CREAT | (0 if resume else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
            _lock(file, path)
            yield file
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ExportRefused(f"{path} exists: go on with it by --resume, or name another file") from None
    except OSError as error:
        raise ExportRefused(f"{path}: {error.strerror}") from error


def resume(
    file: BinaryIO,
    path: Path,
    stored_at: Callable[[int], Stored | None],
    redaction: Redaction | None = None,
) -> int:
    """The position of the last complete line, 0 if there is none; what follows that line is cut off.

    A line that is not of this log, or has its secrets where others have none, is refused, and the file left
    as it is.
    """
    end = _end_of_last_line(file)
    position = 0
    if end:
        last = _line_before(file, end)
        try:
            position = msgspec.json.decode(last, type=_Position).position
        except msgspec.DecodeError as error:
            raise ExportRefused(f"{path} does not end with a line of an export: {error}") from error
        stored = stored_at(position)
        if stored is None or line(stored, redaction) != last:
            raise ExportRefused(
                f"{path} holds another log, or was written with other rules for secrets: its line of "
                f"position {position} is not that of this one"
            )
    file.seek(end)
    file.truncate()
    return position


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ExportRefused(f"{path} is being written by another export") from None


def _end_of_last_line(file: BinaryIO) -> int:
    """How many bytes there are up to the last line end."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - _SEARCH_BYTES)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _line_before(file: BinaryIO, end: int) -> bytes:
    """The line that ends at `end`, with its end."""
    begin = end - 1
    found = -1
    while begin > 0 and found < 0:
        step = min(begin, _SEARCH_BYTES)
        begin -= step
        file.seek(begin)
        found = file.read(step).rfind(b"\n")
    file.seek(begin + found + 1 if found >= 0 else 0)
    return file.read(end - file.tell()) if end else b""
