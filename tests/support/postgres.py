"""PostgreSQL servers for tests: real ones, fast because nothing has to survive, with a migrated template."""

import itertools
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate
from app.postgres_programs import EMBEDDED_BIN

FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "autovacuum": "off",
    "max_wal_size": "1GB",
}
TEMPLATE = "ledger"


def debian_bin(version):
    """The directory of Debian's PostgreSQL binaries of that version, or None."""
    path = Path(f"/usr/lib/postgresql/{version}/bin")
    return path if (path / "initdb").exists() else None


SERVER_BINS = {"18": EMBEDDED_BIN, "15": debian_bin(15)}
"""Where the binaries of each tested version are; None where this machine lacks them."""


@contextmanager
def short_directory():
    """A new directory with a path short enough for sockets, not in pytest's own, whose modes it resets."""
    path = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class DatabaseServer:
    """One running server that hands out databases: copies of the migrated template, or empty ones."""

    def __init__(self, embedded):
        self.embedded = embedded
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(make_conninfo(embedded.url, dbname="postgres"), autocommit=True)

    def close(self):
        self._admin.close()

    @contextmanager
    def new_database(self, *, template=TEMPLATE):
        """The address of a new database, gone afterwards together with whoever is still connected."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.embedded.url.replace(f"/{TEMPLATE}?", f"/{name}?")
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def database_server(bin_dir=EMBEDDED_BIN):
    """A `DatabaseServer` of its own on those binaries."""
    with (
        short_directory() as directory,
        EmbeddedPostgres(directory, bin_dir=bin_dir, database=TEMPLATE, options=FAST) as embedded,
    ):
        migrate(embedded.url)
        server = DatabaseServer(embedded)
        try:
            yield server
        finally:
            server.close()
