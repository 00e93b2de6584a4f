"""What happened to deployments and configs: events with the fields that they changed.

What an event did is in the rows: a version as it was before is the row that ends at the event's position, and
as it is since is the row that begins there. Neither changes once the event is there, so the statements of one
question need no common snapshot. Fields are named and compared by `domain.changes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from domain.changes import FieldChange, changed_fields
from domain.names import ALL_WORKSPACES, Resource, stream_id
from domain.stream import Recorded
from projections.occurrences import (
    Actor,
    Decode,
    Occurrence,
    adds_version,
    recorded_of,
    resource_of,
    touched,
)
from projections.questions import Ask, Question
from projections.references import TABLES, Name, members_of
from projections.sql import statements
from projections.timeline import OPEN

STATES_PER_READ: Final = 200
"""Versions of which states are read at a time: what a page of history holds in memory is bounded."""


class VersionChange(msgspec.Struct, frozen=True):
    """What an event did to one version.

    An added version is compared with `previous_version`, the latest one just before, if there was one. Of what
    was not there before there are only new values, of what was removed only old ones.
    """

    version: int
    previous_version: int | None
    changes: tuple[FieldChange, ...]


class HistoryEntry(msgspec.Struct, frozen=True):
    """An event: what happened to what, when, by whom, why, and what it changed."""

    position: int
    at: Any
    kind: str
    workspace: str
    resource: Resource
    name: str
    actor: Actor
    reason: str | None
    versions: tuple[VersionChange, ...]


class HistoryPage(msgspec.Struct, frozen=True):
    """A page of a history. `next` is the `after` of the next page, null at the end."""

    data: tuple[HistoryEntry, ...]
    next: int | None
