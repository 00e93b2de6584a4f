"""A connection on which packets of statements are on their way, each with one answer for all of it.

The driver's own pipeline sends each statement by itself, and watches the socket anew for each wait. Here the
statements of a packet leave together, the loop watches the socket once for as long as the connection is open,
and the next packet may leave before the answer to the one before it came.

It is made of the driver's wrapper of libpq, `psycopg.pq`. What makes Python's values and errors of results
is no documented part of the driver: hence the upper bound of its version.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, Error, OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

_PARAMETER: Final = re.compile(r"%\((\w+)\)s")
_OVER: Final = select.POLLERR | select.POLLHUP
_DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Prepared(NamedTuple):
    """A statement as the server knows it, and its parameters in their order."""

    name: bytes
    parameters: tuple[str, ...]


class Rows:
    """The answer to a statement, to be looked at after it was awaited."""

    __slots__ = ("found", "parameters", "statement")

    def __init__(self, statement: str, parameters: dict[str, bytes | None]) -> None:
        self.statement = statement
        self.parameters = parameters
        self.found: list[tuple[Any, ...]] | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self.found is None:
            msg = f"this was not answered yet, await an exchange first: {self.statement}"
            raise RuntimeError(msg)
        return iter(self.found)


class Packet:
    """Statements sent together: when `answered` is done all answers are there, or `fault` is what failed."""

    __slots__ = ("answered", "expected", "fault", "until")

    def __init__(self, answered: asyncio.Future[None], until: float) -> None:
        self.answered = answered
        self.until = until
        self.fault: Error | None = None
        self.expected: deque[Rows | str] = deque()
        """What answers are still to come, a text for a statement to be prepared."""


class Pipeline:
    """An idle connection of the running loop that nobody else uses any more, and what is prepared on it.

    It is closed when the server hangs up, or does not answer a packet in time.
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._encoding = connection.info.encoding
        self._pgconn = connection.pgconn
        self._transformer = Transformer.from_context(connection)
        self._prepared: dict[str, Prepared] = {}
        self._numbers = count()
        self._sent: deque[Packet] = deque()
        self._loop = asyncio.get_running_loop()
        self._socket = self._pgconn.socket
        self._heard = select.poll()
        self._heard.register(self._socket, select.POLLIN)
        self._late: asyncio.TimerHandle | None = None
        self._is_over = False
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._receive)

    @property
    def closed(self) -> bool:
        """Whether it is over with it."""
        return self._pgconn.status == ConnStatus.BAD

    def is_idle(self) -> bool:
        """Whether it is still there, and nothing is open or on its way; without asking the server.

        The server says nothing to an idle connection, unless that it is over.
        """
        return (
            not self._sent
            and self._pgconn.transaction_status == TransactionStatus.IDLE
            and not self._heard.poll(0)
        )

    def send(self, statements: Sequence[Rows], until: float) -> Packet:
        """Send statements behind all that was sent before; if one fails those after it are not carried out.

        If the answer is not there by that time of the loop's clock, the connection is closed.
        """
        if self.closed:
            msg = "the connection to the database is closed"
            raise OperationalError(msg)
        packet = Packet(self._loop.create_future(), until)
        self._sent.append(packet)
        try:
            for rows in statements:
                prepared = self._prepared.get(rows.statement) or self._prepare(packet, rows.statement)
                self._pgconn.send_query_prepared(
                    prepared.name, [rows.parameters[name] for name in prepared.parameters]
                )
                packet.expected.append(rows)
            self._pgconn.pipeline_sync()
            if self._pgconn.flush():
                self._loop.add_writer(self._socket, self._send_on)
            if not self._pgconn.is_busy():
                # While the socket took no more, libpq has read an answer, and the loop will not tell of it.
                self._loop.call_soon(self._receive)
        except BaseException:
            self.close()
            raise
        self._limit(until)
        return packet

    def close(self) -> None:
        """Hang up; what was not answered fails, and the server rolls back what is open."""
        self._end(OperationalError("the connection to the database was closed"))

    def _prepare(self, packet: Packet, statement: str) -> Prepared:
        names = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
        text = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
        prepared = Prepared(b"ledger_%d" % next(self._numbers), names)
        self._pgconn.send_prepare(prepared.name, text.encode())
        packet.expected.append(statement)
        self._prepared[statement] = prepared
        return prepared

    def _send_on(self) -> None:
        """Send more of what the socket did not take at once."""
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except OperationalError as lost:
            self._take_answers(lost)
        else:
            self._receive()

    def _receive(self) -> None:
        """Take what has come: all of it where there will be no more, as uvloop tells of that only once."""
        while not self._is_over:
            try:
                self._pgconn.consume_input()
            except OperationalError as lost:
                # What came before the end is an answer all the same, perhaps that of a commit.
                self._take_answers(lost)
            else:
                self._take_answers()
                if not any(events & _OVER for _, events in self._heard.poll(0)):
                    return

    def _take_answers(self, lost: OperationalError | None = None) -> None:
        """Take what is there, then end the connection if it is lost, or what is there was no answer."""
        try:
            understood = self._take_results()
        except Exception as odd:  # noqa: BLE001 - whatever it is, no later answer would find its statement
            lost = OperationalError(f"an answer of the database could not be read: {odd!r}")
        else:
            if lost is None and (self.closed or not understood):
                lost = OperationalError("an answer of the database could not be understood")
        if lost is not None:
            self._end(lost)

    def _take_results(self) -> bool:
        """Of each statement there is a result and then nothing, and a sync at the end of a packet."""
        between = False
        while self._sent and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                if between:
                    return True
                between = True
                continue
            between = False
            packet = self._sent[0]
            if result.status == ExecStatus.PIPELINE_SYNC:
                self._sent.popleft()
                _resolve(packet)
            elif not self._take(packet, result):
                return False
        return True

    def _take(self, packet: Packet, result: PGresult) -> bool:
        """Take one statement's answer, if it is the server's; what could not be prepared is forgotten."""
        if result.status in _DONE:
            expected = packet.expected.popleft()
            if isinstance(expected, Rows):
                expected.found = self._rows(result)
            return True
        if result.status == ExecStatus.FATAL_ERROR and not result.error_field(DiagnosticField.SQLSTATE):
            return False  # it is libpq that failed: what comes now belongs to no statement
        if packet.fault is None:
            packet.fault = error_from_result(result, self._encoding)
        # A server that goes says so also where nothing but the sync is still to come.
        failed = packet.expected.popleft() if packet.expected else None
        if isinstance(failed, str):
            del self._prepared[failed]
        return True

    def _rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _limit(self, until: float) -> None:
        """Look at that time whether the answer is there; one timer serves many packets."""
        if self._late is not None:
            if self._late.when() <= until:
                return
            self._late.cancel()
        self._late = self._loop.call_at(until, self._end_if_late)

    def _end_if_late(self) -> None:
        self._late = None
        if not self._sent:
            return
        until = self._sent[0].until
        if self._loop.time() < until:
            self._limit(until)
        else:
            self._end(OperationalError("the database did not answer in time"))

    def _end(self, fault: OperationalError) -> None:
        if self._is_over:
            return  # and the socket's number may be that of another one by now
        self._is_over = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._pgconn.finish()
        while self._sent:
            packet = self._sent.popleft()
            packet.fault = packet.fault or fault
            _resolve(packet)


def _resolve(packet: Packet) -> None:
    if not packet.answered.done():  # whoever waited for it was cancelled
        packet.answered.set_result(None)
