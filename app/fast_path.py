"""Usual requests, answered without the layers that others go through, which cost more than most routes do.

A request takes it if it is whole, has nothing unusual about it, and its route reads or writes one object;
such a route does nothing but await the writer or the reader. The framework itself says which handler it is
for; that handler is called as the framework would call it, with the same request, after the same check of
rights, and what it raises is answered by the same table. It is run in the turn of the event loop in which the
request came, and again when what it awaits is there: there is no task, and no layer that passes messages on.
Who calls, the limits of writes, the line of log and the counts are those of the outermost layer. A write that
finds no place is held until there is one or it is turned away, as there: what overload adds must cost least.

Whatever is unusual is left to the other way, before anything was done for it.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, cast

from litestar import Litestar, Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.routes import HTTPRoute

from app.admission import admitted_of
from app.authorisation import require_right
from app.bodies import SMALL_BYTES_MAX
from app.documented import Documented
from app.edge import WRITES, Edge, Message, Scope, request_id_of
from app.json_response import Headers, JsonResponse
from app.ledger import BODY_KEY, Ledger
from app.problems import answer_to

Handler = Callable[..., Coroutine[Any, Any, ASGIResponse]]
Finish = Callable[[int, Headers, bytes], None]
"""Sends an answer: its status, its headers, its body."""

_PROVIDED: Final = frozenset(("request", "ledger"))
_OF_ONE_OBJECT: Final = frozenset(("write", "object"))
_HOOKS: Final = ("after_request", "after_response", "before_request", "guards")
_SETTINGS: Final = ("dependencies", "exception_handlers", "middleware")
_USUAL_HOST: Final = re.compile(rb"[A-Za-z0-9.:\-\[\]]*")


class FastPath:
    """Begins to answer requests that are usual, and says of all others that it does not.

    `restricted` is whether callers need rights; it is the framework's middleware that asks for them there.
    """

    def __init__(
        self,
        routes: Litestar,
        ledger: Ledger,
        edge: Edge,
        *,
        body_bytes_max: int,
        restricted: bool,
    ) -> None:
        self._find = routes.asgi_router.handle_routing
        self.handlers = _plain_handlers(routes)
        self._ledger = ledger
        self._edge = edge
        self._body_bytes_max = min(body_bytes_max, SMALL_BYTES_MAX)
        self._restricted = restricted
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, scope: Scope, body: bytes, finish: Finish) -> bool:
        """Begin to answer a request without a query, which is finished later; False if it goes another way.

        Its path has neither empty segments nor escapes.
        """
        try:
            _, route_handler, _, path_params, path_template = self._find(scope["path"], scope["method"])
        except HTTPException:
            return False
        handler = self.handlers.get(route_handler)
        if (
            handler is None
            or len(body) > self._body_bytes_max
            or not _is_framed_plainly(scope)
            or not self._edge.admits_at_once(scope)
        ):
            return False
        found = {
            "route_handler": route_handler,
            "path_params": path_params,
            "path_template": path_template,
            BODY_KEY: body,
        }
        exchange = _Exchange(self, handler, scope, found, finish)
        place = self._edge.place(scope)
        if place is None:
            exchange.begin()
        else:
            place.add_done_callback(exchange.begin_if)
        return True

    def refusal(self, scope: Scope) -> tuple[int, Headers, bytes]:
        """The answer to a request that was held and got no place."""
        return self._edge.refusal(scope)

    def leave_to_layers(self, scope: Scope, body: bytes, finish: Finish) -> None:
        """Let the layers answer a request that was held, from the beginning."""
        task = asyncio.create_task(self._by_layers(scope, body, finish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _by_layers(self, scope: Scope, body: bytes, finish: Finish) -> None:
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._edge.begin_again(scope, receive, send)
        start, *parts = said
        finish(start["status"], start["headers"], b"".join(part["body"] for part in parts))

    def call(self, handler: Handler, scope: Scope) -> Coroutine[Any, Any, ASGIResponse]:
        """What the handler makes of the request."""
        if self._restricted:
            require_right(scope)
        return handler(request=_Seen(scope), ledger=self._ledger, **scope["path_params"])

    def end(self, scope: Scope, status: int, began: float, request_id: bytes) -> None:
        """A request that was begun is answered."""
        self._edge.end(scope, status, began, request_id)


class _Seen:
    """What a handler looks at of a request whose body is there; the framework's own costs more to make."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope


