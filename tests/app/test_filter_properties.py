"""Filters of any content: all spellings agree, and whatever is sent is refused or runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from app.filters import BadFilter
from projections import criteria
from projections.criteria import (
    DEPLOYMENT_FIELDS,
    And,
    Condition,
    Contains,
    Equal,
    Kind,
    Not,
    OneOf,
    Or,
    Ordered,
    all_of,
    any_of,
)
from tests.support.filters import parse, refusal

# The same condition in three spellings.

operand_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
operand_times = st.datetimes(timezones=st.just(UTC))


def operands(field: str) -> st.SearchStrategy[str | datetime]:
    """Values that a field may be compared with."""
    return operand_times if DEPLOYMENT_FIELDS[field].kind is Kind.TIMESTAMP else operand_texts


def comparisons_of(field: str) -> st.SearchStrategy[Condition]:
    """Every comparison there is, on one field."""
    values = operands(field)
    one_of = st.builds(OneOf, st.just(field), st.lists(st.none() | values, max_size=3).map(tuple))
    comparisons = [
        st.builds(Equal, st.just(field), st.none() | values),
        st.builds(Ordered, st.just(field), st.sampled_from(["<", "<=", ">", ">="]), values),
        one_of,
        one_of.map(Not),
    ]
    if DEPLOYMENT_FIELDS[field].kind is Kind.TEXT:
        comparisons.append(st.builds(Contains, st.just(field), values))
    return st.one_of(comparisons)


comparisons = st.sampled_from(sorted(DEPLOYMENT_FIELDS)).flatmap(comparisons_of)
conditions = st.recursive(
    comparisons | comparisons.map(Not),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(all_of),
        st.lists(inner, min_size=2, max_size=3).map(any_of),
        st.lists(inner, min_size=2, max_size=3).map(any_of).map(Not),
    ),
    max_leaves=5,
)

OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


def written(operand: str | datetime | None) -> str | None:
    """An operand as JSON carries it."""
    return operand.isoformat() if isinstance(operand, datetime) else operand


def as_comparison(condition: Condition) -> tuple[str, str, object]:
    """Field, operator and operand of a comparison as JSON carries them."""
    match condition:
        case Equal(field=field, operand=operand):
            return field, "$eq", written(operand)
        case Contains(field=field, text=text):
            return field, "$like", text
        case Ordered(field=field, operator=sign, operand=operand):
            return field, OPERATORS[sign], written(operand)
        case OneOf(field=field, operands=operands):
            return field, "$in", [written(operand) for operand in operands]
        case Not(condition=OneOf(field=field, operands=operands)):
            return field, "$nin", [written(operand) for operand in operands]
    raise TypeError(condition)


def as_tree(condition: Condition) -> dict[str, object]:
    """The JSON spelling."""
    match condition:
        case And(conditions=parts):
            return {"$and": [as_tree(part) for part in parts]}
        case Or(conditions=parts):
            return {"$or": [as_tree(part) for part in parts]}
        case Not(condition=negated) if not isinstance(negated, OneOf):
            return {"$not": as_tree(negated)}
    field, operator, operand = as_comparison(condition)
    return {field: {operator: operand}}


SIGNS = {
    "$eq": ":",
    "$like": "~",
    "$lt": "<",
    "$lte": "<=",
    "$gt": ">",
    "$gte": ">=",
    "$in": " IN ",
    "$nin": " not in",
}


def as_text(condition: Condition) -> str:
    """The text spelling."""
    match condition:
        case And(conditions=parts):
            return "(" + " AND ".join(as_text(part) for part in parts) + ")"
        case Or(conditions=parts):
            return "(" + " OR ".join(as_text(part) for part in parts) + ")"
        case Not(condition=negated) if not isinstance(negated, OneOf):
            text = as_text(negated)
            return f"-{text}" if text.startswith("(") or not text.startswith("-") else f"-({text})"
    field, operator, operand = as_comparison(condition)
    return field + SIGNS[operator] + json.dumps(operand)


@given(conditions)
def test_json_and_text_spell_the_same_conditions(condition: Condition) -> None:
    """Every condition can be written in both ways, and reads back as itself."""
    assert condition == parse(("filter", json.dumps(as_tree(condition))))
    assert condition == parse(("filter", as_text(condition)))


def fits_brackets(condition: Condition) -> bool:
    """Whether the operand, as a parameter's value, is not taken for a list, JSON or null."""
    operand = as_comparison(condition)[2]
    return not isinstance(operand, str) or (operand[:1] not in {"", "{", "["} and "," not in operand)


