"""The tables of a rebuild: made as the code defines them, and put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection, sql

from app import live_tables
from app.rebuild.registry import RebuildRefused
from domain.names import Resource
from projections.references import TABLES

LIVE: Final = live_tables.LIVE
NEW: Final = live_tables.NEW
RETIRED: Final = "retired"


_VACUUMED_AS_LIVE: Final[LiteralString] = """
    SELECT coalesce(max(format('SET (autovacuum_enabled = %%s)', option_value)), 'RESET (autovacuum_enabled)')
      FROM pg_class, pg_options_to_table(reloptions)
     WHERE oid = %s::regclass AND option_name = 'autovacuum_enabled'
"""


def make(connection: Connection[Any], resources: Sequence[Resource]) -> None:
    """Empty tables of this program's shape, with owner, storage parameters and grants of the live ones.

    Nobody vacuums them before they are live: there is nothing to remove, and much to read again and again.
    """
    for resource in resources:
        live_tables.make(connection, resource)
        _alter(connection, resource, sql.SQL("SET (autovacuum_enabled = false)"))


def let_vacuum(connection: Connection[Any], resources: Sequence[Resource]) -> None:
    """Have the new tables vacuumed as the live ones are."""
    for resource in resources:
        live = _identifier(LIVE, resource).as_string(connection)
        row = connection.execute(_VACUUMED_AS_LIVE, [live]).fetchone()
        if row is not None:
            _alter(connection, resource, sql.SQL(row[0]))


def seen_first(connection: Connection[Any], schema: str) -> None:
    """Until the transaction ends, names of tables mean those in a schema, where it has them."""
    connection.execute("SELECT set_config('search_path', %s, true)", [f"{schema}, {LIVE}"])


def lock(
    connection: Connection[Any],
    resources: Sequence[Resource],
    mode: Literal["ACCESS SHARE", "SHARE UPDATE EXCLUSIVE", "ACCESS EXCLUSIVE"],
    *schemas: str,
) -> None:
    """Lock the live tables until the transaction ends, or those in other schemas."""
    names = sql.SQL(", ").join(
        _identifier(schema, resource) for schema in schemas or (LIVE,) for resource in resources
    )
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


def _alter(connection: Connection[Any], resource: Resource, change: sql.SQL) -> None:
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(_identifier(NEW, resource), change))


def _identifier(schema: str, resource: Resource) -> sql.Identifier:
    return sql.Identifier(schema, TABLES[resource])
