"""What a reader sees of the objects in a workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from domain.redaction import Redaction


class Sight(NamedTuple):
    """Whether who wrote a version is shown, and what is left out of configs; None leaves out nothing."""

    auth_context: bool
    redaction: Redaction | None = None


EVERYTHING_SEEN: Final = Sight(auth_context=True)

Sights: TypeAlias = Callable[[str], Sight]
"""What a reader sees, by workspace."""
