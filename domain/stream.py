"""What deployments and configs have in common: events in a stream, and the versions they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from domain.errors import InvalidVersion, PreconditionFailed
from domain.names import version_number
from domain.precondition import Precondition
from domain.principal import ANONYMOUS, Principal

S = TypeVar("S")
E = TypeVar("E")


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of all events: when, who and, where the caller said so, why.

    `at` is UTC and unique in the whole log: no two events share a time, and later events have later times.
    The tag of a subclass is its stored name; it outlives any renaming of the class. A member that the class
    does not have was written by newer code: an event is then not readable. The same holds for every struct in
    an event.
    """

    at: datetime
    by: Principal = ANONYMOUS
    reason: str | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all commands: what is addressed, by whom, why, and what the caller believes it to be."""

    workspace: str
    name: str
    by: Principal = ANONYMOUS
    reason: str | None = None
    if_match: Precondition | None = None


class Recorded(NamedTuple, Generic[E]):
    """An event at its place: `position` in the whole log, `stream_version` in its stream, both from 1."""

    workspace: str
    name: str
    stream_version: int
    position: int
    event: E


class Snapshot(NamedTuple, Generic[S]):
    """What readers see of one version since the event at `position` last changed it."""

    state: S
    position: int


class StreamState(NamedTuple, Generic[S]):
    """The stored versions of one deployment or config that a decision needs, by version number.

    `last_version` is the highest number ever given out, also to versions removed since: numbers are
    never used twice. `snapshots` may hold only some versions, but always the highest one stored.
    """

    last_version: int
    snapshots: Mapping[int, Snapshot[S]]

    @property
    def latest(self) -> int | None:
        """The highest stored version, None if none is stored."""
        return max(self.snapshots, default=None)


def require_match(command: Command, snapshot: Snapshot[Any] | None) -> None:
    """Refuse a command whose `If-Match` does not hold for what it addresses."""
    if command.if_match is None:
        return
    if snapshot is None:
        raise PreconditionFailed(None)
    version = snapshot.state.entity_version  # one event can touch several versions
    if not command.if_match.holds(snapshot.position, version):
        raise PreconditionFailed(f"{snapshot.position}.{version}")


def version_asked(literal: str) -> int:
    """The version a literal names, 0 where there can be none; what is no integer is refused."""
    number = version_number(literal)
    if number is None:
        raise InvalidVersion(literal)
    return number
