"""A session whose statements share round trips: they wait until an answer is needed, then go together.

The driver's own pipeline sends each statement by itself. Here all leave in one packet, which spares calls of
the system on both sides. It is made of the driver's generators, which are no documented part of it: hence the
upper bound of its version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Error, OperationalError
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus

from app.connections import LimitedAsyncConnection

_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)

Parameter = str | int | datetime | None


class Prepared(NamedTuple):
    """A statement as the server knows it, and its parameters in their order."""

    name: bytes
    parameters: tuple[str, ...]


class Rows:
    """The answer to a statement, to be looked at after the session's next exchange."""

    def __init__(self, statement: str, parameters: dict[str, bytes | None]) -> None:
        self.statement = statement
        self.parameters = parameters
        self.found: list[tuple[Any, ...]] | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self.found is None:
            msg = f"this was not answered yet, await an exchange first: {self.statement}"
            raise RuntimeError(msg)
        return iter(self.found)


class PipelinedSession:
    """One transaction on a connection, for one task; `prepared` is kept with the connection.

    Parameters are written `%(name)s`, and are of the type that the server takes them for.
    """

    def __init__(self, connection: LimitedAsyncConnection[Any], prepared: dict[str, Prepared]) -> None:
        self._connection = connection
        self._prepared = prepared
        self._waiting: list[Rows] = []
        self._fault: Error | None = None

    def execute(self, statement: LiteralString, parameters: Mapping[str, Parameter] | None = None, /) -> Rows:
        """The answer to come. Statements are carried out in the order of these calls."""
        rows = Rows(statement, {name: _text(value) for name, value in (parameters or {}).items()})
        self._waiting.append(rows)
        return rows

    async def commit(self) -> None:
        """Send what waits and a COMMIT; if anything fails, nothing of the transaction takes place."""
        self.execute("COMMIT")
        await self.exchange()

    async def exchange(self) -> None:
        """Send what waits and take the answers; the first failure is raised, by every later exchange too."""
        if self._fault is None:
            await self._connection.wait(self._receive(self._send()))
            if self._connection.pgconn.status != ConnStatus.BAD:
                self._connection.pgconn.exit_pipeline_mode()
        if self._fault is not None:
            raise self._fault

    def _send(self) -> list[Rows | str]:
        """Hand what waits to the driver; what answers are expected, a text for a statement to be prepared."""
        pgconn = self._connection.pgconn
        pgconn.enter_pipeline_mode()
        expected: list[Rows | str] = []
        for rows in self._waiting:
            prepared = self._prepared.get(rows.statement)
            if prepared is None:
                prepared = self._prepare(rows.statement)
                expected.append(rows.statement)
            pgconn.send_query_prepared(prepared.name, [rows.parameters[name] for name in prepared.parameters])
            expected.append(rows)
        self._waiting = []
        pgconn.pipeline_sync()
        return expected

    def _prepare(self, statement: str) -> Prepared:
        names = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
        text = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
        prepared = Prepared(b"ledger_%d" % len(self._prepared), names)
        self._connection.pgconn.send_prepare(prepared.name, text.encode())
        self._prepared[statement] = prepared
        return prepared

    def _receive(self, expected: list[Rows | str]) -> PQGen[None]:
        """Take one answer for each statement; of one that was to be prepared and was not, forget it."""
        pgconn = self._connection.pgconn
        transformer = Transformer.from_context(self._connection)
        yield from send(pgconn)
        for each in expected:
            results = yield from fetch_many(pgconn)
            if not results:
                self._fault = self._fault or OperationalError("the server closed the connection")
                return
            [result] = results
            if result.status in _DONE:
                if isinstance(each, Rows):
                    transformer.set_pgresult(result)
                    each.found = transformer.load_rows(0, result.ntuples, tuple)
                continue
            self._fault = self._fault or error_from_result(result, self._connection.info.encoding)
            if isinstance(each, str):
                del self._prepared[each]
        yield from fetch_many(pgconn)  # the end of the pipeline


def _text(value: Parameter) -> bytes | None:
    return None if value is None else str(value).encode()
