"""Filters that are too long, too deep or not storable: refused early and cheaply."""

from __future__ import annotations

import time

import pytest

from app.filters import CONDITIONS_MAX, FILTER_CHARACTERS_MAX, NESTING_MAX
from projections import criteria
from projections.criteria import DEPLOYMENT_FIELDS, And, Not, OneOf
from tests.support.filters import X, parse, refusal


@pytest.mark.parametrize(
    "pair",
    [
        ("filter", '{"name": "a\\u0000b"}'),
        ("filter", '{"name": {"$in": ["a", "\\u0000"]}}'),
        ("filter[name]", "a\0b"),
        ("filter[name][like]", "\0"),
        ("filter[name]", "\ud800"),
        ("filter[\ud800]", "x"),
        ("filter", 'name:"\ud800"'),
        ("filter", r'name:"\ud800"'),
        ("filter", r'name~"\u0000"'),
        ("filter", 'name>"\0"'),
    ],
)
def test_text_that_cannot_be_stored_is_refused(pair: tuple[str, str]) -> None:
    """NUL characters and lone surrogates never reach the database or an answer."""
    refusal(pair)[:100].encode()


def test_deep_filters_are_refused() -> None:
    """Depth is bounded before anything recurses, in every spelling."""
    expected = f"A filter may nest {NESTING_MAX} levels at most"
    levels = 5_000

    assert expected == refusal(("filter", '{"$not":' * levels + "{}" + "}" * levels))
    assert expected == refusal(("filter", '{"name":' + "[" * levels))
    assert expected == refusal(("filter[name]", "[" * levels))
    assert expected == refusal(("filter[name]" + "[not]" * levels, "x"))
    assert expected == refusal(("filter", "(" * levels))
    assert expected == refusal(("filter", "-(" * levels))


def test_as_deep_as_allowed_is_read() -> None:
    """The limit itself is far from what recursion can take, also in SQL."""
    text = 'name:"x"'
    for _ in range(NESTING_MAX):
        text = f'-(name:"x" OR name:"y" {text})'

    condition = parse(("filter", text))

    assert NESTING_MAX == criteria.compile(condition, DEPLOYMENT_FIELDS)[0].as_string().count("IS NOT TRUE")
    assert Not(Not(X)) == parse(("filter[name][not][not]", "x"))


def test_large_filters_are_refused() -> None:
    """Characters and conditions are bounded; a list counts as one condition."""
    long_list = ",".join(f"deployment-{number}" for number in range(3_000))
    many = " ".join(['name:"x"'] * (CONDITIONS_MAX - 1))

    assert refusal(("filter", "x" * (FILTER_CHARACTERS_MAX + 1))).startswith("A filter may be")
    assert refusal(*((f"filter[{n}]", "x" * 1_000) for n in range(100))).startswith("A filter may be")
    assert refusal(("filter", many + ' name:"x"')).startswith("A filter may have 500 conditions at most")
    assert And((X,) * (CONDITIONS_MAX - 1)) == parse(("filter", many))
    assert OneOf("name", tuple(long_list.split(","))) == parse(("filter[name][$in]", long_list))


@pytest.mark.parametrize(
    "text",
    [
        '{"\\"' + '\\"' * 30_000,
        "{" + '"' * 60_001,
        'name:"' + "\\\\" * 30_000,
        "-" * 60_000,
        " " * 65_000 + "x",
        "a" * 65_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """Reading is linear in the length, also of what is broken."""
    start = time.process_time()
    refusal(("filter", text))

    assert 1 > time.process_time() - start
