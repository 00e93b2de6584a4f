"""The end of the log, as this process has read it: what all who watch in it share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from app.reader import Reader, Unreadable
from app.watched import Encoded
from projections.following import EVERYTHING, Page, Wanted, page_of_log
from projections.questions import asked

WINDOW_EVENTS_MAX: Final = 4096
WINDOW_BYTES_MAX: Final = 16 * 1024 * 1024


class Window:
    """The last events up to a position, and the way to those before them.

    Positions are dense, so the window has every event between its ends. `position` is the upper one; it is
    None while the window is closed: until it is first read on, and after `close`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # One page at a time for all who catch up: they shall not keep others from the database.
        self._catching_up = asyncio.Lock()
        self._events: dict[int, Encoded] = {}
        self._bytes = 0
        self.position: int | None = None

    def close(self) -> None:
        """Forget everything."""
        self._events.clear()
        self._bytes = 0
        self.position = None

    def covers(self, position: int) -> bool:
        """Whether what comes after a position, if anything does, is in the window."""
        return self.position is not None and self.position - len(self._events) <= position

    def after(self, position: int) -> Iterator[Encoded]:
        """What the window has after a position that it covers."""
        last = self.position or 0
        return (self._events[each] for each in range(position + 1, last + 1))

    async def page(self, position: int, wanted: Wanted) -> Page:
        """What there is after a position that the window does not cover; nothing while it is closed."""
        async with self._catching_up:
            if self.position is None:
                return Page([], position)
            # No further than the window begins; until then everything is committed.
            until = max(position, self.position - len(self._events))
            async with self._reader.connection() as connection:
                return await asked(connection, page_of_log(position, until, wanted))

    async def read_on(self) -> bool:
        """Take in the next page of the log; whether there was something. It opens at the end of the log."""
        try:
            if self.position is None:
                self.position = await self._reader.head()
                return True
            async with self._reader.connection() as connection:
                until = self.position + WINDOW_EVENTS_MAX
                page = await asked(connection, page_of_log(self.position, until, EVERYTHING))
        except Unreadable:
            return False
        for event in page.events:
            encoded = self._events[event.position] = Encoded(event)
            self._bytes += encoded.size
        while len(self._events) > WINDOW_EVENTS_MAX or self._bytes > WINDOW_BYTES_MAX:
            self._bytes -= self._events.pop(next(iter(self._events))).size
        self.position = page.position
        return bool(page.events)
