"""Conditions on the rows of a list, and their SQL.

A condition is true or false of a row, never unknown: what compares an unset value is false, and `Not` of that
is true. Text compares by code point. User text reaches PostgreSQL only as parameters, columns come only from
the tables of fields below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from string import ascii_lowercase, ascii_uppercase
from typing import Final, Literal, TypeAlias, assert_never

import msgspec
from psycopg import sql

from domain.names import ALL_WORKSPACES

Operand: TypeAlias = str | datetime
Parameters: TypeAlias = dict[str, str | datetime | list[Operand]]


class Equal(msgspec.Struct, frozen=True):
    """The field has this value; None means that it is unset."""

    field: str
    operand: Operand | None


class OneOf(msgspec.Struct, frozen=True):
    """The field has one of these values, of which None means unset; of no values it has none."""

    field: str
    operands: tuple[Operand | None, ...]


class Ordered(msgspec.Struct, frozen=True):
    """The field is set and stands in this order to the operand."""

    field: str
    operator: Literal["<", "<=", ">", ">="]
    operand: Operand


class Contains(msgspec.Struct, frozen=True):
    """The field is set and contains the text, where `A` to `Z` equal `a` to `z`."""

    field: str
    text: str


class And(msgspec.Struct, frozen=True):
    """All of them hold."""

    conditions: tuple[Condition, ...]


class Or(msgspec.Struct, frozen=True):
    """At least one of them holds."""

    conditions: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True):
    """The condition does not hold."""

    condition: Condition


Condition: TypeAlias = Equal | OneOf | Ordered | Contains | And | Or | Not


class Kind(Enum):
    """What operands a field takes: text, or aware date-times."""

    TEXT = "text"
    TIMESTAMP = "timestamp"


class Field(msgspec.Struct, frozen=True):
    """A field that conditions may name; `expression` is its column, or the value that all rows share."""

    expression: sql.Composable
    kind: Kind = Kind.TEXT


def all_of(conditions: Sequence[Condition]) -> Condition:
    """The conjunction in its simplest form: without an `And` of one, or an `And` directly in another."""
    parts = [part for condition in conditions for part in _conjuncts(condition)]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """The disjunction in its simplest form: without an `Or` of one, or an `Or` directly in another."""
    parts: list[Condition] = []
    for condition in conditions:
        parts.extend(condition.conditions if isinstance(condition, Or) else [condition])
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def in_workspace(condition: Condition | None, workspace: str) -> Condition | None:
    """`condition` within the workspace of a path, so that no filter reaches out of it.

    `-` means all workspaces, as the path's and in a top-level `workspace` equality.
    """
    everywhere = Equal("workspace", ALL_WORKSPACES)
    parts = [] if condition is None else [part for part in _conjuncts(condition) if part != everywhere]
    if workspace != ALL_WORKSPACES:
        parts.insert(0, Equal("workspace", workspace))
    return all_of(parts) if parts else None


def named_workspace(condition: Condition | None) -> str | None:
    """The one workspace that a condition is about, by a top-level equality; None if it names none or all."""
    for part in () if condition is None else _conjuncts(condition):
        if isinstance(part, Equal) and part.field == "workspace" and isinstance(part.operand, str):
            return None if part.operand == ALL_WORKSPACES else part.operand
    return None


def within(condition: Condition | None, workspaces: Sequence[str] | None) -> Condition | None:
    """`condition` within some workspaces, whatever it says itself; None stands for all of them."""
    if workspaces is None:
        return condition
    allowed = OneOf("workspace", tuple(workspaces))
    return allowed if condition is None else all_of([allowed, condition])


def compile(  # noqa: A001 - read as `criteria.compile`
    condition: Condition | None, fields: Mapping[str, Field]
) -> tuple[sql.Composable, Parameters]:
    """SQL that may stand beside AND and OR as it is, and its parameters by names that start with `criteria_`.

    Every field that the condition names has to be in `fields`.
    """
    if condition is None:
        return sql.SQL("TRUE"), {}
    parameters: Parameters = {}
    return _compile(condition, fields, parameters), parameters


def _conjuncts(condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, And) else (condition,)


def _compile(  # noqa: PLR0911 - one return for each kind of condition
    condition: Condition, fields: Mapping[str, Field], parameters: Parameters
) -> sql.Composable:
    match condition:
        case Equal(field=field, operand=operand):
            return _equal(fields[field].expression, operand, parameters)
        case OneOf(field=field, operands=operands):
            return _one_of(fields[field].expression, operands, parameters)
        case Ordered(field=field, operator=operator, operand=operand):
            comparison = sql.SQL("{} " + operator + " {}")
            return comparison.format(fields[field].expression, _bind(operand, parameters))
        case Contains(field=field, text=text):
            # In the "C" collation `lower` changes ASCII letters only, whatever the database's locale is.
            contains = sql.SQL('strpos(lower({} COLLATE "C"), {}) > 0')
            return contains.format(fields[field].expression, _bind(text.translate(_ASCII_LOWER), parameters))
        case And(conditions=conditions):
            return _joined(" AND ", "TRUE", [_compile(part, fields, parameters) for part in conditions])
        case Or(conditions=conditions):
            return _joined(" OR ", "FALSE", [_compile(part, fields, parameters) for part in conditions])
        case Not(condition=negated):
            # A plain NOT would leave the unknown of a comparison with an unset value unknown.
            return sql.SQL("(({}) IS NOT TRUE)").format(_compile(negated, fields, parameters))
        case _:
            assert_never(condition)


def _bind(value: Operand | list[Operand], parameters: Parameters) -> sql.Placeholder:
    name = f"criteria_{len(parameters)}"
    parameters[name] = value
    return sql.Placeholder(name)


def _equal(expression: sql.Composable, operand: Operand | None, parameters: Parameters) -> sql.Composable:
    if operand is None:
        return sql.SQL("{} IS NULL").format(expression)
    return sql.SQL("{} = {}").format(expression, _bind(operand, parameters))


def _one_of(
    expression: sql.Composable, operands: tuple[Operand | None, ...], parameters: Parameters
) -> sql.Composable:
    values = [operand for operand in operands if operand is not None]
    alternatives: list[sql.Composable] = []
    if values:
        alternatives.append(sql.SQL("{} = ANY({})").format(expression, _bind(values, parameters)))
    if None in operands:
        alternatives.append(sql.SQL("{} IS NULL").format(expression))
    return _joined(" OR ", "FALSE", alternatives)


def _joined(
    connective: Literal[" AND ", " OR "], none: Literal["TRUE", "FALSE"], parts: list[sql.Composable]
) -> sql.Composable:
    if not parts:
        return sql.SQL(none)
    return parts[0] if len(parts) == 1 else sql.SQL("({})").format(sql.SQL(connective).join(parts))


def _columns(*names: str, kind: Kind = Kind.TEXT) -> dict[str, Field]:
    return {name: Field(sql.Identifier(name), kind) for name in names}


_ASCII_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)

_COMMON_FIELDS: Final = {
    **_columns("id", "name", "project"),
    # The collation is that of the indexes for lists; it compares by code point, as "C" does.
    "workspace": Field(sql.SQL('workspace COLLATE "POSIX"')),
    **_columns("created_at", "updated_at", kind=Kind.TIMESTAMP),
}
DEPLOYMENT_FIELDS: Final[Mapping[str, Field]] = {
    **_COMMON_FIELDS,
    **_columns("config", "model_provider_id", "status", "status_message"),
    "entity_type": Field(sql.SQL("('model_deployment'::text COLLATE \"C\")")),
}
DEPLOYMENT_CONFIG_FIELDS: Final[Mapping[str, Field]] = {
    **_COMMON_FIELDS,
    **_columns("description", "model_entity_id"),
    "entity_type": Field(sql.SQL("('model_deployment_config'::text COLLATE \"C\")")),
}
