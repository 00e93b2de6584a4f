"""Brings a database's schema up to date, forward only.

The files `NNNN_name.sql` beside this module are applied in order, each in a transaction of its own together
with its row in `schema_migrations`, so that a failed one leaves nothing behind. A session-level advisory
lock makes processes that start together take turns. A file never changes once it was applied anywhere: its
checksum is kept and compared. The tables that endpoints read are made by the first files as they were then;
what they are now, and of which version, `live_tables` sees to.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection, errors

from app import live_tables
from app.refusals import StartRefused

MIGRATIONS_DIR: Final = Path(__file__).parent
LOCK_KEY: Final = 0x6C65_6467_6572  # "ledger" in ASCII
FILE_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


class MigrationRefused(StartRefused):
    """The database and the migration files contradict one another; nothing was changed."""


class Migration(NamedTuple):
    """One file: its number, its name and what it holds."""

    version: int
    name: str
    sql: str

    @property
    def title(self) -> str:
        """The file's name without its ending, as operators see it."""
        return f"{self.version:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrate(url: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """Apply what is missing and return the titles applied, oldest first; repeating it applies nothing.

    Whoever may not change the schema can do this where nothing is missing. Raises `MigrationRefused` where an
    applied file has changed, the database is newer than the files, or its schema may not be changed.
    """
    missing = pending(url, directory)
    with psycopg.connect(url, autocommit=True) as connection, turn(connection):
        try:
            return apply_missing(connection, directory)
        except errors.InsufficientPrivilege as refused:
            if not missing:
                return []
            message = (
                f"the schema lacks {', '.join(missing)}, and {connection.info.user} may not change it "
                f"({refused.diag.message_primary}): run `deployment-ledger migrate` with an owner's address"
            )
            raise MigrationRefused(message) from refused


def apply_missing(connection: Connection[Any], directory: Path = MIGRATIONS_DIR) -> list[str]:
    """Like `migrate`, as the role that the connection has now, inside a `turn`."""
    migrations = _read(directory)
    if not _has_table(connection):
        connection.execute(CREATE_TABLE)
    missing = _missing(connection, migrations)
    for migration in missing:
        with connection.transaction():
            _apply(connection, migration)
    if connection.execute("SELECT to_regclass('live_projections') IS NOT NULL").fetchone() == (True,):
        live_tables.settle(connection)
    return [migration.title for migration in missing]


def pending(url: str, directory: Path = MIGRATIONS_DIR) -> list[str]:
    """The titles that `migrate` would apply; reads only, and refuses what `migrate` would refuse."""
    migrations = _read(directory)
    with psycopg.connect(url, autocommit=True) as connection:
        missing = _missing(connection, migrations) if _has_table(connection) else migrations
    return [migration.title for migration in missing]


@contextmanager
def turn(connection: Connection[Any]) -> Iterator[None]:
    """Wait for others that change the schema, and keep them waiting until this ends."""
    connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
    try:
        yield
    finally:
        # A broken connection has given the lock back already.
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


CREATE_TABLE: Final = """
    CREATE TABLE schema_migrations (
        version    integer PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


def _read(directory: Path) -> list[Migration]:
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            message = f"{path.name}: a migration's file is named like 0001_what_it_does.sql"
            raise MigrationRefused(message)
        migrations.append(Migration(int(match["version"]), match["name"], path.read_text(encoding="utf-8")))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        message = f"{directory}: migrations are numbered 1, 2, 3, … without gap or repetition"
        raise MigrationRefused(message)
    return migrations


def _has_table(connection: Connection[Any]) -> bool:
    return connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone() == (True,)


def _missing(connection: Connection[Any], migrations: list[Migration]) -> list[Migration]:
    rows = connection.execute("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
    applied = {version: (name, checksum) for version, name, checksum in rows}
    newest = len(migrations)
    for version, (name, _) in applied.items():
        if version > newest:
            message = (
                f"the database is at migration {max(applied):04d}, this release knows {newest:04d}: "
                f"{version:04d}_{name} was applied by a newer release; start that one or a later one"
            )
            raise MigrationRefused(message)
    for migration in migrations:
        as_now = (migration.name, migration.checksum)
        if applied.get(migration.version, as_now) != as_now:
            message = (
                f"{migration.title} was changed after it was applied to this database; "
                "restore the file as it was and put the change in a new one"
            )
            raise MigrationRefused(message)
    return [migration for migration in migrations if migration.version not in applied]


def _apply(connection: Connection[Any], migration: Migration) -> None:
    # Bytes, because the driver takes text only from literals; files of ours are as trusted as those.
    connection.execute(migration.sql.encode())
    connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
        [migration.version, migration.name, migration.checksum],
    )
