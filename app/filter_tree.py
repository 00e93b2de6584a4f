"""The tree that all spellings of a filter come down to, read into a condition.

    tree    := { field: value, ... }                    all must hold
             | { "$and": [tree, ...] } | { "$or": [tree, ...] } | { "$not": tree }
    value   := scalar | null                            the same as { "$eq": ... }
             | { operator: operand, ... }               all must hold
             | { "$and": [value, ...] } | { "$or": [value, ...] } | { "$not": value }

Who makes the tree bounds its depth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, NoReturn, TypeAlias

from projections.criteria import (
    Condition,
    Contains,
    Equal,
    Field,
    Kind,
    Not,
    OneOf,
    Operand,
    Ordered,
    all_of,
    any_of,
)

LOGICAL_OPERATORS: Final = frozenset({"$and", "$or", "$not"})


class BadFilter(Exception):
    """A `filter` parameter cannot be read or is not one of this list; answered with 400."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def read_tree(tree: object, fields: Mapping[str, Field]) -> Condition:
    """The condition that the tree means, its operands as their fields need them; raises `BadFilter`."""
    if not isinstance(tree, dict):
        raise BadFilter(f"A filter has to be an object of fields, not {_shown(tree)}")
    if not tree:
        raise BadFilter("No valid filter criteria found")
    _refuse_siblings(tree, "Top-level filter")
    return all_of(
        [
            _logical(key, value, lambda part: read_tree(part, fields))
            if key in LOGICAL_OPERATORS
            else _read_value(key, value, fields)
            for key, value in tree.items()
        ]
    )


def split_list(text: str) -> list[str]:
    """The elements of a comma-separated list, without the blanks around them."""
    return [element.strip() for element in text.split(",")] if text.strip() else []


def _read_value(name: str, value: object, fields: Mapping[str, Field]) -> Condition:
    if name not in fields:
        _refuse_field(name, fields)
    if not isinstance(value, dict):
        return _equal(name, fields[name], value)
    if not value:
        raise BadFilter(f'Field \'{name}\' filter has no operator, for example {{"$eq": "text"}}')
    _refuse_siblings(value, f"Field '{name}' filter")
    return all_of(
        [
            _logical(key, operand, lambda part: _read_value(name, part, fields))
            if key in LOGICAL_OPERATORS
            else _operation(name, key, operand, fields)
            for key, operand in value.items()
        ]
    )


def _refuse_field(name: str, fields: Mapping[str, Field]) -> NoReturn:
    raise BadFilter(f"Unknown filter field '{name}'. Valid fields: {sorted(fields)}")


def _refuse_siblings(tree: Mapping[str, object], what: str) -> None:
    if len(tree) > 1 and not LOGICAL_OPERATORS.isdisjoint(tree):
        raise BadFilter(
            f"{what} mixes a logical operator with sibling keys ({sorted(tree)}); "
            "wrap the siblings inside the logical operator or under an explicit $and"
        )


def _logical(operator: str, operand: object, read: Callable[[object], Condition]) -> Condition:
    if operator == "$not":
        return Not(read(operand))
    if not isinstance(operand, list) or not operand:
        raise BadFilter(f"'{operator}' needs a list of at least one condition, not {_shown(operand)}")
    conditions = [read(part) for part in operand]
    return all_of(conditions) if operator == "$and" else any_of(conditions)


def _operation(name: str, operator: str, operand: object, fields: Mapping[str, Field]) -> Condition:
    if not operator.startswith("$"):
        _refuse_field(f"{name}.{operator}", fields)
    read = _OPERATIONS.get(operator)
    if read is None:
        raise BadFilter(f"'{operator}' is not a valid FilterOperator")
    return read(name, fields[name], operand)


def _equal(name: str, field: Field, operand: object) -> Condition:
    return Equal(name, _operand_or_null(name, field, operand))


def _contains(name: str, field: Field, operand: object) -> Condition:
    if field.kind is not Kind.TEXT:
        raise BadFilter(f"Field '{name}' is no text, so '$like' does not apply to it")
    return Contains(name, _text(name, operand))


def _ordered(operator: Literal["<", "<=", ">", ">="]) -> _Operation:
    return lambda name, field, operand: Ordered(name, operator, _OPERANDS[field.kind](name, operand))


def _one_of(name: str, field: Field, operand: object) -> Condition:
    if isinstance(operand, str):
        operand = split_list(operand)
    if not isinstance(operand, list):
        raise BadFilter(f"Field '{name}' needs a list for '$in' and '$nin', not {_shown(operand)}")
    return OneOf(name, tuple(_operand_or_null(name, field, element) for element in operand))


def _operand_or_null(name: str, field: Field, operand: object) -> Operand | None:
    return None if operand is None else _OPERANDS[field.kind](name, operand)


def _text(name: str, operand: object) -> str:
    if not isinstance(operand, str):
        hint = " (a list is for '$in' and '$nin'; a text with commas has to be sent as JSON)"
        raise BadFilter(
            f"Field '{name}' needs a text, not {_shown(operand)}{hint if isinstance(operand, list) else ''}"
        )
    if _UNSTORABLE.search(operand) is not None:
        raise BadFilter(f"Field '{name}' needs a text without NUL characters and lone surrogates")
    return operand


def _timestamp(name: str, operand: object) -> datetime:
    """Digits beyond microseconds are cut off; without an offset it is UTC."""
    text = _text(name, operand).upper()
    try:
        if _ISO_8601.fullmatch(text) is None:
            raise ValueError  # noqa: TRY301 - refused like a date that does not exist
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadFilter(
            f"Field '{name}' needs an ISO 8601 time such as 2026-01-31T12:00:00Z, not {_shown(operand)}"
        ) from None


def _shown(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[:_SHOWN_MAX]}..."


_Operation: TypeAlias = Callable[[str, Field, object], Condition]

_OPERANDS: Final[Mapping[Kind, Callable[[str, object], Operand]]] = {
    Kind.TEXT: _text,
    Kind.TIMESTAMP: _timestamp,
}
_OPERATIONS: Final[Mapping[str, _Operation]] = {
    "$eq": _equal,
    "$like": _contains,
    "$lt": _ordered("<"),
    "$lte": _ordered("<="),
    "$gt": _ordered(">"),
    "$gte": _ordered(">="),
    "$in": _one_of,
    "$nin": lambda name, field, operand: Not(_one_of(name, field, operand)),
}
_SHOWN_MAX: Final = 100  # characters of a bad operand that an error repeats
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_ISO_8601: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?", re.ASCII
)
