"""Who may do what in the database: one role owns everything, one is for the service, one reads.

    <database>_owner    owns tables and schemas; nobody logs in as it, administrators are members
    <database>_runtime  logs in, appends events, and writes the rows that show them; it can change neither
                        events nor the schema
    <database>_reader   reads everything; people and audits are made members

Roles belong to the whole server, so they are named after the database: two ledgers on it share none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import psycopg
from psycopg import Connection, errors, sql

from app.migrations import MIGRATIONS_DIR, apply_missing, migrate, pending, turn
from app.refusals import StartRefused
from projections.sql import statements

NAME_BYTES_MAX: Final = 63
_STATEMENTS: Final = statements("roles.sql", package="app")
# The rest is read only. In the order of the alphabet, as the database gives them.
_WRITTEN: Final = {
    "stored_events": "INSERT, SELECT",
    "idempotency_keys": "DELETE, INSERT, SELECT",
    "deployment_versions": "INSERT, SELECT, UPDATE",
    "deployment_config_versions": "INSERT, SELECT, UPDATE",
    "projection_position": "SELECT, UPDATE",
}


class RolesRefused(StartRefused):
    """A role of the ledger has rights that it must not have; the text says which."""


class Roles(NamedTuple):
    """The names of a database's roles."""

    owner: str
    runtime: str
    reader: str

    @classmethod
    def of(cls, database: str) -> Roles:
        """Its name and what they are for; where that cannot be a role's name, a digest of it."""
        longest = f"{database}_runtime".encode()
        if len(longest) > NAME_BYTES_MAX or database.startswith("pg_"):
            database = f"ledger_{hashlib.sha256(database.encode()).hexdigest()[:16]}"
        return cls(f"{database}_owner", f"{database}_runtime", f"{database}_reader")


class SetUp(NamedTuple):
    """The migrations that were applied, the roles, those that are new, and what kept them from being made."""

    applied: list[str]
    roles: Roles
    created: list[str]
    problem: str | None


class _Unprepared(Exception):
    """Whoever is connected may not make the roles."""


def set_up(url: str, directory: Path = MIGRATIONS_DIR) -> SetUp:
    """Bring the schema up to date, owned by the owner role, and give the roles exactly their rights.

    Whoever may not make roles applies the migrations only, and learns why. Raises `MigrationRefused` and
    `RolesRefused`.
    """
    pending(url, directory)  # refuses a newer schema before anything is touched
    with psycopg.connect(url, autocommit=True) as connection, turn(connection):
        roles = Roles.of(connection.info.dbname)
        before = _existing(connection, roles)
        try:
            with connection.transaction():
                _prepare(connection, roles)
        except (_Unprepared, errors.InsufficientPrivilege) as refused:
            connection.close()
            return SetUp(migrate(url, directory), roles, [], str(refused).splitlines()[0])
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(roles.owner)))
        applied = apply_missing(connection, directory)
        with connection.transaction():
            _execute_all(connection, _missing(connection, "grants", roles))
        connection.execute("RESET ROLE")
        _must_be_confined(connection, roles)
    return SetUp(applied, roles, [name for name in roles if name not in before], None)


def preparation(url: str) -> list[str]:
    """What an administrator has to execute in the database before this address can set up the roles."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _missing(connection, "preparation", Roles.of(connection.info.dbname))


def excess(url: str) -> list[str]:
    """What the role of this address may do although the service need not, in words."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _excess(connection, None)


def _prepare(connection: Connection[Any], roles: Roles) -> None:
    _execute_all(connection, _missing(connection, "preparation", roles))
    if left := _missing(connection, "preparation", roles):
        raise _Unprepared(f"without effect for {connection.info.user}: {left[0]}")
    _execute_all(connection, _missing(connection, "ownership", roles))


def _must_be_confined(connection: Connection[Any], roles: Roles) -> None:
    for role in (roles.runtime, roles.reader):
        if more := _excess(connection, role):
            raise RolesRefused(f"the role {role} {', '.join(more)}: take that from it, and run this again")


def _missing(connection: Connection[Any], name: str, roles: Roles) -> list[str]:
    where = {**roles._asdict(), "written": msgspec.json.encode(_WRITTEN).decode()}
    return [statement for (statement,) in connection.execute(_STATEMENTS[name], where)]


def _excess(connection: Connection[Any], role: str | None) -> list[str]:
    return [words for (words,) in connection.execute(_STATEMENTS["excess"], {"role": role})]


def _existing(connection: Connection[Any], roles: Roles) -> list[str]:
    found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(roles)])
    return [name for (name,) in found]


def _execute_all(connection: Connection[Any], texts: Iterable[str]) -> None:
    for text in texts:
        # The database itself has quoted the names in it.
        connection.execute(text.encode())
