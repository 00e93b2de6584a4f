"""The database that commands and the service work on: found by the settings, running, and fit to be used."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from app.background import beside
from app.embedded_postgres import DATABASE, EmbeddedPostgres
from app.migrations import migrate
from app.postgres_programs import PostgresUnavailable
from app.refusals import StartRefused
from app.roles import Roles, SetUp, excess, set_up
from app.settings import Settings, masked

SERVER_VERSION_MIN: Final = 15_00_00
START_CONNECT_SECONDS_MAX: Final = 10
POSTMASTER_CHECK_SECONDS: Final = 0.25
RESTART_SECONDS: Final = 0.5
_UNSAFE: Final[LiteralString] = """
    SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name
"""

log = structlog.get_logger()


class DatabaseRefused(StartRefused):
    """The given database cannot be used; the text says which and why."""


class Database(NamedTuple):
    """One database: its address for the service and for who owns the schema, and its name for people."""

    url: str
    owner_url: str
    name: str


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database; an embedded one runs while this is open, one of the operator's is of a known version."""
    owner_url = settings.owner_url or settings.database_url
    if owner_url is not None:
        url = settings.database_url or owner_url
        setting = "database_url" if settings.owner_url is None else "owner_url"
        name = f"PostgreSQL {_checked_version(owner_url, setting)} at {masked(url)}"
        yield Database(url, owner_url, name)
        return
    directory = Path(settings.data_dir)
    with EmbeddedPostgres(directory, start_seconds_max=settings.database_start_seconds) as server:
        name = f"PostgreSQL {_checked_version(server.url, 'data_dir')} in {directory}"
        with _kept_running(server):
            yield Database(server.url_for(Roles.of(DATABASE).runtime), server.url, name)


def bring_up_to_date(found: Database) -> None:
    """Migrate, set up the roles if an owner's address was given, and warn of what is not as it should be.

    That are rights beyond what is needed, and a server that does not flush to disk.
    """
    if found.url == found.owner_url:
        applied = migrate(found.url)
    else:
        done = roles_set_up(found)
        applied = done.applied
        if done.problem is not None:
            log.warning("the roles are not set up: see `deployment-ledger migrate`", reason=done.problem)
    for title in applied:
        log.info("migrated", migration=title)
    if rights := excess(found.url):
        log.warning(
            "the service runs with more rights than it needs: see `deployment-ledger migrate`",
            database_role=conninfo_to_dict(found.url).get("user"),
            rights=rights,
        )
    with psycopg.connect(found.url, connect_timeout=START_CONNECT_SECONDS_MAX) as connection:
        unsafe = [name for (name,) in connection.execute(_UNSAFE)]
    if unsafe:
        log.warning(
            "PostgreSQL can lose or damage acknowledged writes when its machine crashes", settings_off=unsafe
        )


def roles_set_up(found: Database) -> SetUp:
    """Bring the schema up to date and set up the roles; refused if the addresses lead to two databases."""
    done = set_up(found.owner_url)
    if found.url != found.owner_url:
        _checked_version(found.url, "database_url")
        if _identity(found.url) != _identity(found.owner_url):
            message = (
                f"owner_url: {masked(found.owner_url)} is another database than database_url: "
                f"{masked(found.url)}; both must lead to the same"
            )
            raise DatabaseRefused(message)
    return done


def _identity(url: str) -> tuple[object, ...] | None:
    """What no two databases share, whatever way leads to them."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()


def _checked_version(url: str, setting: str) -> str:
    try:
        with psycopg.connect(url, connect_timeout=START_CONNECT_SECONDS_MAX) as connection:
            number = connection.info.server_version
            text = connection.info.parameter_status("server_version") or str(number)
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.OperationalError as error:
        message = f"{setting}: cannot connect to {masked(url)}: {error}"
        raise DatabaseRefused(message) from error
    if number < SERVER_VERSION_MIN:
        message = f"{setting}: {masked(url)} is PostgreSQL {text}; version 15 or later is needed"
        raise DatabaseRefused(message)
    if encoding != "UTF8":
        message = f"{setting}: {masked(url)} is encoded in {encoding}; a database in UTF8 is needed"
        raise DatabaseRefused(message)
    return text.split(" ")[0]


@contextmanager
def _kept_running(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server again whenever its process has died."""

    def watch(ending: threading.Event) -> None:
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

    with beside(watch):
        yield
