"""The outermost layer: what holds for every request, whether or not there is a route for it.

It gives the request an id, finds out who is calling, turns away paths that no route may see, and when the
answer has gone out writes one line of log and counts it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from app import metrics
from app.admission import ADMITTED_KEY, admitted_of
from app.answers import problem
from app.bodies import Bodies, Body, Full
from app.callers import Rejection
from app.identity import Identity
from app.json_response import Headers
from app.ledger import BODY_KEY, VARY
from app.overload import WritesInHand
from app.random_bytes import RANDOM
from app.request_log import Finished, RequestLog

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID_CHARACTERS_MAX: Final = 128
WRITES: Final = frozenset(("POST", "PUT", "PATCH", "DELETE"))
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,%d}" % REQUEST_ID_CHARACTERS_MAX)
_QUIET: Final = ("/health/", "/metrics")

# To OPTIONS the framework would name the methods of one handler of the path only; to a method that no route
# has it answers 405 with all of them, which is what clients of the contract expect.
_OF_NO_ROUTE: Final = "TRACE"


class Edge:
    """An ASGI application around another."""

    def __init__(
        self,
        application: Application,
        identity: Identity,
        *,
        writes_max: int,
        body_bytes_max: int,
        body_read_seconds: float,
    ) -> None:
        self._application = application
        self._identity = identity
        self._writes = WritesInHand(writes_max, [(b"vary", VARY.encode())])
        self._bodies = Bodies(bytes_max=body_bytes_max, seconds_max=body_read_seconds)
        self._body_read_seconds = body_read_seconds
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is none."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["method"] in WRITES:
            await self._write(scope, receive, send)
        else:
            began = time.perf_counter()
            await self._serve(scope, receive, send, began, await self._admit(scope))

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a write: of callers who are not let in the body is not read, and they take nobody's place."""
        began = time.perf_counter()
        rejection = await self._admit(scope)
        if rejection is not None:
            await self._serve(scope, receive, send, began, rejection)
            return
        try:
            body = await self._bodies.read_ahead(receive)
        except TimeoutError:
            reason = f"The request body did not arrive within {self._body_read_seconds:g} seconds"
            late = Rejection(problem(408, reason), "late", reason)
            await self._serve(scope, receive, send, began, late)
            return
        except Full:
            await self._writes.turn_away(scope["method"], send)
            return
        try:
            await self._write_whole(scope, body, send, began)
        finally:
            self._bodies.forget(body)

    async def _write_whole(self, scope: Scope, body: Body, send: Send, began: float) -> None:
        """Serve a write whose body is there, if there is a place."""
        if not await self._writes.take():
            await self._writes.turn_away(scope["method"], send)
            return
        scope[BODY_KEY] = body.content
        try:
            # While the body came and it was held, the caller's rights may have changed, or its token expired.
            rejection = await self._admit(scope) if admitted_of(scope).over() is not None else None
            await self._serve(scope, body, send, began, rejection)
        finally:
            self._writes.give_back()

    def admits_at_once(self, scope: Scope) -> bool:
        """Whether it is known without waiting who calls, and that they may; it is noted then."""
        return self._identity.admits_at_once(scope)

    def place(self, scope: Scope) -> asyncio.Future[bool] | None:
        """None for a request that may begin, to be `end`ed; or whether one that is held may in the end."""
        if scope["method"] not in WRITES or self._writes.take_at_once():
            return None
        return self._writes.hold()

    def refusal(self, scope: Scope) -> tuple[int, Headers, bytes]:
        """The answer to a request that may not."""
        return self._writes.refusal(scope["method"])

    async def begin_again(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve anew a request that was held: meanwhile its caller's rights or token came to an end."""
        self._writes.give_back()
        await self(scope, receive, send)

    def end(self, scope: Scope, status: int, began: float, request_id: bytes) -> None:
        """A request that began at once has been answered."""
        if scope["method"] in WRITES:
            self._writes.give_back()
        self._account(scope, status, time.perf_counter() - began, request_id)

    async def _admit(self, scope: Scope) -> Rejection | None:
        """Find out who calls; why the request is turned away, if it is."""
        rejection = await self._identity.admit(scope)
        return _NOWHERE if rejection is None and not _is_addressable(scope) else rejection

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, began: float, rejection: Rejection | None
    ) -> None:
        request_id = request_id_of(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        if rejection is not None:
            await _answer(rejection, send_with_id)
        elif scope["method"] == "OPTIONS":
            await self._application({**scope, "method": _OF_NO_ROUTE}, receive, send_with_id)
        else:
            await self._application(scope, receive, send_with_id)
        self._account(scope, status, time.perf_counter() - began, request_id)

    def _account(self, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        method, path, route = scope["method"], scope["path"], scope.get("path_template") or "none"
        metrics.answered(method if method in _METHODS else "other", route, status, seconds)
        admitted = scope.get(ADMITTED_KEY)
        request = Finished(
            method=method,
            path=path,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            principal=admitted.caller.principal.effective_id if admitted is not None else None,
            request_id=request_id.decode("latin-1"),
        )
        self._log.write(logging.DEBUG if path.startswith(_QUIET) else logging.INFO, request)


def _is_addressable(scope: Scope) -> bool:
    """Whether each segment of the path is one segment, and text that can be stored at all."""
    path = scope["path"]
    raw = scope.get("raw_path") or path.encode()
    return not (
        b"%2f" in raw.lower()
        or "//" in path
        or "\x00" in path
        or (not path.isascii() and any("\ud800" <= c <= "\udfff" for c in path))
    )


def request_id_of(scope: Scope) -> bytes:
    """The caller's own id where it sent a usable one, so that both sides' logs can be joined."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return RANDOM.take(16).hex().encode()


async def _answer(rejection: Rejection, send: Send) -> None:
    body = rejection.answer.body.encode()
    headers = [
        (b"vary", VARY.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *rejection.headers,
    ]
    await send({"type": "http.response.start", "status": rejection.answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_NOWHERE: Final = Rejection(problem(404, "Not Found"), "nowhere", "no route can have this path")
_METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
