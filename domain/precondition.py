"""The state on which a caller makes a write depend."""

from msgspec import Struct


class Precondition(Struct, frozen=True):
    """What `If-Match` asked for: any state at all, or one of those that a position and a version name.

    The version is part of it because one event, such as a deletion, can change several versions.
    """

    any: bool
    states: frozenset[tuple[int, int]] = frozenset()

    def holds(self, position: int, version: int) -> bool:
        """Whether the write may go ahead on the state of a version that was made at `position`."""
        return self.any or (position, version) in self.states
