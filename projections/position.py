"""Up to which position the tables show the log."""

from __future__ import annotations

from typing import Any

from psycopg import Cursor


def advance(cursor: Cursor[tuple[Any, ...]], position: int) -> None:
    """Note that the tables now show every event up to a position."""
    cursor.execute("UPDATE projection_position SET position = %s", (position,))
