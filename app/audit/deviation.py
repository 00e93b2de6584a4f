"""What a replay finds: the place where the log, or a table, is not as it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Rule = Literal[
    "position",
    "time",
    "stream",
    "stream-version",
    "event",
    "version-number",
    "config-reference",
    "config-in-use",
    "status",
    "removal",
    "decision",
    "row",
    "row-missing",
    "row-extra",
    "projection-position",
]

RULES: Final[Mapping[Rule, str]] = {
    "position": "positions of the log grow by one",
    "time": "each event is later than the one before it, in itself as in its column",
    "stream": "a stream is workspace/resource/name and holds events of its resource",
    "stream-version": "events of a stream are numbered from 1 without gap",
    "event": "each event can be read by this release",
    "version-number": "versions of a name are numbered without gap and never used twice",
    "config-reference": "a deployment refers to a config version stored then in its workspace",
    "config-in-use": "a config is not removed while a deployment that is not DELETED refers to it",
    "status": "DELETING may only become DELETED",
    "removal": "what is marked or removed is stored and may be removed",
    "decision": "decided again on what was before, an event comes out the same",
    "row": "a row of the tables is what the events make",
    "row-missing": "every row that the events make is in the tables",
    "row-extra": "the tables hold no row that the events do not make",
    "projection-position": "the tables say up to where they show the log",
}
"""What is checked, in words."""


class Place(msgspec.Struct, frozen=True):
    """Where something was found; `stream_version` is None where no event is at fault."""

    position: int
    stream: str
    stream_version: int | None = None


class Deviation(Exception):
    """Something is not as the rules and the events before it say."""

    def __init__(self, place: Place, rule: Rule, *, expected: str, found: str) -> None:
        self.place = place
        self.rule = rule
        self.expected = expected
        self.found = found
        super().__init__(
            f"position {place.position}, {place.stream}: {rule}: expected {expected}, found {found}"
        )

    @property
    def described(self) -> dict[str, Any]:
        """The deviation for programs."""
        return {
            "position": self.place.position,
            "stream": self.place.stream,
            "stream_version": self.place.stream_version,
            "rule": self.rule,
            "expected": self.expected,
            "found": self.found,
        }
