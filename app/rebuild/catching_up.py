"""Events after a position folded on the open rows of tables that are not live, as live writes do it."""

from __future__ import annotations

from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

from app.audit.stored_rows import SHAPES
from app.rebuild import registry
from app.rebuild.tables import seen_first
from domain.kinds import KINDS
from domain.names import Resource, split_stream_id
from domain.stream import Recorded
from projections.timeline import Timeline

ROUND_EVENTS_MAX: Final = 20_000

Names = dict[Resource, list[tuple[str, str]]]
"""Workspaces and names of streams."""

_EVENTS: Final[LiteralString] = """
    SELECT originator_id, originator_version, topic, state, notification_id
      FROM stored_events
     WHERE notification_id > %s
     ORDER BY notification_id LIMIT %s
"""
# Few rows are looked up by key in big tables, of which the planner may know little yet.
_BY_KEY: Final[LiteralString] = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off
"""


class Round(NamedTuple):
    """What a round has folded: so many events, up to a position, of these streams."""

    events: int
    position: int
    streams: Names


def fold_round(
    connection: Connection[Any], schema: str, resources: list[Resource], after: int, limit: int | None
) -> Round:
    """Bring the tables of a schema from a position to a later one, and write down which, in one transaction.

    The transaction is the caller's. Events of all resources count: the position is that of the log.
    """
    seen_first(connection, schema)
    connection.execute(_BY_KEY)
    events: dict[Resource, dict[tuple[str, str], list[Recorded[Any]]]] = {name: {} for name in resources}
    count, position = 0, after
    for stream, version, topic, state, position in connection.execute(_EVENTS, [after, limit]):
        count += 1
        workspace, resource, name = split_stream_id(stream)
        if resource in events:
            event = KINDS.decode(topic, bytes(state), position)
            recorded = Recorded(workspace, name, version, position, event)
            events[resource].setdefault((workspace, name), []).append(recorded)
    streams = {resource: list(of_streams) for resource, of_streams in events.items() if of_streams}
    with connection.cursor() as cursor:
        for resource, names in streams.items():
            table = SHAPES[resource].table
            timelines = []
            for (workspace, name), rows in zip(names, table.load_open(cursor, names), strict=True):
                timeline: Timeline[Any] = Timeline(table.fold, rows)
                for recorded in events[resource][workspace, name]:
                    timeline.apply(recorded)
                timelines.append((workspace, name, timeline))
            table.write(cursor, timelines)
    if count:
        registry.note(connection, position=position)
    return Round(count, position, streams)
