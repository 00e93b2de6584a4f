"""What is known of the caller of a request, and how a request is turned away that the caller may not make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from app import metrics
from app.answers import Answer, problem
from domain.authorisation import Access, Caller, Right, Role

ADMITTED_KEY: Final = "ledger.admitted"
"""Where the outermost layer leaves it in the ASGI scope."""

ROLE_NEEDED: Final[dict[Right, Role]] = {"read": "viewer", "write": "editor"}

_WORKSPACES: Final = "/apis/models/v2/workspaces/"
_log = structlog.get_logger()


class Admitted(NamedTuple):
    """A caller, what it may do now, and what says later that this has come to an end.

    `challenge` is what a caller that nobody knows is told to send, where that can be told.
    """

    caller: Caller
    access: Access
    over: Callable[[], str | None]
    challenge: Mapping[str, str] = {}


def never() -> str | None:
    """Never: for callers whose access cannot come to an end."""
    return None


class Denial(msgspec.Struct, frozen=True):
    """Why the caller is not given what it asks for."""

    detail: str
    hint: str


class Denied(Exception):
    """The caller is known, and may not do this; `reason` says what is lacking."""

    def __init__(self, reason: str, detail: str = "Forbidden") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def admitted_of(scope: Mapping[str, Any]) -> Admitted:
    """What is known of the caller of a request that was let in."""
    admitted: Admitted = scope[ADMITTED_KEY]
    return admitted


def workspace_of(path: str) -> str | None:
    """The workspace that a path is in; None if it is in none."""
    if not path.startswith(_WORKSPACES):
        return None
    return path[len(_WORKSPACES) :].partition("/")[0]


def require(access: Access, right: Right, workspace: str) -> None:
    """`Denied` if the caller may not do this there, whether or not there is such a workspace."""
    rights = access.rights(workspace)
    if right not in rights:
        has = "another role" if rights else "none"
        needed = ROLE_NEEDED[right]
        raise Denied(f"This needs the role {needed} in workspace '{workspace}'; the caller has {has}")


def denied(scope: Mapping[str, Any], denial: Denied) -> tuple[Answer, Mapping[str, str]]:
    """Answer and headers for a denied request, which is counted and logged with who wanted what.

    A caller that nobody knows is asked who it is: perhaps it may.
    """
    admitted = admitted_of(scope)
    if admitted.caller.is_anonymous:
        report(scope, "unauthenticated", denial.reason)
        return problem(401, "Unauthorized"), admitted.challenge
    report(scope, "forbidden", denial.reason)
    return Answer(403, msgspec.json.encode(Denial(denial.detail, denial.reason)).decode()), {}


def report(scope: Mapping[str, Any], kind: str, reason: str) -> None:
    """Count and log that a request was turned away."""
    metrics.DENIED.labels(kind).inc()
    admitted = scope.get(ADMITTED_KEY)
    principal = admitted.caller.principal if admitted is not None else None
    handler = scope.get("route_handler")
    peer = scope.get("client")
    _log.warning(
        "denied",
        kind=kind,
        reason=reason,
        principal=principal.id if principal is not None else None,
        on_behalf_of=principal.on_behalf_of if principal is not None else None,
        peer=peer[0] if peer else None,
        operation=handler.handler_name if handler is not None else None,
        workspace=workspace_of(scope["path"]),
        method=scope["method"],
        path=scope["path"],
    )
