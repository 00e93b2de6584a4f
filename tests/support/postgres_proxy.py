"""A proxy between the service and PostgreSQL that does what networks and servers do to connections.

It knows the protocol well enough to tell statements apart: everything a client sends up to and including a
`Query` or an `Execute` is one. Those that come together, in a pipeline, go on together with their `Sync`, and
everything the server says up to `ReadyForQuery` is the answer. So it can cut a connection exactly before the
n-th statement or exactly after it, or have the server fail it: the statement is replaced by one that raises,
so the error, and the transaction it spoils, are PostgreSQL's own. Statements before it in its pipeline are
carried out, those after it are not.
"""

import asyncio
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CUT_BEFORE, CUT_AFTER, HANG_BEFORE, HANG_AFTER = "cut before", "cut after", "hang before", "hang after"
DISK_FULL, INTERNAL, IDLE_TOO_LONG, READ_ONLY = "53100", "XX000", "25P03", "25006"
_ENDS_STATEMENT = (b"Q", b"E")
_ENDS_PIPELINE = (b"Q", b"S")
_SYNC = b"S" + struct.pack("!i", 4)


@dataclass
class Fault:
    """What happens to the n-th statement of the connections of one purpose; it happens once."""

    purpose: str
    n: int
    kind: str
    statements: int = 0
    """Statements that came so far."""

    @property
    def fired(self):
        """Whether it has happened."""
        return self.statements >= self.n

    def meets(self, purpose):
        """Whether this statement is the one."""
        if purpose != self.purpose:
            return False
        self.statements += 1
        return self.statements == self.n


@dataclass(eq=False)
class _Link:
    """One client's connection with its server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    purpose: str = ""
    cut_after_answer: bool = False
    hangs: bool = False

    def cut(self):
        for side in (self.client, self.server):
            side.transport.abort()


class PostgresProxy:
    """`with PostgresProxy(database_url) as proxy:` listens on `proxy.url` for as long as it says."""

    def __init__(self, database_url):
        self._target = conninfo_to_dict(database_url)
        self._loop = asyncio.new_event_loop()
        self._links = set()
        self._server = None
        self._port = 0
        self._moving = asyncio.Event()
        self.fault = Fault("nobody", 0, CUT_BEFORE)
        self.delay_seconds = 0.0
        """How long each statement is held up."""

    @property
    def url(self):
        """Where clients connect to."""
        return make_conninfo(
            "",
            **self._target
            | {"host": "127.0.0.1", "port": self._port, "sslmode": "disable", "gssencmode": "disable"},
        )

    def __enter__(self):
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._moving.set()
        self.accept()
        return self

    def __exit__(self, *_):
        self.refuse()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def plant(self, purpose, n, kind):
        """Have the n-th statement from now on fail, of connections named `deployment-ledger <purpose>`."""
        self.fault = Fault(f"deployment-ledger {purpose}", n, kind)
        return self.fault

    def accept(self):
        """Take connections, again."""
        self._do(self._listen())

    def refuse(self):
        """Cut all connections and take no new ones: the server is down."""
        self._do(self._close())

    def freeze(self):
        """From now on nothing gets through, in either direction, and nobody is told."""
        self._loop.call_soon_threadsafe(self._moving.clear)

    def thaw(self):
        """What was held up goes on its way."""
        self._loop.call_soon_threadsafe(self._moving.set)

    def cut(self):
        """Cut all connections."""
        self._do(self._cut())

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=512)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self):
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        # A server that is closed while it takes a connection leaves that one open for ever.
        await asyncio.sleep(0.01)
        self._server.close()
        await self._cut()

    async def _cut(self):
        for link in list(self._links):
            link.cut()

    async def _end(self):
        self._moving.set()
        # Connections taken a moment ago: cancelled before its first step, a task would never close its own.
        await asyncio.sleep(0.01)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        link = None
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            startup = await _sized(reader, b"")
            host, port = self._target["host"], self._target.get("port", "5432")
            await self._moving.wait()
            if not self._server.is_serving():
                raise ConnectionRefusedError
            from_server, to_server = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            link = _Link(writer, to_server, _application_name(startup))
            self._links.add(link)
            to_server.write(startup)
            await asyncio.gather(self._forward(link, reader), self._backward(link, from_server))
        if link is None:
            writer.transport.abort()
        else:
            link.cut()
            self._links.discard(link)

    async def _forward(self, link, reader):
        statements = [b""]
        while True:
            kind = await reader.readexactly(1)
            statements[-1] += await _sized(reader, kind)
            if kind in _ENDS_PIPELINE:
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._moving.wait()
                link.server.write(self._treated(link, statements))
                statements = [b""]
            elif kind in _ENDS_STATEMENT:
                statements.append(b"")
            elif kind in b"pXH":  # a password, good-bye, or a wish for the answers so far
                link.server.write(b"".join(statements))
                statements = [b""]

    async def _backward(self, link, reader):
        while True:
            kind = await reader.readexactly(1)
            message = await _sized(reader, kind)
            await self._moving.wait()
            if link.cut_after_answer:
                if kind == b"Z":
                    link.cut()
                continue
            if not link.hangs:
                link.client.write(message)

    def _treated(self, link, statements):
        fault = self.fault
        before = b""
        for statement in statements:
            if statement == _SYNC or not fault.meets(link.purpose):
                before += statement
                continue
            match fault.kind:
                case "cut before":
                    link.cut()
                    return b""
                case "cut after":
                    link.cut_after_answer = True
                    return _with_sync(before + statement)
                case "hang before":
                    link.hangs = True
                    return b""
                case "hang after":
                    link.hangs = True
                    return _with_sync(before + statement)
                case code:
                    return before + _raising(code)
        return before


async def _sized(reader, kind):
    head = await reader.readexactly(4)
    (size,) = struct.unpack("!i", head)
    return kind + head + await reader.readexactly(size - 4)


def _application_name(startup):
    parts = startup[8:].split(b"\0")
    return dict(zip(parts[::2], parts[1::2], strict=False)).get(b"application_name", b"").decode()


def _with_sync(statements):
    """What makes the server carry out the first statements of a pipeline, and answer them."""
    return statements if statements.endswith(_SYNC) or statements[:1] == b"Q" else statements + _SYNC


def _raising(code):
    text = f"DO $$BEGIN RAISE EXCEPTION 'planted fault' USING ERRCODE = '{code}'; END$$"
    body = text.encode() + b"\0"
    return b"Q" + struct.pack("!i", len(body) + 4) + body
