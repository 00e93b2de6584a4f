"""What a replay finds: the place where the log, or a table, is not as it has to be."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Rule = Literal[
    "position",
    "time",
    "stream",
    "stream-version",
    "event",
    "version-number",
    "config-reference",
    "status",
    "removal",
    "config-in-use",
    "decision",
    "row",
    "row-missing",
    "row-extra",
    "projection-position",
]
"""What is checked; the help text of the command explains each."""


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
