"""Up to which position the tables show the log."""

from __future__ import annotations

from projections.sql import Session


def advance(session: Session, position: int) -> None:
    """Note that the tables now show every event up to a position."""
    session.execute("UPDATE projection_position SET position = %(position)s", {"position": position})
