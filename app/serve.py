"""The supervisor behind `deployment-ledger serve`: database, schema, HTTP workers, and their clean end."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec
import psycopg
import structlog

from app.embedded_postgres import EmbeddedPostgres
from app.http_server import HttpServer, PortTaken, reserved_address
from app.logs import configure_logs
from app.migrations import MigrationRefused, migrate
from app.postgres_programs import PostgresUnavailable
from app.settings import RESOLVED_VARIABLE, Settings, masked

APPLICATION: Final = "app.main:application"
SERVER_VERSION_MIN: Final = 15_00_00
CONNECT_SECONDS_MAX: Final = 10
POSTMASTER_CHECK_SECONDS: Final = 0.25
RESTART_SECONDS: Final = 0.5
METRICS_PREFIX: Final = "ledger-metrics-"

log = structlog.get_logger()


class DatabaseRefused(Exception):
    """The given database cannot be used; the text says which and why."""


class WorkersFailed(Exception):
    """The HTTP workers ended before they were ready; their own log lines say why."""


START_REFUSALS: Final = (DatabaseRefused, MigrationRefused, PortTaken, PostgresUnavailable, WorkersFailed)
"""What can keep the service from starting; the texts are for the operator."""


def serve(
    settings: Settings, *, application: str = APPLICATION, announce: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then let requests finish and stop the embedded database.

    `announce` gets one line, when every worker listens. Raises one of `START_REFUSALS`.
    """
    _stop_cleanly_on_signals()
    configure_logs(settings.log_format, settings.log_level)
    with (
        reserved_address(settings.host, settings.port) as (host, port),
        database(settings) as (url, database_name),
        _metrics_directory(),
    ):
        for title in migrate(url):
            log.info("migrated", migration=title)
        effective = msgspec.structs.replace(settings, host=host, port=port, database_url=url)
        os.environ[RESOLVED_VARIABLE] = msgspec.json.encode(effective).decode()
        line = _ready_line(effective, database_name)
        if not HttpServer(effective, application, partial(announce or _say, line)).run():
            message = "a worker process ended before it was ready; its log lines above say why"
            raise WorkersFailed(message)


@contextmanager
def database(settings: Settings) -> Iterator[tuple[str, str]]:
    """The database's address, and its name for people; an embedded one runs while this is open."""
    if settings.database_url is not None:
        server_version = _checked_version(settings.database_url)
        yield settings.database_url, f"PostgreSQL {server_version} at {masked(settings.database_url)}"
        return
    directory = Path(settings.data_dir)
    with EmbeddedPostgres(directory, start_seconds_max=settings.database_start_seconds) as server:
        name = f"PostgreSQL {_checked_version(server.url)} in {directory}"
        with _kept_running(server):
            yield server.url, name


def _stop_cleanly_on_signals() -> None:
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    # The HTTP server replaces these while it runs.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def _checked_version(url: str) -> str:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS_MAX) as connection:
            number = connection.info.server_version
            text = connection.info.parameter_status("server_version") or str(number)
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.OperationalError as error:
        message = f"database_url: cannot connect to {masked(url)}: {error}"
        raise DatabaseRefused(message) from error
    if number < SERVER_VERSION_MIN:
        message = f"database_url: {masked(url)} is PostgreSQL {text}; version 15 or later is needed"
        raise DatabaseRefused(message)
    if encoding != "UTF8":
        message = f"database_url: {masked(url)} is encoded in {encoding}; a database in UTF8 is needed"
        raise DatabaseRefused(message)
    return text.split(" ")[0]


@contextmanager
def _kept_running(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server again whenever its process has died."""
    ending = threading.Event()

    def watch() -> None:
        while not ending.wait(POSTMASTER_CHECK_SECONDS):
            if server.postmaster() is not None:
                continue
            log.error("the embedded PostgreSQL died; starting it again")
            try:
                server.start()
            except PostgresUnavailable as error:
                # The dead server's last processes may still hold its memory: they end by themselves.
                log.warning("the embedded PostgreSQL did not start yet", reason=str(error))
                ending.wait(RESTART_SECONDS)
            else:
                log.info("the embedded PostgreSQL runs again")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ending.set()
        watcher.join()


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
