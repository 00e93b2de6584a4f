"""Filters of lists in their three spellings: what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from projections.criteria import (
    And,
    Condition,
    Contains,
    Equal,
    Not,
    OneOf,
    Or,
    Ordered,
)
from tests.support.filters import NOON, READY, X, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name": "x"}', X),
        (' {"name": {"$eq": "x"}} ', X),
        ('{"name": "y", "name": "x"}', X),
        ('{"project": null}', Equal("project", None)),
        ('{"name": "x", "status": "READY"}', And((X, READY))),
        ('{"$and": [{"name": "x"}, {"status": "READY"}]}', And((X, READY))),
        ('{"$or": [{"name": "x"}, {"status": "READY"}]}', Or((X, READY))),
        ('{"$or": [{"name": "x"}]}', X),
        ('{"$not": {"name": "x"}}', Not(X)),
        ('{"name": {"$not": {"$eq": "x"}}}', Not(X)),
        ('{"name": {"$or": [{"$eq": "x"}, {"$like": "y"}]}}', Or((X, Contains("name", "y")))),
        (
            '{"name": {"$and": [{"$gt": "a"}, {"$lt": "b"}]}}',
            And((Ordered("name", ">", "a"), Ordered("name", "<", "b"))),
        ),
        (
            '{"name": {"$gte": "a", "$lte": "b"}}',
            And((Ordered("name", ">=", "a"), Ordered("name", "<=", "b"))),
        ),
        ('{"name": {"$in": ["a,b", null]}}', OneOf("name", ("a,b", None))),
        ('{"name": {"$in": "a , b"}}', OneOf("name", ("a", "b"))),
        ('{"name": {"$in": []}}', OneOf("name", ())),
        ('{"name": {"$nin": ["x"]}}', Not(OneOf("name", ("x",)))),
        ('{"name": {"$like": "%_\\\\"}}', Contains("name", "%_\\")),
        ('{"status_message": ""}', Equal("status_message", "")),
        ('{"workspace": "-"}', Equal("workspace", "-")),
        ('{"entity_type": "model_deployment"}', Equal("entity_type", "model_deployment")),
        ('{"created_at": {"$gte": "2026-01-31T12:00:00Z"}}', Ordered("created_at", ">=", NOON)),
    ],
)
def test_json_spelling(text: str, expected: Condition) -> None:
    """Text that starts with a brace is a tree of fields, operators and operands."""
    assert expected == parse(("filter", text))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("filter[name]", "x")], X),
        ([("filter[name][$eq]", "x")], X),
        ([("filter[name][eq]", "x")], X),
        ([("filter[name][$like]", "x")], Contains("name", "x")),
        ([("filter[name][like]", "x")], Contains("name", "x")),
        ([("filter[name][gt]", "x")], Ordered("name", ">", "x")),
        ([("filter[name][gte]", "x")], Ordered("name", ">=", "x")),
        ([("filter[name][lt]", "x")], Ordered("name", "<", "x")),
        ([("filter[name][lte]", "x")], Ordered("name", "<=", "x")),
        ([("filter[name][$in]", "a, b")], OneOf("name", ("a", "b"))),
        ([("filter[name][$in]", "a")], OneOf("name", ("a",))),
        ([("filter[name][in]", '["a,b"]')], OneOf("name", ("a,b",))),
        ([("filter[name][$in]", "")], OneOf("name", ())),
        ([("filter[name][nin]", "a,b")], Not(OneOf("name", ("a", "b")))),
        ([("filter[name][not][eq]", "x")], Not(X)),
        ([("filter[name][not]", "x")], Not(X)),
        ([("filter[project]", "")], Equal("project", None)),
        ([("filter[name]", "null")], Equal("name", "null")),
        ([("filter[name]", '{"$like": "x"}')], Contains("name", "x")),
        ([("filter[$not]", '{"name": "x"}')], Not(X)),
        ([("filter[$not][name]", "x")], Not(X)),
        ([("filter[name]", "x"), ("filter[status]", "READY")], And((X, READY))),
        (
            [("filter[name][not][gt]", "a"), ("filter[name][not][lt]", "b")],
            Not(And((Ordered("name", ">", "a"), Ordered("name", "<", "b")))),
        ),
        ([("filter[created_at][$gte]", "2026-01-31T12:00:00Z")], Ordered("created_at", ">=", NOON)),
    ],
)
def test_bracket_spelling(pairs: Sequence[tuple[str, str]], expected: Condition) -> None:
    """Each parameter is a way into the tree and the value that stands there."""
    assert expected == parse(*pairs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name:"x"', X),
        (' name : "x" ', X),
        ('name~"x"', Contains("name", "x")),
        ('name>"x"', Ordered("name", ">", "x")),
        ('name>="x"', Ordered("name", ">=", "x")),
        ('name<"x"', Ordered("name", "<", "x")),
        ('name<="x"', Ordered("name", "<=", "x")),
        ('name IN ["a", "b"]', OneOf("name", ("a", "b"))),
        ("name in[]", OneOf("name", ())),
        ('name NOT IN ["a",null]', Not(OneOf("name", ("a", None)))),
        ("project:null", Equal("project", None)),
        ('name:"x" AND status:"READY"', And((X, READY))),
        ('name:"x" status:"READY"', And((X, READY))),
        ('name:"x"status:"READY"', And((X, READY))),
        ('name:"x" or status:"READY"', Or((X, READY))),
        ('project:null OR name:"x" and status:"READY"', Or((Equal("project", None), And((X, READY))))),
        ('(project:null OR name:"x") status:"READY"', And((Or((Equal("project", None), X)), READY))),
        ('-name:"x"', Not(X)),
        ('- ( name:"x" OR status:"READY" )', Not(Or((X, READY)))),
        ('name:"x" -status:"READY"', And((X, Not(READY)))),
        (r'name:"a\"b\\c\u00e9\n"', Equal("name", 'a"b\\cé\n')),
        ('name:"a\tb,c"', Equal("name", "a\tb,c")),
        ('created_at>="2026-01-31T12:00:00Z"', Ordered("created_at", ">=", NOON)),
    ],
)
def test_text_spelling(text: str, expected: Condition) -> None:
    """Any other text is comparisons, joined, grouped and negated."""
    assert expected == parse(("filter", text))


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000000",
        "2026-01-31 12:00",
        "2026-01-31t12:00:00z",
        "2026-01-31T14:00:00+02:00",
        "2026-01-31T09:30:00-0230",
        "2026-02-01T02:00:00+14",
        "2026-01-31T12:00:00.0000009Z",
    ],
)
def test_times_are_converted_to_utc(written: str) -> None:
    """An offset is converted, none means UTC, and microseconds are the finest."""
    assert Equal("created_at", NOON) == parse(("filter[created_at]", written))


def test_a_date_is_its_first_moment() -> None:
    """A date alone stands for midnight in UTC."""
    assert Ordered("updated_at", "<", datetime(2026, 1, 31, tzinfo=UTC)) == parse(
        ("filter", 'updated_at<"2026-01-31"')
    )


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], None),
        ([("search", "x"), ("Filter", "x"), ("name", "x"), ("filters", "x"), ("search[name]", "x")], None),
        ([("filter", 'name:"y"'), ("filter", 'name:"x"')], X),
        ([("filter[name]", "y"), ("filter[name]", "x")], X),
        ([("filter[nonsense", "y"), ("filter", 'name:"x"'), ("filter[status]", "READY")], X),
    ],
)
def test_which_parameters_count(pairs: Sequence[tuple[str, str]], expected: Condition | None) -> None:
    """`filter` beats brackets, the last of equal ones counts, and other parameters are no filters."""
    assert expected == parse(*pairs)
