"""Connections to the service, and what comes back on them."""

import asyncio
from contextlib import asynccontextmanager

from tests.torture.answers import NoAnswer, parse
from tests.torture.hostile_messages import PROBE, SMUGGLED
from tests.torture.hostile_requests import Request

ANSWER_SECONDS_MAX = 60.0
WAIT_SECONDS = 0.2
"""How long an answer is waited for that the server may rightly not give."""


class Connection:
    """A connection on which requests may wait for their answers."""

    def __init__(self, reader, writer):
        self.reader, self._writer, self._buffer = reader, writer, bytearray()

    def send(self, content):
        self._writer.write(content)

    async def answer(self, *, seconds=ANSWER_SECONDS_MAX, to_head=False):
        """The next answer, None if there is none any more; TimeoutError if it does not come."""
        async with asyncio.timeout(seconds):
            while (parsed := parse(self._buffer, to_head=to_head)) is None:
                received = await self.reader.read(256 * 1024)
                if not received:
                    return None
                self._buffer += received
        answer, size = parsed
        del self._buffer[:size]
        return answer

    async def ask(self, made):
        """The answer to one request."""
        self.send(made.encoded(b"ask"))
        answer = await self.answer()
        if answer is None:
            raise NoAnswer(made)
        return answer


@asynccontextmanager
async def connected(address):
    """A connection for a while."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def exchange(address, message):
    """The statuses that a message and the probe behind it were answered with, and what is wrong with them."""
    statuses, ids, complaint, announced = [], [], None, b"HTTP/1.0" in message.content
    seconds = WAIT_SECONDS if message.waits else ANSWER_SECONDS_MAX
    async with connected(address) as connection:
        try:
            connection.send(message.content + Request(b"GET", b"/health/live").encoded(PROBE))
            while PROBE not in ids:
                to_head = not ids and message.content.startswith(b"HEAD")
                answer = await connection.answer(seconds=seconds, to_head=to_head)
                if answer is None:
                    break
                statuses.append(answer.status)
                ids.append(answer.request_id)
                announced = announced or answer.closes
        except TimeoutError:
            complaint = None if message.waits else f"no answer within {seconds} seconds after {statuses}"
        except ConnectionError:
            pass  # closed while there was more to read: as good as closed
        except NoAnswer as garbage:
            complaint = f"answered what is no HTTP: {garbage}"
    if SMUGGLED in ids:
        complaint = "a body was taken for a request"
    elif any(status >= 500 for status in statuses):
        complaint = f"answered {statuses}"
    elif complaint is None and not message.waits and message.closes == (PROBE in ids):
        complaint = (
            f"the connection should have been {'closed' if message.closes else 'kept'}: {statuses} {ids}"
        )
    elif complaint is None and message.closes and statuses and not announced:
        complaint = "the connection was closed, and no answer had said so"
    return statuses, complaint
