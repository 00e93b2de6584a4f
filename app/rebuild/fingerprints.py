"""What the running code makes of the log, row by row, as hashes: folded by processes, told in order."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, Final
from zlib import crc32

import msgspec
import psycopg

from app.audit.stored_rows import SHAPES, Shape
from app.rebuild import registry
from app.rebuild.folding import WORKER_SESSION, RowsOfStreams
from app.rebuild.recording import RowPrint
from app.rebuild.registry import Slice
from domain.names import Resource, stream_id
from projections.references import TABLES
from projections.timeline import Row

RESOURCES: Final[list[Resource]] = list(TABLES)
KEY_COLUMNS: Final = 4
"""Columns of the key come first, and the answer last."""

AHEAD: Final = 2
"""Slices for each worker folded before they are asked for: memory grows with the longest stream only."""

COLUMNS: Final[dict[Resource, list[str]]] = {
    resource: list(shape.fields[KEY_COLUMNS:-1]) for resource, shape in SHAPES.items()
}


def fold(
    url: str,
    position: int,
    workers: int,
    begun: Callable[[int], None] = lambda _: None,
    folded: Callable[[int], None] = lambda _: None,
    *,
    slice_events: int = registry.SLICE_EVENTS,
) -> Iterator[bytes]:
    """Lines of all rows that the log up to a position makes, in order; only the log is read.

    `begun` is told the number of events, `folded` how many more are done.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        slices = registry.slices(connection, RESOURCES, slice_events, position)
    begun(sum(part.events for part in slices))
    # Not forked: what other threads of this process hold would stay held in the copy.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(url, position))
    try:
        left = iter(slices)
        ahead: deque[tuple[Slice, Future[bytes]]] = deque()
        while True:
            for part in islice(left, AHEAD * workers - len(ahead)):
                with _interrupts_held():  # submitting starts processes
                    ahead.append((part, pool.submit(_fold, part)))
            if not ahead:
                return
            part, lines = ahead.popleft()
            yield lines.result()
            folded(part.events)
    finally:
        pool.shutdown(cancel_futures=True)


def row_print(shape: Shape, workspace: str, name: str, row: Row[Any]) -> RowPrint:
    """A row without its content."""
    answer = shape.table.body(row).encode()
    values = msgspec.structs.astuple(shape.columns(workspace, name, row, ""))[KEY_COLUMNS:-1]
    return RowPrint(
        stream_id(workspace, shape.table.resource, name),
        row.version,
        row.valid_from,
        _hash(_encode(values)),
        _hash(answer),
        [crc32(_encode(value)) for value in values],
        dict(_fields(_members(answer))),
    )


def _fields(members: dict[str, msgspec.Raw], pointer: str = "") -> Iterator[tuple[str, int]]:
    """Fields of an answer as JSON Pointers with their hashes; not those inside free-form objects."""
    for key, raw in members.items():
        value = bytes(raw)
        if not pointer and value.startswith(b"{"):
            yield from _fields(_members(value), f"/{key}")
        else:
            yield f"{pointer}/{key}", crc32(value)


_Line = tuple[tuple[str, int, int], bytes]


class _Prints:
    """Takes rows, and keeps the key and the line of each."""

    def __init__(self, shape: Shape, kept: list[_Line]) -> None:
        self.shape = shape
        self._kept = kept

    def put(self, workspace: str, name: str, rows: list[Row[Any]]) -> None:
        prints = (row_print(self.shape, workspace, name, row) for row in rows)
        self._kept += [(each.key, _encode(each)) for each in prints]

    def flush(self) -> None:
        """Do nothing: all are kept until their slice is folded."""


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started meanwhile hear no interrupts, which terminals send to all; this one does, later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Folder:
    """A worker: its connection, and the rows of the slice it folds."""

    def __init__(self, url: str, position: int) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(WORKER_SESSION)
        self._connection.read_only = True
        self._kept: list[_Line] = []
        sinks = {resource: _Prints(SHAPES[resource], self._kept) for resource in RESOURCES}
        self._rows = RowsOfStreams(self._connection, position, RESOURCES, sinks)

    def fold(self, part: Slice) -> bytes:
        with self._connection.transaction():
            self._rows.copy(part)
        self._kept.sort()
        lines = b"".join(line + b"\n" for _, line in self._kept)
        self._kept.clear()
        return lines


_folder: list[_Folder] = []


def _begin(url: str, position: int) -> None:
    # Rows and events are no cycles, and there are many.
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()
    _folder.append(_Folder(url, position))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _fold(part: Slice) -> bytes:
    return _folder[0].fold(part)


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=12).hexdigest()


_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
