"""The OpenAPI 3.1 document, made of what routes say of themselves and the structs they read and answer with.

It is made once, at start, from the application's own routes: what is not documented does not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from app import parameters
from app.admission import ROLE_NEEDED, Denial
from app.answers import STATUS
from app.authorisation import NEEDED
from app.documented import Documented
from app.dry_run import DRY_ANSWERS
from app.filter_tree import BadFilter
from app.glossary import OVERVIEW, STATUSES, TAGS
from app.schemas import Schema, Schemas, reference
from domain.authorisation import Right
from domain.errors import IdempotencyKeyReused, InvalidName, PreconditionFailed

STATUS_OF: Final[dict[type[Exception], int]] = {
    BadFilter: 400,
    **{refusal: status for refusal, status in STATUS.items()},  # noqa: C416 - the keys are wider
}
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NOT_REPLAYED: Final = (408, 413)
_EMPTY: Final = (204, 304)
_WITH_OBJECT: Final = (200, 201)
_OF_DRY_RUNS: Final = "What a dry run tells; nothing was changed."


class Undocumented(Exception):
    """A route does not say what it does."""


class Problem(msgspec.Struct, frozen=True):
    """Why there is no other answer."""

    detail: str


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a request."""

    type: str
    loc: tuple[str | int, ...]
    msg: str
    input: Any
    ctx: dict[str, Any] = {}


class InvalidRequest(msgspec.Struct, frozen=True):
    """All that is wrong with a request."""

    detail: tuple[Finding, ...]


def openapi_document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document of all routes; `Undocumented` names one that is not documented."""
    schemas = Schemas()
    paths: dict[str, Any] = {}
    for route in routes:
        if not isinstance(route, HTTPRoute):
            raise Undocumented(f"{route.path} is no HTTP route: nothing describes other ones")
        paths[route.path_format] = _path_item(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Deployment Ledger",
            "version": version("deployment-ledger"),
            "description": OVERVIEW,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        # Which of them holds is a setting; with neither, callers are not asked who they are.
        "security": [{}, *({scheme: []} for scheme in parameters.SECURITY_SCHEMES)],
        "components": {
            "securitySchemes": parameters.SECURITY_SCHEMES,
            "schemas": dict(sorted(schemas.components.items())),
            "parameters": parameters.REQUEST_HEADERS,
            "headers": parameters.RESPONSE_HEADERS,
        },
    }


def documentation_of(handler: HTTPRouteHandler) -> Documented:
    """What the handler's route says of itself; `Undocumented` if it says nothing."""
    documented = handler.opt.get("documented")
    if isinstance(documented, Documented):
        return documented
    raise Undocumented(f"{handler.handler_name} has no documentation: add **documented(...) to its decorator")


def refusals_of(documented: Documented) -> list[type[Exception]]:
    """All refusals that the route can answer with."""
    refusals: list[type[Exception]] = list(documented.refuses)
    if "write" in documented.traits:
        refusals += [PreconditionFailed, IdempotencyKeyReused]
    if not {"filtered-deployments", "filtered-configs"}.isdisjoint(documented.traits):
        refusals.append(BadFilter)
    return refusals


def _path_item(route: HTTPRoute, schemas: Schemas) -> Schema:
    # The framework answers OPTIONS by itself.
    handlers = [handler for handler in route.route_handlers if "OPTIONS" not in handler.http_methods]
    by_method = {method: handler for handler in handlers for method in handler.http_methods}
    shared = [reference(name, "parameters") for name in parameters.OF_EVERY_REQUEST]
    of_path = [parameters.of_path(name) for name in route.path_parameters]
    item: Schema = {"parameters": [*of_path, *shared]}
    for method in sorted(by_method, key=_METHODS.index):
        item[method.lower()] = _operation(by_method[method], bool(of_path), schemas)
    return item


def _operation(handler: HTTPRouteHandler, in_path: bool, schemas: Schemas) -> Schema:
    documented = documentation_of(handler)
    headers: list[str] = []
    if "write" in documented.traits:
        headers += parameters.OF_WRITES
    if "object" in documented.traits:
        headers += parameters.OF_OBJECTS
    if "stream" in documented.traits:
        headers += parameters.OF_STREAMS
    operation: Schema = {
        "operationId": handler.handler_name,
        "summary": handler.handler_name.replace("_", " ").capitalize(),
        "description": _text_of(handler.fn),
        "tags": sorted({tag for layer in handler.ownership_layers for tag in layer.tags or ()}),
        "parameters": [
            *parameters.of_query(documented, schemas),
            *(reference(name, "parameters") for name in headers),
        ],
    }
    if documented.body is not None:
        schema = schemas.named(documented.body, "request", documented.body.__name__)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    right = NEEDED[handler.handler_name]
    if right is None:
        operation["security"] = []
    else:
        operation["x-role"] = ROLE_NEEDED[right]
    operation["responses"] = _responses(documented, right, in_path, schemas)
    return operation


