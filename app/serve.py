"""The supervisor behind `deployment-ledger serve`: database, schema, HTTP workers, and their clean end."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec
import structlog

from app.database import bring_up_to_date, database
from app.http_server import HttpServer, reserved_address
from app.identity_settings import require_safe, who_is_believed
from app.logs import configure_logs
from app.refusals import StartRefused
from app.settings import RESOLVED_VARIABLE, Settings, variable
from app.stale_tables import is_stale, kept_building

APPLICATION: Final = "app.main:application"
METRICS_PREFIX: Final = "ledger-metrics-"

log = structlog.get_logger()


class WorkersFailed(StartRefused):
    """The HTTP workers ended before they were ready; their own log lines say why."""


def serve(
    settings: Settings,
    *,
    application: str = APPLICATION,
    announce: Callable[[str], None] | None = None,
    build: Callable[[str, Settings], None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then let requests finish and stop the embedded database.

    `announce` gets one line, when every worker listens. `build` runs in a process of its own if tables are
    stale and the settings say that new ones are to be built. Raises `StartRefused` or `BadSetting`.
    """
    _stop_cleanly_on_signals()
    configure_logs(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        host, port = stack.enter_context(reserved_address(settings.host, settings.port))
        require_safe(settings, host)
        log.info("callers", are=who_is_believed(settings))
        found = stack.enter_context(database(settings))
        stack.enter_context(_metrics_directory())
        bring_up_to_date(found)
        # Workers need not know how to change the schema.
        os.environ.pop(variable("owner_url"), None)
        effective = msgspec.structs.replace(
            settings, host=host, port=port, database_url=found.url, owner_url=None
        )
        os.environ[RESOLVED_VARIABLE] = msgspec.json.encode(effective).decode()
        line = _ready_line(effective, found.name)
        builds = is_stale(found.url) and settings.on_stale == "build"
        # Tables are made by their owner, which workers do not know.
        with kept_building(build if builds else None, found.owner_url, settings):
            served = HttpServer(effective, application, partial(announce or _say, line)).run()
        if not served:
            message = "a worker process ended before it was ready; its log lines above say why"
            raise WorkersFailed(message)


def _stop_cleanly_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    # The HTTP server replaces these while it runs.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


@contextmanager
def _metrics_directory() -> Iterator[None]:
    """Where the worker processes keep their counters, so that each can show those of all."""
    _remove_metrics_of_the_dead()
    with (
        tempfile.TemporaryDirectory(prefix=METRICS_PREFIX, ignore_cleanup_errors=True) as directory,
        (Path(directory) / "starting").open("w") as alive,
    ):
        fcntl.flock(alive, fcntl.LOCK_EX)
        # Only now has it the name that others look for: they never meet it unlocked while we live.
        Path(alive.name).rename(Path(directory) / "alive")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        yield


def _remove_metrics_of_the_dead() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{METRICS_PREFIX}*/alive"):
        with suppress(OSError), path.open() as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _ready_line(settings: Settings, database_name: str) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    workers = "1 worker" if settings.workers == 1 else f"{settings.workers} workers"
    release = version("deployment-ledger")
    return (
        f"Deployment Ledger {release} listens on http://{host}:{settings.port} ({workers}, {database_name})"
    )
