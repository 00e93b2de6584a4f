"""Routes called without the framework's layers around them, which cost more than most of the routes do.

The framework itself says which handler a request is for. That handler is called as the framework would call
it: with the same request, after the same check of rights, and what it raises is answered by the same table.
Left out is what these handlers do not use: parsed parameters, hooks, caches. Whatever is unusual, and every
request that no route is for, is the framework's to answer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, cast

from litestar import Litestar, Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.routes import BaseRoute, HTTPRoute

from app.authorisation import require_right
from app.edge import Application, Receive, Scope, Send
from app.ledger import Ledger
from app.problems import answer_to

Handler = Callable[..., Awaitable[ASGIResponse]]

_PROVIDED: Final = frozenset(("request", "ledger"))
_HOOKS: Final = ("after_request", "after_response", "before_request", "guards")
_SETTINGS: Final = ("dependencies", "exception_handlers", "middleware")
_USUAL_HOST: Final = re.compile(rb"[A-Za-z0-9.:\-\[\]]*")


class FastPath:
    """An ASGI application around the framework's that answers most requests in its stead.

    `restricted` is whether callers need rights; it is the framework's middleware that asks for them there.
    """

    def __init__(self, routes: Litestar, ledger: Ledger, *, restricted: bool) -> None:
        self._framework = cast("Application", routes)
        self._find = routes.asgi_router.handle_routing
        self.handlers = _plain_handlers(routes.routes)
        self._ledger = ledger
        self._restricted = restricted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        handler = self._handler(scope) if scope["type"] == "http" else None
        if handler is None:
            await self._framework(scope, receive, send)
            return
        request: Request[Any, Any, Any] = Request(cast("Any", scope), cast("Any", receive), cast("Any", send))
        try:
            if self._restricted:
                require_right(scope)
            response = await handler(request=request, ledger=self._ledger, **scope["path_params"])
        except Exception as raised:  # noqa: BLE001 - as in the framework, the table has an answer to each
            response = answer_to(request, raised)
        await response(cast("Any", scope), cast("Any", receive), cast("Any", send))

    def _handler(self, scope: Scope) -> Handler | None:
        """The handler that the framework would call, noted in the scope, if it can be called here."""
        path = scope["path"]
        if scope.get("root_path") or not _is_normal(path) or not _has_usual_host(scope):
            return None
        try:
            _, route_handler, _, path_params, path_template = self._find(path, scope["method"])
        except HTTPException:
            return None
        handler = self.handlers.get(route_handler)
        if handler is not None:
            scope["route_handler"] = route_handler
            scope["path_params"] = path_params
            scope["path_template"] = path_template
        return handler


def _plain_handlers(routes: Iterable[BaseRoute]) -> dict[Any, Handler]:
    """Handlers that take the request, texts of the path and the ledger, with nothing else around them."""
    return {
        handler: handler.fn
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if set(inspect.signature(handler.fn).parameters) == _PROVIDED | route.path_parameters.keys()
        and _is_plain(handler)
    }


def _is_plain(handler: HTTPRouteHandler) -> bool:
    """Whether what the framework does around a handler is what it does around all."""
    application, *own_layers = handler.ownership_layers
    return not (
        any(getattr(layer, hook) for layer in (application, *own_layers) for hook in _HOOKS)
        or any(getattr(layer, setting) for layer in own_layers for setting in _SETTINGS)
    )


def _is_normal(path: str) -> bool:
    """Whether the framework takes a path as it is; of the root, which has no route, it does not matter."""
    return path.startswith("/") and not path.endswith("/") and "//" not in path


def _has_usual_host(scope: Scope) -> bool:
    """Whether the framework will not refuse the Host header; it knows what else it allows."""
    for name, value in scope["headers"]:
        if name == b"host":
            return _USUAL_HOST.fullmatch(value) is not None
    return True
