"""The build that `serve --on-stale=build` begins by itself: a process beside the HTTP workers.

It rebuilds the projections whose live tables are of an earlier version than this program's, and switches to
them whatever they differ in: that they do is why it runs. Whatever ends it, the next one goes on.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from types import FrameType
from typing import Any, Final, NoReturn

import psycopg
import structlog
from psycopg import Connection

from app.logs import configure_logs
from app.projection_versions import Stale, stale_in
from app.rebuild import registry, run
from app.rebuild.registry import RebuildRefused
from app.rebuild.run import Work
from app.rebuild.workers import CPUS, run_workers
from app.settings import Settings
from domain.kinds import UnreadableEventError
from projections.definition import PROJECTIONS

LOG_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 2.0

_log = structlog.get_logger()


def build_in_process(url: str, settings: Settings) -> None:
    """Be the process: return when nothing is stale, or nothing that may be built; try again until then."""
    configure_logs(settings.log_format, settings.log_level)
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    # A statement that runs is cancelled, and the workers, being daemons, end with us.
    signal.signal(signal.SIGTERM, _interrupt)
    said = ""
    try:
        while True:
            try:
                if _built(url):
                    return
                reason = "another rebuild is under way: finish it with its release (resume), or abort it"
            except (RebuildRefused, UnreadableEventError, psycopg.Error) as refused:
                reason = str(refused)
            if reason != said:
                _log.warning("projections cannot be built yet", reason=reason)
                said = reason
            time.sleep(RETRY_SECONDS)
    except KeyboardInterrupt:
        _log.info("the build of projections stops; the next start goes on with it")


def _built(url: str) -> bool:
    """Build what is stale, if it may be; False where a rebuild of others has to end first."""
    with registry.turn(url) as connection:
        found = stale_in(connection)
        if not _may_build(found):
            return True
        stale = {each.resource for each in found}
        before = registry.current(connection)
        if before is not None and before.state == "switched":
            _log.info("dropping the tables from before the last switch", release=before.release)
            run.end(connection, switched=True)
            before = None
        if before is None:
            run.start(connection, [resource for resource in PROJECTIONS if resource in stale])
        elif not before.is_own or not stale.issubset(before.resources):
            return False
        work = Work(lambda which, seen: run_workers(url, which, CPUS, seen))
        outcome = run.go_on(connection, work, _Logged(), accept=True)
        _log.info("projections are switched", position=outcome.position)
    return True


def _may_build(found: list[Stale]) -> bool:
    older = [str(each) for each in found if not each.newer]
    if older:
        # Two releases that each built their own tables would do so in turn, for ever.
        _log.warning("projections are not built by a release that is older", reason="; ".join(older))
    return bool(found) and not older


class _Logged:
    """Tells the log how far the rebuild is, every few seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def phase(self, title: str) -> None:
        """Something else begins."""
        _log.info("building projections", phase=title)

    def loaded(self, connection: Connection[Any]) -> None:
        """Workers are at work."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LOG_SECONDS
        done, left = registry.done(connection), registry.events_left(connection)
        rate = sum(worker.recent for worker in done) / registry.RECENT_SECONDS
        _log.info(
            "building projections",
            events_done=sum(worker.events for worker in done),
            events_left=left,
            rate=round(rate),
        )


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        multiprocessing.connection.wait([supervisor.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