@given(
    st.lists(
        comparisons.filter(fits_brackets),
        min_size=1,
        max_size=5,
        unique_by=lambda made: as_comparison(made)[:2],
    )
)
def test_brackets_spell_conjunctions_of_comparisons(made: list[Condition]) -> None:
    """Comparisons that must all hold can be written in all three ways."""
    made.sort(key=lambda condition: as_comparison(condition)[0])
    pairs = [
        (f"filter[{field}][{operator}]", json.dumps(operand) if isinstance(operand, list) else operand or "")
        for field, operator, operand in map(as_comparison, made)
    ]

    assert all_of(made) == parse(*pairs)
    assert all_of(made) == parse(("filter", json.dumps(as_tree(all_of(made)))))


# Whatever is sent.

FRAGMENTS = [
    *(
        "name",
        "project",
        "created_at",
        "status",
        "$and",
        "$or",
        "$not",
        "$in",
        "$like",
        "$eq",
        "$gt",
        "AND",
        "OR",
    ),
    *(
        '"',
        "'",
        "\\",
        "\\u0000",
        "\\ud800",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ":",
        "~",
        "<",
        ">=",
        ",",
        "-",
        " ",
        "null",
    ),
    *(
        "\0",
        "\ud800",
        "%s",
        "%(criteria_0)s",
        "%",
        ";",
        "--",
        "/*",
        "DROP TABLE listed",
        "1e999",
        "NaN",
        "5",
        "{}",
    ),
    *(
        '{"name":',
        '{"$like":',
        '"x"',
        'name:"x"',
        '-(name~"',
        '{"$or":[',
        "2026-01-01",
        "9999-12-31T23:59-14:00",
    ),
]
hostile = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=12).map("".join)
hostile_pairs = st.lists(
    st.tuples(
        st.just("filter")
        | st.lists(st.sampled_from(FRAGMENTS), max_size=3).map(
            lambda keys: "filter" + "".join(f"[{k}]" for k in keys)
        ),
        hostile,
    ),
    max_size=3,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection that runs each statement on its own."""
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=hostile_pairs)
def test_whatever_is_sent_is_refused_or_runs(
    connection: psycopg.Connection, pairs: list[tuple[str, str]]
) -> None:
    """No text does anything but give a reason that can be answered or a condition that PostgreSQL can run."""
    try:
        condition = parse(*pairs)
    except BadFilter as refused:
        refused.detail.encode()
        return

    where, parameters = criteria.compile(condition, DEPLOYMENT_FIELDS)
    query = sql.SQL("SELECT name FROM deployment_versions WHERE {}").format(where)
    assert [] == connection.execute(query, parameters).fetchall()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=hostile, spelling=st.sampled_from(["json", "brackets", "text"]))
def test_hostile_text_is_only_ever_a_value(connection: psycopg.Connection, text: str, spelling: str) -> None:
    """A quoted operand is compared as it is, or refused for what no text can hold."""
    text += "."
    quoted = json.dumps(text)
    pair = {
        "json": ("filter", f'{{"name": {quoted}}}'),
        "brackets": ("filter[name]", f'{{"$eq": {quoted}}}'),
        "text": ("filter", f"name:{quoted}"),
    }[spelling]
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        refusal(pair)
        return

    where, parameters = criteria.compile(parse(pair), DEPLOYMENT_FIELDS)

    query = sql.SQL(
        "SELECT name FROM (VALUES (%(given)s::text COLLATE \"C\"), ('other')) AS listed (name) WHERE {}"
    )
    found = connection.execute(query.format(where), {"given": text, **parameters}).fetchall()
    assert [(text,)] == found