class _Exchange:
    """A request that is being answered: its handler runs until it awaits something, and again from there."""

    __slots__ = ("_began", "_finish", "_found", "_handler", "_path", "_running", "_scope")

    def __init__(
        self, path: FastPath, handler: Handler, scope: Scope, found: Mapping[str, Any], finish: Finish
    ) -> None:
        self._began = time.perf_counter()
        self._path = path
        self._handler = handler
        self._scope = scope
        self._found = found
        self._finish = finish
        self._running: Coroutine[Any, Any, ASGIResponse] | None = None

    def begin_if(self, place: asyncio.Future[bool]) -> None:
        """Begin, if it has a place now that it was held for, and the caller still may."""
        if not place.result():
            self._finish(*self._path.refusal(self._scope))
        elif admitted_of(self._scope).over() is None:
            self.begin()
        else:
            self._path.leave_to_layers(self._scope, self._found[BODY_KEY], self._finish)

    def begin(self) -> None:
        """Run the handler.

        What was found of its route is noted now: of a request that a layer turns away there is none to tell.
        """
        self._scope.update(self._found)
        try:
            self._running = self._path.call(self._handler, self._scope)
        except Exception as raised:  # noqa: BLE001 - as in the framework, the table has an answer to each
            self._answer(self._refusal(raised))
        else:
            self._go_on()

    def _go_on(self, _: asyncio.Future[Any] | None = None) -> None:
        assert self._running is not None  # noqa: S101 - it is what was begun
        try:
            awaited: asyncio.Future[Any] = self._running.send(None)
        except StopIteration as done:
            self._answer(done.value)
        except Exception as raised:  # noqa: BLE001 - as above
            self._answer(self._refusal(raised))
        else:
            awaited.add_done_callback(self._go_on)

    def _refusal(self, raised: Exception) -> ASGIResponse:
        request: Request[Any, Any, Any] = Request(cast("Any", self._scope))
        return answer_to(request, raised)

    def _answer(self, response: ASGIResponse) -> None:
        scope = self._scope
        request_id = request_id_of(scope)
        sent = response.sent if isinstance(response, JsonResponse) else response.encode_headers()
        try:
            self._finish(response.status_code, [*sent, (b"x-request-id", request_id)], response.body)
        finally:
            self._path.end(scope, response.status_code, self._began, request_id)


def _plain_handlers(routes: Litestar) -> dict[Any, Handler]:
    """Those that take the request, texts of the path and the ledger, with nothing else around them."""
    return {
        handler: cast("Handler", handler.fn)
        for route in routes.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if _is_of_one_object(handler)
        and set(inspect.signature(handler.fn).parameters) == _PROVIDED | route.path_parameters.keys()
        and _is_plain(handler)
    }


def _is_of_one_object(handler: HTTPRouteHandler) -> bool:
    """Whether it awaits nothing but the writer or, where there is no query, the reader."""
    documented = handler.opt.get("documented")
    return isinstance(documented, Documented) and not _OF_ONE_OBJECT.isdisjoint(documented.traits)


def _is_plain(handler: HTTPRouteHandler) -> bool:
    """Whether what the framework does around a handler is what it does around all."""
    application, *own_layers = handler.ownership_layers
    return not (
        any(getattr(layer, hook) for layer in (application, *own_layers) for hook in _HOOKS)
        or any(getattr(layer, setting) for layer in own_layers for setting in _SETTINGS)
    )


def _is_framed_plainly(scope: Scope) -> bool:
    """Whether no layer would refuse Host or length, and there is no body that a GET would have to ignore."""
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
            if hosts > 1 or _USUAL_HOST.fullmatch(value) is None:
                return False
        elif name == b"transfer-encoding" or (
            name == b"content-length" and value != b"0" and scope["method"] not in WRITES
        ):
            return False
    return True
