"""The log itself against what was asked and answered: nothing lost, nothing that nobody asked for.

Every write of a run carries its number as the reason, so each event names the request that made it.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import psycopg

ADDED = ("deployment.created", "deployment.updated")
_EVENTS = """
    SELECT notification_id, originator_id, originator_version, topic, state, recorded_at
      FROM stored_events ORDER BY notification_id
"""


class Logged(NamedTuple):
    """An event as it is stored."""

    position: int
    stream: str
    stream_version: int
    kind: str
    state: dict[str, Any]
    at: Any

    @property
    def reason(self):
        return self.state.get("reason")

    @property
    def operation(self):
        """The number of the operation that made it, None if none of ours did."""
        prefix, _, number = (self.reason or "").partition(" ")
        return int(number) if prefix == "operation" else None


class Findings(NamedTuple):
    """Sentences: acknowledged writes that are lost, events nobody asked for, other broken promises."""

    lost: list[str]
    phantoms: list[str]
    other: list[str]


def read_log(database_url):
    """All events, past the service."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(_EVENTS).fetchall()
    return [Logged(*row[:4], msgspec.json.decode(row[4]), row[5]) for row in rows]


def compare(log, asked, followed):
    """What is wrong with the log, given all writes that were sent and what a watch showed."""
    made = {}
    for event in log:
        if event.operation is not None:
            made.setdefault(event.operation, []).append(event)
    by_position = {event.position: event for event in log}
    lost = [
        f"operation {number} was acknowledged, and is not in the log: {operation}"
        for number, operation in asked.items()
        if operation is not None and _is_lost(operation, made.get(number, ()), by_position)
    ]
    phantoms = [
        f"position {event.position} is {event.kind} of {event.stream}: {wrong}"
        for number, events in made.items()
        for event in events
        for wrong in _phantom(asked, number, events)
    ]
    return Findings(lost, phantoms, [*_disorder(log), *_unfollowed(log, followed)])


def _is_lost(operation, events, by_position):
    answer, kind = operation.answer, operation.call.kind
    if answer is None or answer.status >= 300:
        return False
    if kind == "delete":
        return answer.status == 204 and not events
    shown = answer.shown[0]
    event = by_position.get(shown.position)
    if event is None:
        return True
    if kind == "status":  # that says nothing new is no event
        return bool(events) and event not in events
    return event not in events or event.state["version"] != shown.number or event.state["id"] != shown.id


def _phantom(asked, number, events):
    if len(events) > 1:
        yield f"operation {number} made {len(events)} events"
    if number not in asked:
        yield f"operation {number} was never sent"
    elif asked[number] is None:
        yield f"operation {number} was answered that nothing was changed"
    elif asked[number].answer is not None and asked[number].answer.status >= 400:
        yield f"operation {number} was refused with {asked[number].answer.status}"


def _disorder(log):
    positions = [event.position for event in log]
    if positions != list(range(1, len(log) + 1)):
        yield "positions of the log are not dense"
    for before, after in pairwise(log):
        if before.at >= after.at:
            yield f"the time does not grow at position {after.position}"
    lengths, numbers = Counter(), Counter()
    for event in log:
        lengths[event.stream] += 1
        if event.stream_version != lengths[event.stream]:
            yield f"{event.stream} has version {event.stream_version} at position {event.position}"
        if event.kind in ADDED:
            numbers[event.stream] += 1
            if event.state["version"] != numbers[event.stream]:
                yield f"{event.stream} got number {event.state['version']} at position {event.position}"


def _unfollowed(log, followed):
    logged = [(event.position, event.kind, event.stream.rpartition("/")[2], event.reason) for event in log]
    if logged == followed:
        return
    if len(logged) != len(followed):
        yield f"the watch showed {len(followed)} events of {len(logged)}"
    for ours, theirs in zip(logged, followed, strict=False):
        if ours != theirs:
            yield f"the watch showed {theirs} where the log has {ours}"
            return
