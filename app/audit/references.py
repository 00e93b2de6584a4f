"""Which streams a stream is checked with: what a deployment refers to, and who refers to a config."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from app.audit.deviation import Deviation
from app.audit.log import Stored, decode, events
from app.audit.scope import Scope
from domain.names import stream_id

# The name occurs in the stored bytes, whatever the shape of the event; a stream too many does no harm.
_REFERRING: Final[LiteralString] = """
    SELECT DISTINCT originator_id
      FROM stored_events
     WHERE split_part(originator_id, '/', 1) = %(workspace)s
       AND split_part(originator_id, '/', 2) = 'deployments'
       AND position(convert_to(%(config)s, 'UTF8') IN state) > 0
"""


def streams_beside(connection: Connection[Any], scope: Scope) -> list[str] | None:
    """The one stream of a scope and those that decisions in it depended on; None where the scope has all."""
    if scope.workspace is None or scope.stream is None:
        return None
    if scope.resource == "deployments":
        names = {name for stored in events(connection, scope) if (name := _config(stored)) is not None}
        return [scope.stream, *(stream_id(scope.workspace, "deployment-configs", name) for name in names)]
    where = {"workspace": scope.workspace, "config": scope.name}
    found = connection.execute(_REFERRING, where).fetchall()
    return [scope.stream, *(stream for (stream,) in found)]


def _config(stored: Stored) -> str | None:
    try:
        return getattr(decode(stored), "config", None)
    except Deviation:
        return None  # the replay will say so, at its place
