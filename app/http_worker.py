"""A process that serves HTTP: uvicorn, with limits on what a client may take of it and for how long.

One thread does everything, so that no request waits until another thread is woken.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
from functools import partial
from http import HTTPStatus
from importlib import import_module
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Final, NoReturn, cast

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.answers import problem
from app.logs import configure_logs
from app.settings import Settings, handed_down

HEAD_BYTES_MAX: Final = 64 * 1024
HEADERS_MAX: Final = 100
PIPELINE_MAX: Final = 64
TOO_LARGE: Final = f"The head of a request has at most {HEAD_BYTES_MAX} bytes and {HEADERS_MAX} headers"
BACKLOG: Final = 2048
GARBAGE_OBJECTS: Final = 50_000
"""So many new objects, net, before a search for cycles: requests leave next to none."""


def work(target: str, ready: Connection) -> None:
    """Serve the ASGI application of `module:factory` until SIGTERM; tell when it listens."""
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    settings = handed_down(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    if settings.log_level != "debug":
        # It has a warning for each request that is wrong as HTTP, and anybody can send those.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        _application(target),
        interface="asgi3",
        loop="uvloop",
        http=cast(
            "type[asyncio.Protocol]", partial(BoundedProtocol, connections_max=settings.connections_max)
        ),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
    )
    # The time for a head is also that for the next one: whoever is idle for longer is sent away.
    config.timeout_keep_alive = settings.header_read_seconds  # type: ignore[assignment]
    Server(config, ready).run([_listener(settings)])


class Server(uvicorn.Server):
    """uvicorn's server, stopped by its supervisor only, which it tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Connection) -> None:
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.send_bytes(b"ready")

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # An interrupt at the terminal reaches the supervisor too, which lets streams end first.
        if sig == signal.SIGTERM:
            self.should_exit = True


class JoinedWrites:
    """A transport that sends together what is written in one turn of the loop.

    Head and body of an answer are two writes, and each would be a call of the system and a packet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send it soon; at once if it is much, so that its writer has to wait for the reader."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_LIMIT:
            self._send()

    def close(self) -> None:
        """Send what there is, and close."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is cut off if its client sends too much, too slowly, or nothing at all.

    Whatever is wrong as HTTP, requests before it get their own answers first, and nothing behind it is read.
    """

    def __init__(self, *arguments: Any, connections_max: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._connections_max = connections_max
        self._head_until = 0.0
        self._cycle_before: RequestResponseCycle = self.cycle
        self._in_head = False
        self._in_last_chunk = False
        """Perhaps: the head of a chunk was read, and nothing of what it holds."""
        self._unfinished_bytes = 0
        self._is_over = False
        self._refusal = HTTPStatus.BAD_REQUEST, "The request is malformed as HTTP/1.1"

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        if len(self.connections) > self._connections_max:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections; try again later")
            return
        self._head_until = self.loop.time() + self.timeout_keep_alive
        self._limit_time_of_head()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        unfinished = self._in_head or self._in_last_chunk
        super().data_received(data)
        if self._in_head or self._in_last_chunk:
            # Until it is whole, the parser keeps what it has of a header.
            self._unfinished_bytes = self._unfinished_bytes + len(data) if unfinished else 0
            if self._unfinished_bytes > HEAD_BYTES_MAX:
                self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        if self._is_idle() and not self._is_over:
            self._limit_time_of_head()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_until = self.loop.time() + self.timeout_keep_alive
        self._in_head = True

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.pipeline) >= PIPELINE_MAX:
            self._reject(HTTPStatus.BAD_REQUEST, f"More than {PIPELINE_MAX} requests wait on this connection")
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        self._cycle_before = self.cycle
        super().on_headers_complete()
        self.headers = _Trailers()
        if self.parser.should_upgrade():
            # There is nothing to upgrade to, but the parser takes what follows for another protocol.
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """The last chunk holds nothing, and trailers follow."""
        self._in_last_chunk = True

    @override
    def on_body(self, body: bytes) -> None:
        self._in_last_chunk = False
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._in_last_chunk = False
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        self._head_until = self.loop.time() + self.timeout_keep_alive
        super().on_response_complete()

    @override
    def timeout_keep_alive_handler(self) -> None:
        if self._is_idle():
            super().timeout_keep_alive_handler()

    @override
    def send_400_response(self, msg: str) -> None:
        self._fail(*self._refusal)

    def _reject(self, status: HTTPStatus, detail: str) -> NoReturn:
        """Stop the parser."""
        self._refusal = status, detail
        raise ValueError(detail)

    def _is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _limit_time_of_head(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_at(self._head_until, self.timeout_keep_alive_handler)

    def _fail(self, status: HTTPStatus, detail: str) -> None:
        """Answer what is whole, and nothing that comes from now on."""
        self._is_over = True
        if self.pipeline and self.cycle.more_body:
            self.pipeline.popleft()
            self.cycle = self._cycle_before
        if self._is_idle():
            self._refuse(status, detail)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(status, detail)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self._is_over = True
        # To HEAD there is no body, whatever is wrong behind the method.
        body = b"" if self.parser.get_method() == b"HEAD" else problem(status, detail).body.encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Trailers(list[tuple[bytes, bytes]]):
    """Headers behind a body, which nobody asked for: they are not kept, and never taken for headers."""

    @override
    def append(self, _: tuple[bytes, bytes]) -> None:
        pass


def _application(target: str) -> Any:
    """The ASGI application of `module:factory`."""
    module, _, factory = target.partition(":")
    application = getattr(import_module(module), factory)()
    # What is there now stays: a search for garbage through all of it would hold up every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    return application


def _listener(settings: Settings) -> socket.socket:
    """A socket of this process alone: the system spreads connections over those that share the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    return listener


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        multiprocessing.connection.wait([supervisor.sentinel])
        # Killed, it could not stop us. Whatever we are doing was not acknowledged yet and rolls back.
        os.kill(os.getpid(), signal.SIGKILL)
