"""JSON Schemas of the very structs that requests are read into and answers are made of."""

from __future__ import annotations

import re
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, UnsetType

from app.documented import Page
from app.glossary import EXAMPLES, meaning
from app.scalars import INTEGER_MAX, INTEGER_MIN
from domain.names import NAME_LENGTH_MAX

Schema: TypeAlias = dict[str, Any]
Form: TypeAlias = Literal["request", "query", "answer", "listed"]
"""Requests and queries may leave out what has a default, answers have every key, items of lists no nulls."""

WITHOUT_NUL: Final = r"^[^\u0000]*$"
RULES: Final[dict[str, Schema]] = {
    "name": {"pattern": r"^[a-z](?!.*--)[a-z0-9\-._]{0,59}(?<!-)$", "maxLength": NAME_LENGTH_MAX},
    "model_entity_id": {
        "pattern": r"^([^/\u0000]*[^/\s\u0000][^/\u0000]*(/[^/\u0000]*[^/\s\u0000][^/\u0000]*)?)?$"
    },
}
"""What is demanded of a field of a body beyond its declared type; queries may ask for any text."""

_ASKED: Final = ("request", "query")
_SUFFIX: Final[dict[Form, str]] = {"request": "Input", "query": "Query", "answer": "", "listed": "Listed"}
_SCALARS: Final[dict[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer", "format": "int64"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"},
    None: {"type": "null"},
}
_LIMITS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
}
_FREE_VALUE: Final = "FreeValue"


class Schemas:
    """Schemas as the document refers to them; `components` are those that it refers to by name."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, declared: Any, form: Form) -> Schema:  # noqa: PLR0911 - one return for each kind of type
        """The schema of a declared type; TypeError for one that has none."""
        origin, arguments = get_origin(declared), get_args(declared)
        if isinstance(origin or declared, type) and issubclass(origin or declared, Struct):
            return self.named(declared, form)
        if origin is Annotated:
            return _limited(self.of(arguments[0], form), arguments[1:])
        if origin in (Union, UnionType):
            return _any_of([self.of(argument, form) for argument in arguments])
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin in (list, tuple):
            return {"type": "array", "items": self.of(arguments[0], form)}
        if origin is dict:
            return self._map(arguments[1], form)
        if declared is Any:
            return self._free(form)
        if declared in _SCALARS:
            return _SCALARS[declared] | _bounds(declared, form)
        message = f"{declared!r} has no schema: declare another type, or extend this function"
        raise TypeError(message)

    def named(self, declared: Any, form: Form, name: str | None = None) -> Schema:
        """A reference to the component of a struct, under its own name or a given one."""
        kind = get_origin(declared) or declared
        if form == "listed" and not _has_nullable(declared):
            form = "answer"
        if kind is Page:
            name = f"{get_args(declared)[0].__name__}Page"
        name = name or kind.__name__ + _SUFFIX[form]
        if name not in self.components:
            self.components[name] = {}  # known before its fields are, which may refer to it
            self.components[name] = self.described(declared, "listed" if kind is Page else form)
        return reference(name)

    def described(self, declared: Any, form: Form) -> Schema:
        """The schema of a struct itself."""
        kind = get_origin(declared) or declared
        properties = {}
        required = []
        for field in msgspec.structs.fields(declared):
            kinds = get_args(field.type)
            nullable = NoneType in kinds
            may_lack = not field.required if form in _ASKED else form == "listed" and nullable
            # Only where all nulls are left out, null is no value.
            declared_type = _without(NoneType, field.type) if form == "listed" and nullable else field.type
            if UnsetType in kinds:
                may_lack = True
                declared_type = _without(UnsetType, declared_type)
            described = {"description": meaning(field.encode_name), **self.of(declared_type, form)}
            properties[field.encode_name] = described | _of_requests(field, form)
            if not may_lack and not _omitted_by_default(kind, field, form):
                required.append(field.encode_name)
        described_object = {"type": "object", "description": _sentence(kind), "properties": properties}
        return described_object | ({"required": required} if required else {})

    def _map(self, values: Any, form: Form) -> Schema:
        names = {"propertyNames": {"pattern": WITHOUT_NUL}} if form in _ASKED else {}
        items = self.of(values, form)
        return {"type": "object", **names, "additionalProperties": items or True}

    def _free(self, form: Form) -> Schema:
        if form not in _ASKED:
            return {}
        if _FREE_VALUE not in self.components:
            self.components[_FREE_VALUE] = {
                "description": "Any JSON value without NUL characters, kept as it is.",
                "anyOf": [
                    {"type": ["null", "boolean", "number"]},
                    {"type": "string", "pattern": WITHOUT_NUL},
                    {"type": "array", "items": reference(_FREE_VALUE)},
                    {
                        "type": "object",
                        "propertyNames": {"pattern": WITHOUT_NUL},
                        "additionalProperties": reference(_FREE_VALUE),
                    },
                ],
            }
        return reference(_FREE_VALUE)


def reference(name: str, section: str = "schemas") -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{section}/{name}"}


def _limited(schema: Schema, annotations: tuple[Any, ...]) -> Schema:
    """The schema with a field's limits; null may stand beside them."""
    for meta in annotations:
        if isinstance(meta, Meta):
            limits = {word: getattr(meta, name) for name, word in _LIMITS.items()}
            schema = schema | {word: limit for word, limit in limits.items() if limit is not None}
            if "exclusiveMinimum" in schema:
                schema.pop("minimum", None)
            if meta.pattern is not None:
                # Python's `\Z` is the `$` of everybody else.
                schema = schema | {"pattern": re.sub(r"\\Z$", "$", meta.pattern)}
            schema = schema | (meta.extra_json_schema or {})
    return schema


def _bounds(declared: Any, form: Form) -> Schema:
    if form not in _ASKED:
        return {}
    if declared is int:
        return {"minimum": INTEGER_MIN, "maximum": INTEGER_MAX}
    return {"pattern": WITHOUT_NUL} if declared is str else {}


def _any_of(schemas: list[Schema]) -> Schema:
    """One of the schemas; null is joined to a plain type, which is how people write it."""
    null = _SCALARS[NoneType]
    others = [schema for schema in schemas if schema != null]
    if len(others) == 1 and isinstance(others[0].get("type"), str) and len(others) < len(schemas):
        [other] = others
        choices = {"enum": [*other["enum"], None]} if "enum" in other else {}
        return {**other, "type": [other["type"], "null"], **choices}
    return {"anyOf": schemas}


def _without(kind: type, declared: Any) -> Any:
    return Union[tuple(argument for argument in get_args(declared) if argument is not kind)]  # noqa: UP007


def _has_nullable(declared: Any) -> bool:
    """Whether the struct, or one inside it, has a field that may be null."""
    kinds = [field.type for field in msgspec.structs.fields(declared)]
    structs = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct)]
    return any(NoneType in get_args(kind) for kind in kinds) or any(map(_has_nullable, structs))


def _of_requests(field: Any, form: Form) -> Schema:
    """What only requests need to know of a field: rules beyond its type, its default, an example."""
    if form not in _ASKED:
        return {}
    schema = dict(RULES.get(field.name, {}) if form == "request" else {})
    if field.default is not NODEFAULT:
        schema["default"] = field.default
    elif field.default_factory is not NODEFAULT:
        schema["default"] = field.default_factory()
    if field.name in EXAMPLES:
        schema["examples"] = [EXAMPLES[field.name]]
    return schema


def _omitted_by_default(kind: type[Struct], field: Any, form: Form) -> bool:
    return form not in _ASKED and kind.__struct_config__.omit_defaults and not field.required


def _sentence(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())
