"""The state on which a caller makes a write depend."""

from msgspec import Struct


class Precondition(Struct, frozen=True):
    """What `If-Match` asked for: any state at all, or one of those made at these positions of the log."""

    any: bool
    positions: frozenset[int] = frozenset()

    def holds(self, position: int) -> bool:
        """Whether the write may go ahead on the existing state that was made at `position`."""
        return self.any or position in self.positions