def _responses(documented: Documented, right: Right | None, in_path: bool, schemas: Schemas) -> Schema:
    responses = {}
    for status, bodies in _successes(documented).items():
        content = None if status in _EMPTY else _any_of([schemas.of(body, "answer") for body in bodies])
        meaning = STATUSES[status] if status in documented.answers else _OF_DRY_RUNS
        responses[status] = _response(status, [meaning], documented, content)
    for status, reasons in _refused(documented, right, in_path).items():
        if status not in responses:
            content = None if status in _EMPTY else _problem(status, documented, schemas)
            responses[status] = _response(status, reasons, documented, content)
    return {str(status): responses[status] for status in sorted(responses)}


def _successes(documented: Documented) -> dict[int, list[Any]]:
    """The types of the bodies that an answer of each status can have, those of dry runs last."""
    bodies = {status: [answer] for status, answer in documented.answers.items()}
    if "write" in documented.traits:
        for status, answer in documented.answers.items():
            dry = bodies.setdefault(200 if answer is None else status, [])
            if DRY_ANSWERS[answer] not in dry:
                dry.append(DRY_ANSWERS[answer])
    return bodies


def _refused(documented: Documented, right: Right | None, in_path: bool) -> dict[int, list[str]]:
    """The reasons of each status that is no success."""
    possible = {
        304: "object" in documented.traits,
        400: True,
        401: right is not None,
        403: right is not None,
        404: in_path,
        408: documented.body is not None or "write" in documented.traits,
        413: "write" in documented.traits,
        422: documented.body is not None or documented.query is not None or "write" in documented.traits,
        500: True,
        503: "static" not in documented.traits,
    }
    reasons = {status: [STATUSES[status]] for status, holds in possible.items() if holds}
    if right is not None:
        reasons[403].append(f"Needs the role {ROLE_NEEDED[right]} in the workspace.")
    for refusal in refusals_of(documented):
        # What follows a semicolon is for readers of the code.
        reason = _text_of(refusal).split(";")[0].rstrip(".") + "."
        reasons.setdefault(STATUS_OF[refusal], []).append(reason)
    return reasons


def _problem(status: int, documented: Documented, schemas: Schemas) -> Schema:
    """The body of an error: a sentence, or with 422 a list, or either."""
    shapes: list[Any] = [Problem]
    if status == 422:  # noqa: PLR2004
        refusals = [refusal for refusal in refusals_of(documented) if STATUS_OF[refusal] == status]
        told = any(refusal is not InvalidName for refusal in refusals)
        shapes = [InvalidRequest] + [Problem] * told
    if status == 403:  # noqa: PLR2004
        told = any(STATUS_OF[refusal] == status for refusal in refusals_of(documented))
        shapes = [Denial] + [Problem] * told
    return _any_of([schemas.of(shape, "answer") for shape in shapes])


def _any_of(bodies: list[Schema]) -> Schema:
    return bodies[0] if len(bodies) == 1 else {"anyOf": bodies}


def _response(status: int, reasons: Sequence[str], documented: Documented, content: Schema | None) -> Schema:
    headers = ["X-Request-Id", "Vary"]
    write = "write" in documented.traits
    succeeded = status in documented.answers
    if succeeded and (("object" in documented.traits) or (write and documented.answers[status] is not None)):
        headers.append("ETag")
    if status == 304:  # noqa: PLR2004
        headers.append("ETag")
    if succeeded and "stream" in documented.traits:
        headers += ["Cache-Control", "X-Accel-Buffering"]
    if write and status in _WITH_OBJECT:
        headers.append("Dry-Run")
    if write and status < 500 and status not in _NOT_REPLAYED:  # noqa: PLR2004
        headers.append("Idempotency-Replayed")
    if status in {409, 412} or (write and status == 503):  # noqa: PLR2004
        headers.append("X-Should-Retry")
    if status == 401:  # noqa: PLR2004
        headers.append("WWW-Authenticate")
    if status == 503 and not succeeded:  # noqa: PLR2004
        headers.append("Retry-After")
    response: Schema = {
        "description": " ".join(reasons)
        if len(reasons) == 1
        else "\n".join(f"- {reason}" for reason in reasons),
        "headers": {name: reference(name, "headers") for name in headers},
    }
    if content is not None:
        media_type = documented.media_type if succeeded else "application/json"
        response["content"] = {media_type: {"schema": content}}
    return response


def _text_of(documented: Any) -> str:
    return " ".join((documented.__doc__ or "").split())
