"""Worker processes: each claims slices and loads them, one transaction each, until none is left."""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.connection
import os
import sys
from collections.abc import Callable
from typing import Final

import psycopg

from app.rebuild import registry
from app.rebuild.folding import WORKER_SESSION, RowsOfStreams
from app.rebuild.registry import RebuildRefused, Run
from app.rebuild.tables import NEW, seen_first
from app.rebuild.versions import require_own
from domain.kinds import UnreadableEventError

CPUS: Final = len(os.sched_getaffinity(0))
POLL_SECONDS: Final = 0.2

Seen = Callable[[], None]
"""Called while workers work."""


def run_workers(url: str, run: Run, count: int, seen: Seen) -> None:
    """Let processes load what is left, and return when they have ended, for whatever reason."""
    # Not forked: what other threads of this process hold would stay held in the copy.
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work_in_process, args=(url, run, number, os.getpid()), daemon=True)
        for number in range(1, count + 1)
    ]
    for process in processes:
        process.start()
    while alive := [process.sentinel for process in processes if process.is_alive()]:
        seen()
        multiprocessing.connection.wait(alive, POLL_SECONDS)
    for process in processes:
        process.join()
    seen()


def work_in_process(url: str, run: Run, number: int, parent: int) -> None:
    """Be a worker; the exit code says whether everything went well."""
    # Rows and events are no cycles, and there are many: looking for cycles finds nothing and costs a tenth.
    gc.disable()
    try:
        work(url, run, number, lambda: os.getppid() == parent)
    except (psycopg.Error, UnreadableEventError, RebuildRefused) as failure:
        sys.stderr.write(f"deployment-ledger rebuild: worker {number}: {failure}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def work(url: str, run: Run, number: int, wanted: Callable[[], bool] = lambda: True) -> None:
    """Load slices until none is free, or they are wanted no more."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(WORKER_SESSION)
        require_own(run)
        with connection.transaction():
            # The columns are those of the new tables.
            seen_first(connection, NEW)
            rows = RowsOfStreams(connection, run.base, run.resources)
        more = True
        while more and wanted():
            with connection.transaction():
                more = _load_one(connection, rows, run, number)


def _load_one(connection: psycopg.Connection, rows: RowsOfStreams, run: Run, number: int) -> bool:
    part = registry.claim(connection, run.id)
    if part is None:
        return False
    seen_first(connection, NEW)
    rows.copy(part)
    registry.finish(connection, run.id, part.slice, number)
    return True
