"""Whether two tables of versions hold the same rows: by a fingerprint, or row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import msgspec
from psycopg import Connection, sql

from app.audit.stored_rows import SHAPES
from app.rebuild.tables import LIVE
from domain.names import Resource
from projections.references import TABLES

_KEY: Final = frozenset(("workspace", "name", "version", "valid_from"))
NAMED_MAX: Final = 20
"""Rows that are named; more differ where so many do."""

# Rows have keys, so none is there twice. A sum does not depend on the order, and hashes of 64 bits agree by
# accident once in 2^64 times: a second one would double the time of the comparison.
_FINGERPRINT: Final[LiteralString] = """
    SELECT count(*), coalesce(sum(hash_record_extended(v, 0)), 0)::text FROM {table} v
"""
_DIFFERENCES: Final[LiteralString] = """
    SELECT workspace, name, version, valid_from,
           CASE WHEN n.body IS NULL THEN 'extra' WHEN l.body IS NULL THEN 'missing' ELSE 'wrong' END,
           CASE WHEN n.body IS NULL OR l.body IS NULL THEN ARRAY[]::text[]
                ELSE array_remove(ARRAY[{fields}], NULL) END
      FROM (SELECT v.* FROM {live} v {among}) l
      FULL JOIN (SELECT v.* FROM {made} v {among}) n USING (workspace, name, version, valid_from)
     WHERE {unequal}
     ORDER BY valid_from, workspace, name, version
     LIMIT %(limit)s
"""
_AMONG: Final[LiteralString] = """
    JOIN json_to_recordset(%(names)s) AS k (workspace text, name text)
      ON v.workspace = k.workspace AND v.name = k.name
   WHERE v.valid_until > %(after)s
"""
_FIELDS: Final[LiteralString] = """
    SELECT attname, count(*) = 2 AND count(DISTINCT atttypid) = 1
      FROM pg_attribute
     WHERE attrelid IN (%s::regclass, %s::regclass) AND attnum > 0 AND NOT attisdropped
     GROUP BY attname
     ORDER BY min(attnum), attname
"""
_WITHOUT_EVENTS: Final[LiteralString] = """
    SELECT workspace, name, version, valid_from, 'extra', ARRAY[]::text[] FROM {live} v
     WHERE NOT EXISTS (SELECT FROM stored_events e
                        WHERE e.originator_id = v.workspace || {resource} || v.name
                          AND e.originator_version = 1)
     ORDER BY valid_from, workspace, name, version
     LIMIT %(limit)s
"""


class Fingerprint(msgspec.Struct, frozen=True):
    """What a table holds, whatever the order: the number of its rows and the sum of a hash of each."""

    rows: int
    sum: str


class Difference(msgspec.Struct, frozen=True):
    """A live row that is not what the log says: `wrong` in some fields, `missing`, or `extra`."""

    resource: Resource
    workspace: str
    name: str
    version: int
    valid_from: int
    what: str
    fields: list[str]

    @property
    def title(self) -> str:
        """The difference for people."""
        row = f"{self.workspace}/{self.resource}/{self.name} version {self.version} from {self.valid_from}"
        return f"{self.what:8}{row}{': ' if self.fields else ''}{', '.join(self.fields)}"


def fingerprint(connection: Connection[Any], schema: str, resource: Resource) -> Fingerprint:
    """What a table holds, as the transaction sees it."""
    table = sql.Identifier(schema, TABLES[resource])
    connection.execute("SET LOCAL enable_seqscan = on")
    row = connection.execute(sql.SQL(_FINGERPRINT).format(table=table)).fetchone()
    return Fingerprint(*(row or (0, "0")))


def differences(
    connection: Connection[Any],
    resource: Resource,
    made: str,
    *,
    fields: Sequence[str] = (),
    among: Sequence[tuple[str, str]] | None = None,
    after: int = 0,
) -> list[Difference]:
    """Where the live table differs from the one in the schema `made`: the first rows in the log's order.

    `among` leaves it at the rows of some workspaces and names that began or ended after a position, or still
    hold: an event after the position can have changed no others of its stream. Only `fields` are compared,
    or all that this program fills.
    """
    table = TABLES[resource]
    fields = [field for field in fields or SHAPES[resource].fields if field not in _KEY]
    unequal = [sql.SQL("l.{0} IS DISTINCT FROM n.{0}").format(sql.Identifier(field)) for field in fields]
    named = [
        sql.SQL("CASE WHEN {} THEN {} END").format(condition, sql.Literal(field))
        for condition, field in zip(unequal, fields, strict=True)
    ]
    statement = sql.SQL(_DIFFERENCES).format(
        live=sql.Identifier(LIVE, table),
        made=sql.Identifier(made, table),
        among=sql.SQL("") if among is None else sql.SQL(_AMONG),
        unequal=sql.SQL(" OR ").join(unequal),
        fields=sql.SQL(", ").join(named),
    )
    names = [{"workspace": workspace, "name": name} for workspace, name in among or ()]
    where = {"names": msgspec.json.encode(names).decode(), "after": after, "limit": NAMED_MAX}
    return [Difference(resource, *row) for row in connection.execute(statement, where)]


def common_fields(
    connection: Connection[Any], resource: Resource, made: str, *, shared: bool = True
) -> list[str]:
    """The columns that the live table and another one have with the same type; or, not shared, the others."""
    names = [f"{schema}.{TABLES[resource]}" for schema in (LIVE, made)]
    return [name for name, in_both in connection.execute(_FIELDS, names) if in_both is shared]


def rows_without_events(connection: Connection[Any], resource: Resource) -> list[Difference]:
    """Live rows of streams that the log does not have."""
    statement = sql.SQL(_WITHOUT_EVENTS).format(
        live=sql.Identifier(LIVE, TABLES[resource]), resource=sql.Literal(f"/{resource}/")
    )
    return [Difference(resource, *row) for row in connection.execute(statement, {"limit": NAMED_MAX})]
