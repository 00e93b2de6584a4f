"""What the role that a command works as must be allowed to do; refused before anything is done."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection

from app.rebuild.registry import RebuildRefused

_OWNS: Final[LiteralString] = """
    SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'public.deployment_versions'::regclass
"""
_TEMPORARY: Final[LiteralString] = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"


def require_ownership(connection: Connection[Any]) -> None:
    """Refuse a role that may not exchange tables."""
    _require(connection, _OWNS, "does not own the tables, which a rebuild exchanges: give an owner's address")


def require_temporary_tables(url: str) -> None:
    """Refuse a role that may not make temporary tables, which hold what the log adds up to."""
    with psycopg.connect(url, autocommit=True) as connection:
        _require(
            connection,
            _TEMPORARY,
            "may not make the temporary tables that the comparison needs: give the address of an owner, "
            "or of a member of the reader role",
        )


def _require(connection: Connection[Any], question: LiteralString, refusal: str) -> None:
    if connection.execute(question).fetchone() != (True,):
        raise RebuildRefused(f"{connection.info.user} {refusal} (--owner-url, or the setting owner_url)")
