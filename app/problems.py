"""Everything that is answered instead of what was asked for: one handler for each kind of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.response.base import ASGIResponse

from app.admission import Denied, denied
from app.answers import Answer, problem, refused
from app.filters import BadFilter
from app.headers import MalformedHeader
from app.ledger import VARY, AnyRequest, retry_advice
from app.reader import Unreadable
from app.reading import InvalidRequest, UnreadableBody
from app.writer import OutcomeUnknown, Unavailable
from domain.errors import Refusal
from domain.kinds import UnreadableEventError

RETRY_AFTER_SECONDS: Final = 1

_log = structlog.get_logger()


def refusal(_: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """A rule of the domain says no."""
    return respond(refused(refusal))


def invalid_request(_: AnyRequest, invalid: InvalidRequest) -> Response[bytes]:
    """The body or the query is not what the route declares."""
    return respond(problem(422, invalid.items))


def bad_request(_: AnyRequest, bad: UnreadableBody | BadFilter | MalformedHeader) -> Response[bytes]:
    """The request cannot be made sense of."""
    return respond(problem(400, str(bad)))


def not_allowed(request: AnyRequest, denial: Denied) -> Response[bytes]:
    """The caller may not do this, or nobody knows who it is."""
    return respond(*denied(request.scope, denial))


def unavailable(_: AnyRequest, reason: Unavailable | Unreadable) -> Response[bytes]:
    """The service or its database cannot answer now; nothing was changed."""
    answer = problem(503, f"Service temporarily unavailable: {reason}; nothing was changed. Try again.")
    return respond(answer, {"retry-after": str(RETRY_AFTER_SECONDS)})


def outcome_unknown(_: AnyRequest, reason: OutcomeUnknown) -> Response[bytes]:
    """A write may have taken place: a client that repeats it blindly would perhaps write twice."""
    answer = problem(
        503,
        f"The outcome of this write is unknown: {reason}. Read the resource to see, or repeat the request "
        "if it had an Idempotency-Key.",
    )
    return respond(answer, {"retry-after": str(RETRY_AFTER_SECONDS), "x-should-retry": "false"})


def unreadable_event(_: AnyRequest, unreadable: UnreadableEventError) -> Response[bytes]:
    """The log holds an event of a newer release: one that runs beside this one can answer, or will."""
    answer = problem(503, f"Service temporarily unavailable: {unreadable}.")
    return respond(answer, {"retry-after": str(RETRY_AFTER_SECONDS)})


def http_exception(_: AnyRequest, raised: HTTPException) -> Response[bytes]:
    """The framework has no route, no such method, or will not read the body."""
    detail = _PHRASES.get(raised.status_code, raised.detail)
    return respond(problem(raised.status_code, detail), raised.headers)


def fault(request: AnyRequest, raised: Exception) -> Response[bytes]:
    """A defect of the service: the log has it whole, the caller learns no internals."""
    _log.error("request failed", exc_info=raised, path=request.scope["path"])
    return respond(failure(request.scope))


def failure(scope: Any) -> Answer:
    """The fixed sentence for a fault on a route: its handler's name in words."""
    handler = scope.get("route_handler")
    if handler is None:
        return problem(500, "An unexpected error occurred.")
    return problem(500, f"Failed to {handler.handler_name.replace('_', ' ')}")


def answer_to(request: AnyRequest, raised: Exception) -> ASGIResponse:
    """The response to what a handler raises, as the framework finds it in the table below."""
    found = next(HANDLERS[kind] for kind in type(raised).__mro__ if kind in HANDLERS)
    response: Response[bytes] = found(request, raised)
    return response.to_asgi_response(None, request)


def respond(answer: Answer, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """An answer that looks the same to everybody."""
    return Response(
        answer.body.encode(),
        status_code=answer.status,
        headers={"vary": VARY, **retry_advice(answer.status), **(headers or {})},
        media_type="application/json",
    )


_PHRASES: Final = {404: "Not Found", 405: "Method Not Allowed", 413: "Request body is too large"}

HANDLERS: Final[dict[int | type[Exception], Any]] = {
    Refusal: refusal,
    InvalidRequest: invalid_request,
    UnreadableBody: bad_request,
    BadFilter: bad_request,
    Denied: not_allowed,
    MalformedHeader: bad_request,
    OutcomeUnknown: outcome_unknown,
    Unavailable: unavailable,
    Unreadable: unavailable,
    UnreadableEventError: unreadable_event,
    HTTPException: http_exception,
    Exception: fault,
}
