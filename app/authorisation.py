"""Which right each operation needs, and the one place where every route is asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from app.admission import admitted_of, require
from domain.authorisation import Right
from domain.names import ALL_WORKSPACES

NEEDED: Final[dict[str, Right | None]] = {
    "list_deployments": "read",
    "get_deployment": "read",
    "get_deployment_models": "read",
    "list_deployment_versions": "read",
    "get_deployment_version": "read",
    "create_deployment": "write",
    "update_deployment": "write",
    "roll_back_deployment": "write",
    "delete_deployment": "write",
    "update_deployment_status": "write",
    "delete_deployment_version": "write",
    "list_deployment_configs": "read",
    "get_deployment_config": "read",
    "list_deployment_config_versions": "read",
    "get_deployment_config_version": "read",
    "create_deployment_config": "write",
    "update_deployment_config": "write",
    "roll_back_deployment_config": "write",
    "delete_deployment_config": "write",
    "delete_deployment_config_version": "write",
    "get_workspace_history": "read",
    "get_deployment_history": "read",
    "get_deployment_config_history": "read",
    "get_deployment_blame": "read",
    "get_deployment_config_blame": "read",
    "get_deployment_diff": "read",
    "get_deployment_config_diff": "read",
    "watch": "read",
    "live": None,
    "ready": None,
    "metrics_of_all_workers": None,
    "get_description_page": None,
    "get_description": None,
    "get_page_asset": None,
}
"""By the operation's id; None where everybody may."""

OF_ALL_WORKSPACES: Final = frozenset(
    {"list_deployments", "list_deployment_configs", "get_workspace_history", "watch"}
)
"""Operations that with `-` for a workspace show what there is in all that the caller may read."""


class Unlisted(Exception):
    """A route that nobody has said who may use."""


def authorising(app: ASGIApp) -> ASGIApp:
    """A route that is taken only by callers who may; this is what every route is wrapped in.

    It is a middleware: a guard of the framework's costs a tenth of a whole request.
    """

    async def authorised(scope: Scope, receive: Receive, send: Send) -> None:
        require_right(scope)
        await app(scope, receive, send)

    return authorised


def require_right(scope: Any) -> None:
    """`Denied` if the caller may not do in the workspace of the path what the handler does."""
    name = scope["route_handler"].handler_name
    right = NEEDED[name]
    if right is None:
        return
    workspace = scope["path_params"]["workspace"]
    if workspace == ALL_WORKSPACES and name in OF_ALL_WORKSPACES:
        return
    require(admitted_of(scope).access, right, workspace)


def require_listed(routes: Iterable[BaseRoute]) -> None:
    """`Unlisted` if a route is in no line of the table above."""
    for route in routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            # The framework answers OPTIONS by itself, and nothing sends them to it.
            if isinstance(handler, HTTPRouteHandler) and "OPTIONS" in handler.http_methods:
                continue
            if handler is None or handler.handler_name not in NEEDED:
                name = route.path if handler is None else handler.handler_name
                raise Unlisted(
                    f"{name} is not in app.authorisation.NEEDED: say which right it needs, or None"
                )
