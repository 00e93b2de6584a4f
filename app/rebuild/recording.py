"""Recordings of rows: what a release makes of the log, without what is in it.

A recording is gzip of JSON Lines: a header, an array for each row in the order of stream, version and the
position it begins at, and an end that says how many there are. A row is there as hashes: one of all its
columns, one of its answer, and a short one of each column and of each field of the answer, so that what
differs can be named.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, Final, NamedTuple

import msgspec

from domain.names import Resource

FORMAT: Final = 1


class RecordingRefused(Exception):
    """A recording cannot be written, is damaged, or is not of this log; the text says which."""


class Header(msgspec.Struct, frozen=True, tag="recording", tag_field="line"):
    """What was recorded, and by whom: `log` is the SHA-256 of the event at the position."""

    format: int
    release: str
    versions: dict[Resource, str]
    position: int
    log: str
    columns: dict[Resource, list[str]]


class RowPrint(msgspec.Struct, frozen=True, array_like=True):
    """A row without its content: its key, and hashes, those of columns in the header's order."""

    stream: str
    version: int
    valid_from: int
    row: str
    answer: str
    columns: list[int]
    fields: dict[str, int]

    @property
    def key(self) -> tuple[str, int, int]:
        """Its place in the order of a recording."""
        return self.stream, self.version, self.valid_from


class Recording(NamedTuple):
    """A recording that is being read."""

    header: Header
    rows: Iterator[RowPrint]


class _End(msgspec.Struct, frozen=True, tag="end", tag_field="line"):
    rows: int


class _Begin(msgspec.Struct, frozen=True):
    line: str
    format: int


def write(output: BinaryIO, header: Header, lines: Iterable[bytes]) -> int:
    """Write a recording, given lines of rows in order; the number of rows."""
    rows = 0
    # The same rows are the same bytes: no time, no name.
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=output, mtime=0) as file:
        file.write(_encode(header) + b"\n")
        for some in lines:
            rows += some.count(b"\n")
            file.write(some)
        file.write(_encode(_End(rows)) + b"\n")
    return rows


def read(source: BinaryIO, name: str) -> Recording:
    """A recording as it is read; `RecordingRefused` at once or later, where it is none, or not whole."""
    lines = _lines(source, name)
    first = next(lines, b"")
    try:
        begin = msgspec.json.decode(first, type=_Begin)
        if begin.line == "recording" and begin.format != FORMAT:
            raise RecordingRefused(
                f"{name} has format {begin.format}, and this release reads {FORMAT} only: "
                "name a directory with the other release's code instead"
            )
        header = msgspec.json.decode(first, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingRefused(f"{name} is no recording of `rebuild record`: {error}") from error
    return Recording(header, _rows(lines, name))


def rows_of(lines: Iterable[bytes]) -> Iterator[RowPrint]:
    """The rows of some lines after another, without the detour of a file."""
    for some in lines:
        yield from map(_decode, some.splitlines())


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, there under its name only once it is complete and on the disk."""
    if path.exists():
        raise RecordingRefused(f"{path} exists: name another file")
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            yield file  # type: ignore[misc]  # it is a BinaryIO in all but its base
            file.flush()
            os.fsync(file.fileno())
            # Refused if it has come to be there meanwhile, as renaming would not be.
            os.link(file.name, path)
            path.chmod(0o666 & ~_umask())
    except OSError as error:
        raise RecordingRefused(f"{path} cannot be written: {error.strerror}") from error


def _lines(source: BinaryIO, name: str) -> Iterator[bytes]:
    count = 0
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as file:
            for line in file:
                count += 1
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingRefused(f"{name} is damaged or cut off after line {count}: {error}") from error


def _rows(lines: Iterator[bytes], name: str) -> Iterator[RowPrint]:
    last: tuple[str, int, int] = ("", 0, 0)
    count = 0
    for line in lines:
        try:
            if line.startswith(b"{"):
                end = msgspec.json.decode(line, type=_End)
                break
            row = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordingRefused(f"{name} is damaged in line {count + 2}: {error}") from error
        if row.key <= last:
            raise RecordingRefused(f"{name} is damaged: line {count + 2} is not in order")
        last = row.key
        count += 1
        yield row
    else:
        raise RecordingRefused(f"{name} is cut off after line {count + 1}")
    if end.rows != count or next(lines, None) is not None:
        raise RecordingRefused(f"{name} is damaged: it ends with {end.rows} rows, and has {count}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RowPrint).decode
