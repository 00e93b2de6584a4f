"""The live tables of a database: made anew where they hold nothing, and their versions written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, LiteralString

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from app.event_log import LOCK
from app.projection_versions import RELEASE, own_versions, stale_in
from domain.names import Resource
from projections.definition import PROJECTIONS, definition

LIVE: Final = "public"
NEW: Final = "rebuild"

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
_IS_EMPTY: Final[LiteralString] = """
    SELECT NOT EXISTS (SELECT FROM stored_events) AND NOT EXISTS (SELECT FROM rebuild.run)
"""
_TRUST_RUN: Final[LiteralString] = """
    UPDATE rebuild.run SET made = own.versions, replaced = own.versions, release = %(release)s
      FROM (SELECT jsonb_object_agg(key, value) AS versions
              FROM rebuild.run, jsonb_each(%(own)s) WHERE key = ANY(resources)) own
     WHERE made = '{}'
"""
_NOTE: Final[LiteralString] = """
    INSERT INTO projection_versions (resource, version, release, position) VALUES (%s, %s, %s, %s)
"""


def settle(connection: Connection[Any]) -> None:
    """Make the tables of an empty log those of this program, and write down versions that are not known.

    Where there are events, and no versions at all, tables are taken for what this program makes of them: they
    were made before versions were written down. Tables of known versions stay what they are, unless the log
    is empty and this program is newer.
    """
    if _known(connection) == own_versions():
        return
    with connection.transaction():
        # Whatever is the database's default: what is looked at under the lock is not older than the lock.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute(LOCK)
        if connection.execute(_IS_EMPTY).fetchone() == (True,):
            newer = {each.resource for each in stale_in(connection) if each.newer}
            fresh = [resource for resource in PROJECTIONS if resource in newer]
            _make_anew(connection, fresh)
            note_live(connection, fresh, own_versions(), 0)
        elif not _known(connection):
            [(position,)] = connection.execute("SELECT position FROM projection_position")
            note_live(connection, PROJECTIONS, own_versions(), position)
            own = Jsonb(dict(own_versions()))
            connection.execute(_TRUST_RUN, {"own": own, "release": RELEASE})


def make(connection: Connection[Any], resource: Resource) -> None:
    """An empty table in the schema `rebuild`, with owner, storage parameters and grants of the live one.

    It has the key and the indexes by name: a rebuild writes the rows of a name together, and entering them
    there costs less than sorting all afterwards. Entering rows in other orders would read and write pages
    all over an index, the more the larger it is; those indexes are made when the rows are there.
    """
    made = definition(resource, NEW)
    for statement in (made.create, *made.by_name.values()):
        connection.execute(statement)
    where = {"schema": NEW, "live": f"{LIVE}.{PROJECTIONS[resource].table}"}
    for (statement,) in connection.execute(_LIKE_LIVE, where).fetchall():
        connection.execute(statement)


def missing_indexes(connection: Connection[Any], resource: Resource) -> list[LiteralString]:
    """Statements for the indexes that the table in the schema `rebuild` still lacks."""
    indexes = definition(resource, NEW).indexes
    missing = "SELECT name FROM unnest(%s::text[]) AS i (name) WHERE to_regclass(%s || '.' || name) IS NULL"
    return [indexes[name] for (name,) in connection.execute(missing, [list(indexes), NEW]).fetchall()]


def note_live(
    connection: Connection[Any],
    resources: Iterable[Resource],
    versions: Mapping[Resource, str],
    position: int,
) -> None:
    """Write down of which versions the live tables are from a position on."""
    for resource in resources:
        connection.execute(_NOTE, [resource, versions[resource], RELEASE, position])


def _known(connection: Connection[Any]) -> dict[Resource, str]:
    return dict(connection.execute("SELECT resource, version FROM live_projections").fetchall())


def _make_anew(connection: Connection[Any], resources: Iterable[Resource]) -> None:
    for resource in resources:
        make(connection, resource)
        for statement in missing_indexes(connection, resource):
            connection.execute(statement)
        table = PROJECTIONS[resource].table
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(LIVE, table)))
        move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        connection.execute(move.format(sql.Identifier(NEW, table), sql.Identifier(LIVE)))
