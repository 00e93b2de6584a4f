"""What the supervisor does about tables that are not this program's: say so, and have new ones built."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import structlog

from app.background import beside
from app.projection_versions import stale_in
from app.settings import Settings

CHECK_SECONDS: Final = 0.25
RESTART_SECONDS: Final = 1.0
STOP_SECONDS_MAX: Final = 10.0

log = structlog.get_logger()


def is_stale(url: str) -> bool:
    """Whether live tables are not this program's; the log says which."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = stale_in(connection)
    for each in found:
        log.warning("writes are refused until the tables are this program's", reason=str(each))
    return bool(found)


@contextmanager
def kept_building(
    build: Callable[[str, Settings], None] | None, url: str, settings: Settings
) -> Iterator[None]:
    """Run the build in a process, again whenever it dies, until it returns or this ends."""
    if build is None:
        yield
        return

    def watch(ending: threading.Event) -> None:
        while not ending.is_set():
            process = multiprocessing.get_context("spawn").Process(target=build, args=(url, settings))
            process.start()
            while process.is_alive() and not ending.is_set():
                process.join(CHECK_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join(STOP_SECONDS_MAX)
                process.kill()  # which leaves what it can go on from
            process.join()
            if process.exitcode == 0:
                return
            log.error("the build of projections died; starting it again", exit_code=process.exitcode)
            ending.wait(RESTART_SECONDS)

    with beside(watch):
        yield
