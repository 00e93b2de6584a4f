"""The tables of a rebuild: made as the code defines them, and put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from psycopg import Connection, sql

from app import live_tables
from app.rebuild.registry import RebuildRefused
from domain.names import Resource
from projections.references import TABLES

LIVE: Final = live_tables.LIVE
NEW: Final = live_tables.NEW
RETIRED: Final = "retired"


def make(connection: Connection[Any], resources: Sequence[Resource]) -> None:
    """Empty tables of this program's shape, with owner, storage parameters and grants of the live ones."""
    for resource in resources:
        live_tables.make(connection, resource)


def seen_first(connection: Connection[Any], schema: str) -> None:
    """Until the transaction ends, names of tables mean those in a schema, where it has them."""
    connection.execute("SELECT set_config('search_path', %s, true)", [f"{schema}, {LIVE}"])


def lock_live(
    connection: Connection[Any],
    resources: Sequence[Resource],
    mode: Literal["ACCESS SHARE", "SHARE UPDATE EXCLUSIVE", "ACCESS EXCLUSIVE"],
) -> None:
    """Lock the live tables until the transaction ends."""
    names = sql.SQL(", ").join(_identifier(LIVE, resource) for resource in resources)
    connection.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(names, sql.SQL(mode)))


def exchange(connection: Connection[Any], resources: Sequence[Resource], *, source: str, target: str) -> None:
    """Move the live tables to the schema `target`, and those in `source` to where they were."""
    for resource in resources:
        for held, schema in ((LIVE, target), (source, LIVE)):
            statement = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
            connection.execute(statement.format(_identifier(held, resource), sql.Identifier(schema)))


def drop(connection: Connection[Any], schema: str, resources: Sequence[Resource]) -> None:
    """Remove the tables that are in a schema other than that of the live ones."""
    if schema == LIVE:
        raise RebuildRefused("the live tables are never dropped")
    for resource in resources:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_identifier(schema, resource)))


def _identifier(schema: str, resource: Resource) -> sql.Identifier:
    return sql.Identifier(schema, TABLES[resource])
