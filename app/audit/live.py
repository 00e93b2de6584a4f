"""What was live at a position: deployment versions, who made them, and who last changed them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from psycopg import Connection

from app.audit.log import SLICE_ROWS
from domain.kinds import KINDS, kind_of
from domain.sight import EVERYTHING_SEEN
from projections.occurrences import Actor, Occurrence
from projections.sql import statements


class Live(msgspec.Struct, frozen=True):
    """A version that held; its status holds since `changed`."""

    workspace: str
    name: str
    version: int
    config: str
    config_version: int
    status: str
    status_message: str
    made: Occurrence
    changed: Occurrence


def live(
    connection: Connection[Any], position: int, *, workspace: str | None, all_versions: bool
) -> Iterator[Live]:
    """The latest version of every deployment at a position, or all versions; of all workspaces for None."""
    where = {"position": position, "workspace": workspace, "all_versions": all_versions}
    with connection.cursor("live", binary=True) as cursor:
        cursor.itersize = SLICE_ROWS
        cursor.execute(_STATEMENT["live"], where)
        for row in cursor:
            where, name, version, config, config_version, status, message = row[:7]
            yield Live(
                where,
                name,
                version,
                config,
                config_version,
                status,
                message,
                made=_occurrence(*row[7:10]),
                changed=_occurrence(*row[10:]),
            )


def _occurrence(position: int, name: str, state: bytes) -> Occurrence:
    event = KINDS.decode(name, state, position)
    actor = Actor.of(event.by, EVERYTHING_SEEN)
    return Occurrence(position, event.at, kind_of(name), actor, event.reason)


_STATEMENT = statements("audit.sql", package="app.audit")
