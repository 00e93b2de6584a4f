"""Whether this process can serve: its database, the schema in it, and how far the projections are."""

from __future__ import annotations

import asyncio
from typing import Final, LiteralString

import psycopg

from app import migrations
from app.connections import address
from app.reader import Reader, Unreadable

ANSWER_SECONDS_MAX: Final = 3.0
"""How long the database may take to answer; whoever asks wants to know it soon."""

_POSITIONS: Final[LiteralString] = """
    SELECT (SELECT position FROM projection_position),
           coalesce((SELECT max(notification_id) FROM stored_events), 0)
"""

_REBUILD: Final[LiteralString] = """
    SELECT state, (SELECT coalesce(sum(events), 0) FROM rebuild.slices WHERE done_at IS NULL)
      FROM rebuild.run WHERE state NOT IN ('switched', 'rolled-back')
"""


class Health:
    """Answers for one process."""

    def __init__(self, database_url: str, reader: Reader) -> None:
        self._database_url = address(database_url, "health")
        self._reader = reader

    async def problems(self) -> list[str]:
        """What keeps the service from serving, in sentences; none if nothing does."""
        try:
            shown, head = await self._positions(ANSWER_SECONDS_MAX)
            missing = await asyncio.to_thread(migrations.pending, self._database_url)
            if missing:
                return [f"the schema lacks {', '.join(missing)}: run `deployment-ledger migrate`"]
            found = await self._stale()
        except (Unreadable, migrations.MigrationRefused, psycopg.OperationalError) as refused:
            return [str(refused)]
        if shown != head:
            found.append(f"the projections show the log up to position {shown}, but it ends at {head}")
        return found

    async def projection_position(self, seconds: float) -> int:
        """The position of the last event that the projections show; `Unreadable` if it takes longer."""
        return (await self._positions(seconds))[0]

    async def _stale(self) -> list[str]:
        """Projections whose tables are not of this program's versions, and how far a rebuild of them is."""
        found = [str(each) for each in await self._reader.stale(ANSWER_SECONDS_MAX)]
        if not found:
            return []
        async with self._reader.connection(ANSWER_SECONDS_MAX) as connection:
            rebuild = await (await connection.execute(_REBUILD)).fetchone()
        return found if rebuild is None else [*found, "a rebuild is {}, {} events are left".format(*rebuild)]

    async def _positions(self, seconds: float) -> tuple[int, int]:
        async with self._reader.connection(seconds) as connection:
            row = await (await connection.execute(_POSITIONS)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])
