"""The three spellings of a list's filter in a query string: JSON, brackets and text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import msgspec

from app.filter_text import NESTING_MAX, parse_text
from app.filter_tree import LOGICAL_OPERATORS, BadFilter, read_tree, split_list
from projections.criteria import And, Condition, Field, Not, Or

__all__ = ["CONDITIONS_MAX", "FILTER_CHARACTERS_MAX", "NESTING_MAX", "BadFilter", "parse_filter"]

FILTER_CHARACTERS_MAX: Final = 65_536
"""Characters of all filter parameters of a request, names included."""

CONDITIONS_MAX: Final = 500
"""Comparisons and logical operators of a filter; the elements of a list count as one."""


def parse_filter(pairs: Sequence[tuple[str, str]], fields: Mapping[str, Field]) -> Condition | None:
    """The condition in the decoded parameters of a query, None if they hold no filter; raises `BadFilter`.

    A parameter `filter` counts before all in brackets, and of several equal ones the last.
    """
    used = {name: text for name, text in pairs if name == "filter" or name.startswith("filter[")}
    if "filter" in used:
        used = {"filter": used["filter"]}
    if not used:
        return None
    _refuse_unreadable(used)
    tree = _read_whole(used["filter"]) if "filter" in used else _read_brackets(used)
    condition = read_tree(tree, fields)
    if _size(condition) > CONDITIONS_MAX:
        raise BadFilter(
            f"A filter may have {CONDITIONS_MAX} conditions at most; '$in' takes a list of any length as one"
        )
    return condition


def _refuse_unreadable(parameters: Mapping[str, str]) -> None:
    if sum(len(name) + len(text) for name, text in parameters.items()) > FILTER_CHARACTERS_MAX:
        raise BadFilter(f"A filter may be {FILTER_CHARACTERS_MAX} characters long at most")
    if any(_SURROGATE.search(part) for parameter in parameters.items() for part in parameter):
        raise BadFilter("A filter has to be valid UTF-8")


def _read_whole(text: str) -> object:
    text = text.strip()
    if not text:
        raise BadFilter("Filter query cannot be empty")
    if not text.startswith("{"):
        return parse_text(text)
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise BadFilter(f"Invalid JSON in filter parameter: {error}") from None


def _read_brackets(parameters: Mapping[str, str]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for name, text in parameters.items():
        keys = _keys(name)
        _insert(tree, keys, _bracket_value(text, keys[-1]), name)
    return tree


def _keys(name: str) -> list[str]:
    """`filter[name][not][eq]` is the way to `{"name": {"$not": {"$eq": ...}}}`."""
    if _BRACKETS.fullmatch(name) is None:
        raise BadFilter(
            f"'{name}' is no filter parameter; it should look like filter[name] or filter[name][$like]"
        )
    field, *operators = name[len("filter[") : -1].split("][")
    if field in LOGICAL_OPERATORS - {"$not"}:
        raise BadFilter(f"'filter[{field}]' is not possible; send filter={{\"{field}\": [...]}} instead")
    if len(operators) >= NESTING_MAX:
        _refuse_depth()
    return [field, *(f"${word}" if word in _BARE_OPERATORS else word for word in operators)]


def _bracket_value(text: str, operator: str) -> object:
    if not text:
        # Clients that join lists by commas send a list without elements like this.
        return [] if operator in {"$in", "$nin"} else None
    if text[0] in "{[":
        try:
            return _decode(text)
        except msgspec.DecodeError:
            raise BadFilter(
                f"Invalid filter value: '{text}'. Array and object values must be valid JSON "
                'with proper quoting. Example: ["item1","item2"] not [item1,item2]'
            ) from None
    return split_list(text) if "," in text else text


def _insert(tree: dict[str, object], keys: Sequence[str], value: object, name: str) -> None:
    # Merged, not ANDed, so that two operators within one [not] are negated together, as in JSON.
    *way, last = keys
    for key in way:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            _refuse_contradiction(name)
        tree = branch
    if last in tree:
        _refuse_contradiction(name)
    tree[last] = value


def _refuse_contradiction(name: str) -> NoReturn:
    raise BadFilter(
        f"'{name}' contradicts another filter parameter on the same field; use one operator in each"
    )


def _decode(text: str) -> object:
    # Decoders recurse, so the depth has to be known before.
    depth = 0
    for match in _JSON_BRACKET.finditer(text):
        depth += _DEPTH_CHANGE.get(match[0], 0)
        if depth > NESTING_MAX:
            _refuse_depth()
    return msgspec.json.decode(text)


def _refuse_depth() -> NoReturn:
    raise BadFilter(f"A filter may nest {NESTING_MAX} levels at most")


def _size(condition: Condition) -> int:
    if isinstance(condition, And | Or):
        return 1 + sum(map(_size, condition.conditions))
    return 1 + _size(condition.condition) if isinstance(condition, Not) else 1


_BARE_OPERATORS: Final = frozenset({"gte", "lte", "gt", "lt", "like", "eq", "in", "nin", "not"})
_BRACKETS: Final = re.compile(r"filter(?:\[[^\[\]]*\])+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# Passes over a text as a whole, even one without an end: trying each of its quotes would take quadratic time.
_JSON_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DEPTH_CHANGE: Final[Mapping[str, int]] = {"[": 1, "{": 1, "]": -1, "}": -1}
