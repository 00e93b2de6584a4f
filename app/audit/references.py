"""Which streams a stream is checked with: what a deployment refers to, and who refers to a config."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import msgspec
from psycopg import Connection

from app.audit.log import events
from app.audit.scope import Scope
from domain.names import stream_id

# Found in the stored bytes as our encoder writes them; a stream too many does no harm.
_REFERRING: Final[LiteralString] = """
    SELECT DISTINCT originator_id
      FROM stored_events
     WHERE split_part(originator_id, '/', 1) = %(workspace)s
       AND split_part(originator_id, '/', 2) = 'deployments'
       AND position(%(reference)s::bytea IN state) > 0
"""


def streams_beside(connection: Connection[Any], scope: Scope) -> list[str] | None:
    """The one stream of a scope and those that decisions in it depended on; None where the scope has all."""
    if scope.workspace is None or scope.stream is None:
        return None
    if scope.resource == "deployments":
        names = {name for stored in events(connection, scope) if (name := _config(stored.state)) is not None}
        return [scope.stream, *(stream_id(scope.workspace, "deployment-configs", name) for name in names)]
    reference = msgspec.json.encode({"config": scope.name})[1:-1]
    found = connection.execute(_REFERRING, {"workspace": scope.workspace, "reference": reference}).fetchall()
    return [scope.stream, *(stream for (stream,) in found)]


class _Reference(msgspec.Struct, frozen=True):
    config: str | None = None


def _config(state: bytes) -> str | None:
    try:
        return msgspec.json.decode(state, type=_Reference).config
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # the replay will say so, at its place
