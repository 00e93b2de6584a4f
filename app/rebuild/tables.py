"""The tables of a rebuild: made like the live ones, given their indexes, and put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection, sql

from app.rebuild.registry import RebuildRefused
from domain.names import Resource
from projections.references import TABLES

LIVE: Final = "public"
NEW: Final = "rebuild"
RETIRED: Final = "retired"

_LIKE_LIVE: Final[LiteralString] = """
    SELECT format('ALTER TABLE %%I.%%I OWNER TO %%I', %(schema)s::text, relname, pg_get_userbyid(relowner))
      FROM pg_class WHERE oid = %(live)s::regclass
     UNION ALL
    SELECT format('ALTER TABLE %%I.%%I SET (%%s)', %(schema)s::text, relname,
                  array_to_string(reloptions, ', '))
      FROM pg_class WHERE oid = %(live)s::regclass AND reloptions IS NOT NULL
     UNION ALL
    SELECT format('GRANT %%s ON %%I.%%I TO %%s%%s', a.privilege_type, %(schema)s::text, relname,
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM pg_class, aclexplode(relacl) a WHERE oid = %(live)s::regclass AND a.grantee <> relowner
"""
# The primary key by its constraint, the rest as they are: names are free in a schema of their own.
_INDEXES: Final[LiteralString] = """
    SELECT i.relname,
           CASE WHEN c.oid IS NULL
                THEN replace(pg_get_indexdef(i.oid), ' ON ' || %(live)s || ' ',
                             ' ON ' || %(new)s::text || ' ')
                ELSE 'ALTER TABLE ' || %(new)s::text || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' '
                     || pg_get_constraintdef(c.oid) END
      FROM pg_index x
      JOIN pg_class i ON i.oid = x.indexrelid
      LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u')
     WHERE x.indrelid = %(live)s::regclass
       AND to_regclass(%(schema)s::text || '.' || quote_ident(i.relname)) IS NULL
     ORDER BY i.oid
"""


def make(connection: Connection[Any], resources: Sequence[Resource]) -> None:
    """Empty tables like the live ones, with their owner, storage parameters and grants, without indexes."""
    for resource in resources:
        new, live = _identifier(NEW, resource), _identifier(LIVE, resource)
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)").format(new, live)
        )
        where = {"schema": NEW, "live": f"{LIVE}.{TABLES[resource]}"}
        for (statement,) in connection.execute(_LIKE_LIVE, where).fetchall():
            connection.execute(statement)


def finish(connection: Connection[Any], resources: Sequence[Resource], *, step: Any = None) -> None:
    """Build the indexes that are missing, each in a transaction of its own, and gather statistics."""
    for resource in resources:
        table = TABLES[resource]
        where = {"schema": NEW, "live": f"{LIVE}.{table}", "new": f"{NEW}.{table}"}
        for _, statement in connection.execute(_INDEXES, where).fetchall():
            if step is not None:
                step()
            connection.execute(statement)
        connection.execute(sql.SQL("ANALYZE {}").format(_identifier(NEW, resource)))


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
