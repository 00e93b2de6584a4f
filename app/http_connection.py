"""A connection: uvicorn's, with limits on what its client may take of it, and with the fast path."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any, Final, NoReturn, Self, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.answers import problem
from app.bodies import SMALL_BYTES_MAX
from app.fast_path import FastPath
from app.joined_writes import JoinedWrites
from app.json_response import Headers

HEAD_BYTES_MAX: Final = 64 * 1024
HEADERS_MAX: Final = 100
PIPELINE_MAX: Final = 64
HOLD_SECONDS: Final = 0.05
"""How long a request is held for the fast path until its body is there: clients often send it apart."""
TOO_LARGE: Final = f"The head of a request has at most {HEAD_BYTES_MAX} bytes and {HEADERS_MAX} headers"
_PLAIN_URL: Final = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")
"""A path that is what it looks like, without a query."""


class HttpConnection(HttpToolsProtocol):
    """A connection that is cut off if its client sends too much, too slowly, or nothing at all.

    Whatever is wrong as HTTP, requests before it get their own answers first, and nothing behind it is read.
    A usual request that comes whole and alone is answered on the fast path, all others by the application.
    """

    transport: JoinedWrites  # type: ignore[assignment]
    cycle: RequestResponseCycle | _FastAnswer  # type: ignore[assignment]

    def __init__(
        self, *arguments: Any, connections_max: int, fast_path: FastPath | None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._connections_max = connections_max
        self._fast_path = fast_path
        self._head_until = 0.0
        self._cycle_before = self.cycle
        self._held: bytes | None = None
        """What there is of the body of a request that may take the fast path, once that is whole."""
        self._hold_until: asyncio.TimerHandle | None = None
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
        self._limit_time_of_head()
        self._look_at_time_again(self._head_until)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held = None
        for timer in (self.timeout_keep_alive_task, self._hold_until):
            if timer is not None:
                timer.cancel()

    @override
    def shutdown(self) -> None:
        self._leave_to_application()
        super().shutdown()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        unfinished = self._in_head or self._in_last_chunk
        super().data_received(data)
        if self._held is not None and self._hold_until is None:
            self._hold_until = self.loop.call_later(HOLD_SECONDS, self._leave_to_application)
        if self._in_head or self._in_last_chunk:
            # Until it is whole, the parser keeps what it has of a header.
            self._unfinished_bytes = self._unfinished_bytes + len(data) if unfinished else 0
            if self._unfinished_bytes > HEAD_BYTES_MAX:
                self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._limit_time_of_head()
        self._in_head = True

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.pipeline) >= PIPELINE_MAX:
            self._reject(HTTPStatus.BAD_REQUEST, f"More than {PIPELINE_MAX} requests wait on this connection")
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_LARGE)
        self._cycle_before = self.cycle
        if self._may_be_fast():
            self._held = b""
        else:
            self._begin_cycle()
        self.headers = _Trailers()

    def on_chunk_header(self) -> None:
        """The last chunk holds nothing, and trailers follow."""
        self._in_last_chunk = True

    @override
    def on_body(self, body: bytes) -> None:
        self._in_last_chunk = False
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body
            if len(self._held) > SMALL_BYTES_MAX:
                self._leave_to_application()

    @override
    def on_message_complete(self) -> None:
        self._in_last_chunk = False
        if self._held is None:
            super().on_message_complete()
        elif not self._begin_on_fast_path(self._held):
            self._leave_to_application()
            super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._limit_time_of_head()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    @override
    def timeout_keep_alive_handler(self) -> None:
        now = self.loop.time()
        if not self._is_idle():
            self._look_at_time_again(now + self.timeout_keep_alive)
        elif now < self._head_until:
            self._look_at_time_again(self._head_until)
        else:
            super().timeout_keep_alive_handler()

    @override
    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer alone: when it ends it looks at the time; one for each request costs more."""

    @override
    def send_400_response(self, msg: str) -> None:
        self._fail(*self._refusal)

    def _may_be_fast(self) -> bool:
        """Whether no request is before it on the connection, and it wants nothing special of that."""
        return (
            self._fast_path is not None
            and self._is_idle()
            and not self.flow.write_paused
            and not self.expect_100_continue
            and _PLAIN_URL.fullmatch(self.url) is not None
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
        )

    def _begin_on_fast_path(self, body: bytes) -> bool:
        assert self._fast_path is not None  # noqa: S101 - it may be fast
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = self.url.decode("ascii")
        scope["raw_path"] = self.url
        scope["query_string"] = b""
        answer = self.cycle = _FastAnswer(self)
        if self._fast_path.begin(scope, body, answer.finish):
            self._release()
            return True
        self.cycle = self._cycle_before
        return False

    def _leave_to_application(self) -> None:
        """Go on with a request that is held, if one is, as if it had not been."""
        body = self._held
        self._release()
        if body is not None:
            # As it was when the head was complete: trailers, which came since, ask for nothing.
            self.expect_100_continue = False
            self._begin_cycle()
            if body:
                super().on_body(body)

    def _release(self) -> None:
        self._held = None
        if self._hold_until is not None:
            self._hold_until.cancel()
            self._hold_until = None

    def _begin_cycle(self) -> None:
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # There is nothing to upgrade to, but the parser takes what follows for another protocol.
            self.cycle.keep_alive = False

    def _reject(self, status: HTTPStatus, detail: str) -> NoReturn:
        """Stop the parser."""
        self._refusal = status, detail
        raise ValueError(detail)

    def _is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        cycle: RequestResponseCycle | _FastAnswer | None = self.cycle
        return self._held is None and (cycle is None or cycle.response_complete)

    def _limit_time_of_head(self) -> None:
        self._head_until = self.loop.time() + self.timeout_keep_alive

    def _look_at_time_again(self, then: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_at(then, self.timeout_keep_alive_handler)

    def _fail(self, status: HTTPStatus, detail: str) -> None:
        """Answer what is whole, and nothing that comes from now on."""
        self._is_over = True
        self._release()
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


class _FastAnswer:
    """A request on the fast path, where its connection has a cycle of uvicorn's for others."""

    __slots__ = ("_connection", "disconnected", "keep_alive", "response_complete")

    more_body = False
    response_started = False

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    @property
    def message_event(self) -> Self:
        """What is told that the connection was lost; nobody waits for it."""
        return self

    def set(self) -> None:
        """Nobody waits."""

    def finish(self, status: int, headers: Headers, body: bytes) -> None:
        """Send the answer, if there is still somebody to read it."""
        connection, self.response_complete = self._connection, True
        if self.disconnected or connection.transport.is_closing():
            return
        content = [STATUS_LINE[status]]
        for name, value in (*connection.server_state.default_headers, *headers):
            content += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            content.append(b"connection: close\r\n")
        content += (b"\r\n", body)
        connection.transport.write_whole(b"".join(content))
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


class _Trailers(list[tuple[bytes, bytes]]):
    """Headers behind a body, which nobody asked for: they are not kept, and never taken for headers."""

    @override
    def append(self, _: tuple[bytes, bytes]) -> None:
        pass
