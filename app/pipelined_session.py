"""A session whose statements share round trips: they wait until an answer is needed, then go together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

from psycopg import Error

from app.pipeline import Packet, Pipeline, Rows

Parameter = str | int | datetime | None


class PipelinedSession:
    """One transaction on a pipeline, for one task; it may take so many seconds, then the pipeline is closed.

    Parameters are written `%(name)s`, and are of the type that the server takes them for.
    """

    def __init__(self, pipeline: Pipeline, seconds: float) -> None:
        self._pipeline = pipeline
        self._until = asyncio.get_running_loop().time() + seconds
        self._waiting: list[Rows] = []
        self._sent: list[Packet] = []
        self._fault: Error | None = None

    def execute(self, statement: LiteralString, parameters: Mapping[str, Parameter] | None = None, /) -> Rows:
        """The answer to come. Statements are carried out in the order of these calls."""
        rows = Rows(statement, {name: _text(value) for name, value in (parameters or {}).items()})
        self._waiting.append(rows)
        return rows

    def send(self) -> None:
        """Send what waits; the next exchange takes the answers."""
        statements, self._waiting = self._waiting, []
        self._sent.append(self._pipeline.send(statements, self._until))

    async def exchange(self) -> None:
        """Send what waits and take the answers; the first failure is raised, by every later exchange too.

        Whoever is cancelled meanwhile leaves the pipeline closed.
        """
        if self._fault is None:
            if self._waiting:
                self.send()
            for packet in self._sent:
                try:
                    await packet.answered
                except asyncio.CancelledError:
                    self._pipeline.close()
                    raise
                self._fault = self._fault or packet.fault
            self._sent.clear()
        if self._fault is not None:
            raise self._fault

    async def commit(self) -> None:
        """Send what waits and a COMMIT; if anything fails, nothing of the transaction takes place."""
        self.send_commit()
        await self.exchange()

    def send_commit(self) -> None:
        """Do so, and leave it to the next exchange to see how it ended; nothing more is to be executed."""
        self.execute("COMMIT")
        self.send()

    async def rollback(self) -> None:
        """End what is open on the pipeline, be it that the pipeline is closed because it cannot be ended."""
        if self._pipeline.closed:
            return
        packet = self._pipeline.send([Rows("ROLLBACK", {})], self._until)
        await packet.answered
        if packet.fault is not None:
            self._pipeline.close()


def _text(value: Parameter) -> bytes | None:
    return None if value is None else str(value).encode()
