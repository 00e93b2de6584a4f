"""Everything that requests and answers carry beside their bodies: parameters and headers, described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from app import headers
from app.documented import Documented
from app.dry_run import DryRunQuery
from app.edge import REQUEST_ID_CHARACTERS_MAX
from app.filters import CONDITIONS_MAX, FILTER_CHARACTERS_MAX
from app.glossary import meaning
from app.schemas import WITHOUT_NUL, Schema, Schemas, reference
from projections.criteria import DEPLOYMENT_CONFIG_FIELDS, DEPLOYMENT_FIELDS, Field, Kind

_VISIBLE: Final = "[!-~]"
_TAG: Final = r'(W/)?"[!#-~]*"'
_ID: Final = r"[a-zA-Z0-9@._\-:+/]"
_GROUP: Final = _ID + f"{{1,{headers.ID_CHARACTERS_MAX}}}"


def _text(pattern: str | None = None, **limits: Any) -> Schema:
    return {"type": "string", **limits} | ({} if pattern is None else {"pattern": pattern})


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": schema}


_TIMES: Final = (_text(format="date-time"), _text(format="date"))
_PRINCIPAL_ID: Final = _text(f"^{_ID}*$", maxLength=headers.ID_CHARACTERS_MAX)
_EMAIL: Final = _text(
    r"^([^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+)?$", maxLength=headers.EMAIL_CHARACTERS_MAX
)
_GROUPS: Final = _text(f"^ *({_GROUP} *)?(, *({_GROUP} *)?){{0,{headers.GROUPS_MAX - 1}}}$")

REQUEST_HEADERS: Final[dict[str, Schema]] = {
    "IfMatch": _header(
        "If-Match",
        "Carry the write out only if the object is in a state with one of these `ETag`s; `*` is any.",
        _text(rf"^(\*|{_TAG}( *, *{_TAG})*)$"),
    ),
    "IfNoneMatch": _header(
        "If-None-Match",
        "`ETag`s that the reader has: 304 if the object's is among them. What is no list of tags is ignored.",
        _text(),
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "Makes the write safe to repeat. Visible ASCII, plain or in double quotes, which are not part of it.",
        _text(
            rf'^([!#-~]{_VISIBLE}{{0,{headers.KEY_CHARACTERS_MAX - 1}}}|"([!#-\[\]-~]|\\["\\]){{1,255}}")$'
        ),
    ),
    "ChangeReason": _header(
        "X-Change-Reason",
        f"Why the change is made, kept in its event: 1 to {headers.REASON_CHARACTERS_MAX:,} characters, none "
        "of them control, as UTF-8 or percent-encoded UTF-8.",
        _text("^[ -$&-~]*[!-$&-~][ -$&-~]*$", maxLength=headers.REASON_CHARACTERS_MAX),
    ),
    "LastEventId": _header(
        "Last-Event-ID",
        "Id of the last event that came: go on behind it, whatever `after` says. Empty: none came yet.",
        _text("^[0-9]{0,18}$"),
    ),
    "RequestId": _header(
        "X-Request-Id",
        f"An id of the caller's own, for the logs of both sides: up to {REQUEST_ID_CHARACTERS_MAX} letters "
        "and digits of ASCII, `-` and `_`. Anything else is replaced by a new id.",
        _text(),
    ),
    "PrincipalId": _header(
        "X-NMP-Principal-Id", "Who is calling. Empty or missing: anonymous.", _PRINCIPAL_ID
    ),
    "PrincipalEmail": _header("X-NMP-Principal-Email", "The caller's email address.", _EMAIL),
    "PrincipalGroups": _header(
        "X-NMP-Principal-Groups", f"Up to {headers.GROUPS_MAX} groups of the caller, by commas.", _GROUPS
    ),
    "OnBehalfOf": _header("X-NMP-Principal-On-Behalf-Of", "On whose behalf the caller acts.", _PRINCIPAL_ID),
    "OnBehalfOfEmail": _header("X-NMP-Principal-On-Behalf-Of-Email", "Email address of that one.", _EMAIL),
    "OnBehalfOfGroups": _header("X-NMP-Principal-On-Behalf-Of-Groups", "Groups of that one.", _GROUPS),
}
OF_WRITES: Final = ("IfMatch", "IdempotencyKey", "ChangeReason")
OF_OBJECTS: Final = ("IfNoneMatch",)
OF_STREAMS: Final = ("LastEventId",)
OF_EVERY_REQUEST: Final = tuple(
    name for name in REQUEST_HEADERS if name not in (*OF_WRITES, *OF_OBJECTS, *OF_STREAMS)
)

SECURITY_SCHEMES: Final[dict[str, Schema]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer, where the service is set to know callers by tokens.",
    },
    "gateway": {
        "type": "apiKey",
        "in": "header",
        "name": "X-NMP-Principal-Id",
        "description": "Set by a gateway, where the service is set to believe it. Callers cannot set it.",
    },
}

RESPONSE_HEADERS: Final[dict[str, Schema]] = {
    "X-Request-Id": {
        "description": "Id of this request in the logs.",
        "schema": _text(f"^[A-Za-z0-9_-]{{1,{REQUEST_ID_CHARACTERS_MAX}}}$"),
    },
    "Vary": {"description": "Request headers that the answer depends on.", "schema": _text()},
    "ETag": {
        "description": "State of the object, for `If-Match` and `If-None-Match`.",
        "schema": _text(r'^"[0-9]+(\.[0-9]+)?(-r)?"$'),
    },
    "Idempotency-Replayed": {
        "description": "Sent if this is the first answer again, to a repeated `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
    },
    "Dry-Run": {
        "description": "Sent if the write was not carried out: the answer is to a dry run.",
        "schema": {"type": "string", "const": "true"},
    },
    "X-Should-Retry": {
        "description": "Sent if repeating the request as it is would not help.",
        "schema": {"type": "string", "const": "false"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "Sent where tokens are what callers are known by; says what is wrong with one.",
        "schema": _text(),
    },
    "Cache-Control": {"description": "Caches keep nothing of this.", "schema": _text()},
    "X-Accel-Buffering": {
        "description": "Proxies pass on what comes at once.",
        "schema": {"type": "string", "const": "no"},
    },
    "Allow": {"description": "Methods that the path has.", "schema": _text()},
}


def of_path(name: str) -> Schema:
    """A parameter of the path; what names nothing is answered 404, or as the operation says."""
    if name == "version":
        schema: Schema = {"type": "integer", "minimum": 1}
    else:
        schema = _text(minLength=1)
    return {"name": name, "in": "path", "required": True, "description": meaning(name), "schema": schema}


def of_query(documented: Documented, schemas: Schemas) -> list[Schema]:
    """The parameters of the query, filters last."""
    parameters: list[Schema] = []
    if documented.query is not None:
        parameters += _declared(documented.query)
    if "write" in documented.traits:
        parameters += _declared(DryRunQuery)
    if "filtered-deployments" in documented.traits:
        parameters += _filters("DeploymentFilter", DEPLOYMENT_FIELDS, schemas)
    if "filtered-configs" in documented.traits:
        parameters += _filters("DeploymentConfigFilter", DEPLOYMENT_CONFIG_FIELDS, schemas)
    return parameters


def _declared(query: type[msgspec.Struct]) -> list[Schema]:
    # Collected apart: a query is no component.
    described = Schemas().described(query, "query")
    required = described.get("required", ())
    return [
        _of_query(name, schema.pop("description"), _without_null(schema))
        | ({"required": True} if name in required else {})
        for name, schema in described["properties"].items()
    ]


def _without_null(schema: Schema) -> Schema:
    """The schema of a parameter that may be left out; a query has no null."""
    if "null" not in schema.get("type", ()):
        return schema
    [only] = [kind for kind in schema["type"] if kind != "null"]
    return {word: value for word, value in schema.items() if word != "default"} | {"type": only}


def _of_query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _filters(name: str, fields: Mapping[str, Field], schemas: Schemas) -> list[Schema]:
    conditions = {Kind.TEXT: "TextCondition", Kind.TIMESTAMP: "TimeCondition"}
    text = _text(WITHOUT_NUL)
    schemas.components["TextCondition"] = _condition("TextCondition", [text], {"$like": text})
    schemas.components["TimeCondition"] = _condition("TimeCondition", _TIMES, {})
    described = {field: reference(conditions[of.kind]) for field, of in fields.items()}
    schemas.components[name] = _combinable(
        name,
        "Conditions on fields, which all have to hold, or a combination of such filters.",
        {"type": "object", "minProperties": 1, "properties": described, "additionalProperties": False},
    )
    whole = {
        "name": "filter",
        "in": "query",
        "description": "A filter as JSON. Instead, it may be written as text: comparisons such as "
        '`name:"llama"`, `name~"part"`, `created_at>="2026-01-31"`, `name IN ["a","b"]` or `project:null`, '
        "joined by `AND` and `OR`, negated by a leading `-`, grouped by parentheses. It counts before all "
        "`filter[...]` parameters. These take operators in more brackets: `filter[name][$like]=part`, "
        f"`filter[name][$in]=a,b`. A filter has up to {CONDITIONS_MAX} conditions and "
        f"{FILTER_CHARACTERS_MAX:,} characters.",
        "content": {"application/json": {"schema": reference(name)}},
    }
    return [whole, *(_bracketed(field, of.kind) for field, of in fields.items())]


def _bracketed(field: str, kind: Kind) -> Schema:
    meaning = f"`{field}` has this value; empty: it is unset."
    if kind is Kind.TIMESTAMP:
        schema: Schema = {"anyOf": [*_TIMES, {"type": "string", "const": ""}]}
        return _of_query(
            f"filter[{field}]", f"{meaning} `filter[{field}][$gte]` and so on: it is not before.", schema
        )
    # What begins like JSON is JSON, and what has commas is a list, for other operators.
    schema = _text(r"^([^,{\[\u0000][^,\u0000]*)?$")
    return _of_query(
        f"filter[{field}]", f"{meaning} `filter[{field}][$like]` and so on: it contains.", schema
    )


def _condition(name: str, operands: Sequence[Schema], more: Schema) -> Schema:
    operand = operands[0] if len(operands) == 1 else {"anyOf": operands}
    nullable = {"anyOf": [*operands, {"type": "null"}]}
    several = {"type": "array", "items": nullable}
    orders = dict.fromkeys(("$lt", "$lte", "$gt", "$gte"), operand)
    operators = {"$eq": nullable, **more, **orders, "$in": several, "$nin": several}
    return _combinable(
        name,
        "A value that the field has (null: it is unset), operators that all have to hold, or a combination.",
        nullable,
        {"type": "object", "minProperties": 1, "properties": operators, "additionalProperties": False},
    )


def _combinable(name: str, description: str, *plain: Schema) -> Schema:
    several = {"type": "array", "minItems": 1, "items": reference(name)}
    parts = {"$and": several, "$or": several, "$not": reference(name)}
    combinations = [
        {"type": "object", "required": [key], "properties": {key: part}, "additionalProperties": False}
        for key, part in parts.items()
    ]
    return {"description": description, "anyOf": [*plain, *combinations]}
