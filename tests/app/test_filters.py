"""Filters of lists in their three spellings: what they mean, and how they are refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from app.filters import CONDITIONS_MAX, FILTER_CHARACTERS_MAX, NESTING_MAX, BadFilter, parse_filter
from projections import criteria
from projections.criteria import (
    DEPLOYMENT_CONFIG_FIELDS,
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

VALID_FIELDS = (
    "['config', 'created_at', 'entity_type', 'id', 'model_provider_id', 'name', 'project', 'status', "
    "'status_message', 'updated_at', 'workspace']"
)
CONFIG_FIELDS = (
    "['created_at', 'description', 'entity_type', 'id', 'model_entity_id', 'name', 'project', "
    "'updated_at', 'workspace']"
)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def parse(*pairs: tuple[str, str]) -> Condition | None:
    """The condition of a deployment list's parameters."""
    return parse_filter(pairs, DEPLOYMENT_FIELDS)


def refusal(*pairs: tuple[str, str]) -> str:
    """The detail with which a deployment list refuses the parameters."""
    with pytest.raises(BadFilter) as refused:
        parse(*pairs)
    assert refused.value.detail == str(refused.value)
    return refused.value.detail


X = Equal("name", "x")
READY = Equal("status", "READY")


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
    "written",
    [
        *("", "2026", "2026-13-01", "2026-01-31T24:00", "2026-01-31T12:00:60Z", "20260131", "2026-W05-6"),
        *(
            "2026-01-31x12:00",
            "2026-01-31T12:00:00 02:00",
            "2026-01-31T12:00+25:00",
            "yesterday",
            "1767268800",
        ),
        *(
            "0001-01-01T00:00+14:00",
            "9999-12-31T23:59-14:00",
            "\u0662\u0660\u0662\u0666-01-31",
            "2026-01-31\n",
        ),
    ],
)
def test_what_is_no_time_is_refused(written: str) -> None:
    """Only ISO 8601 is a time, and only one that exists."""
    expected = "Field 'created_at' needs an ISO 8601 time such as 2026-01-31T12:00:00Z, not " + json.dumps(
        written
    )
    assert expected == refusal(("filter", json.dumps({"created_at": {"$gte": written}})))


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


@pytest.mark.parametrize(
    ("pair", "field"),
    [
        (("filter[version]", "1"), "version"),
        (("filter[]", "1"), ""),
        (("filter[not]", "1"), "not"),
        (("filter[name][foo]", "1"), "name.foo"),
        (("filter", '{"name.foo": "1"}'), "name.foo"),
        (("filter", '{"name": {"foo": "1"}}'), "name.foo"),
        (("filter", '{"data.x": "1"}'), "data.x"),
        (("filter", '{"$or": [{"name": "x"}, {"config_version": "1"}]}'), "config_version"),
        (("filter", '{"$eq": "1"}'), "$eq"),
        (("filter", 'Name:"x"'), "Name"),
        (("filter", 'data._auth_context.principal_id~"a"'), "data._auth_context.principal_id"),
    ],
)
def test_unknown_fields_are_refused_with_the_known_ones(pair: tuple[str, str], field: str) -> None:
    """A field that is not in the list of the resource is named together with those that are."""
    assert f"Unknown filter field '{field}'. Valid fields: {VALID_FIELDS}" == refusal(pair)


def test_configs_have_fields_of_their_own() -> None:
    """What can be asked of configs is another list."""
    with pytest.raises(BadFilter) as refused:
        parse_filter([("filter[engine]", "nim")], DEPLOYMENT_CONFIG_FIELDS)

    assert f"Unknown filter field 'engine'. Valid fields: {CONFIG_FIELDS}" == refused.value.detail


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("filter", ""), "Filter query cannot be empty"),
        (("filter", "  "), "Filter query cannot be empty"),
        (("filter", "{}"), "No valid filter criteria found"),
        (("filter", '{"$not":{}}'), "No valid filter criteria found"),
        (
            ("filter", '{"status": "READY", "$or": [{"name": "x"}]}'),
            "Top-level filter mixes a logical operator with sibling keys (['$or', 'status']); "
            "wrap the siblings inside the logical operator or under an explicit $and",
        ),
        (
            ("filter", '{"name": {"$or": [{"$eq": "x"}], "$eq": "y"}}'),
            "Field 'name' filter mixes a logical operator with sibling keys (['$eq', '$or']); "
            "wrap the siblings inside the logical operator or under an explicit $and",
        ),
        (
            ("filter[name]", "{bad"),
            "Invalid filter value: '{bad'. Array and object values must be valid JSON with proper quoting. "
            'Example: ["item1","item2"] not [item1,item2]',
        ),
        (
            ("filter[name][$in]", "[bad"),
            "Invalid filter value: '[bad'. Array and object values must be valid JSON with proper quoting. "
            'Example: ["item1","item2"] not [item1,item2]',
        ),
        (("filter", '{"name": {"$ne": "x"}}'), "'$ne' is not a valid FilterOperator"),
        (("filter[name][$foo]", "x"), "'$foo' is not a valid FilterOperator"),
        (("filter", '{"name": {"$exists": true}}'), "'$exists' is not a valid FilterOperator"),
        (("filter", '{"$and": []}'), "'$and' needs a list of at least one condition, not []"),
        (
            ("filter", '{"$or": {"name": "x"}}'),
            '\'$or\' needs a list of at least one condition, not {"name": "x"}',
        ),
        (("filter", '{"$or": ["x"]}'), 'A filter has to be an object of fields, not "x"'),
        (("filter[$not]", ""), "A filter has to be an object of fields, not null"),
        (
            ("filter[$or]", '[{"name":"x"}]'),
            "'filter[$or]' is not possible; send filter={\"$or\": [...]} instead",
        ),
        (("filter", '{"name": {}}'), 'Field \'name\' filter has no operator, for example {"$eq": "text"}'),
        (("filter", '{"status": 5}'), "Field 'status' needs a text, not 5"),
        (("filter", '{"status": true}'), "Field 'status' needs a text, not true"),
        (("filter", "status:5"), "Field 'status' needs a text, not 5.0"),
        (("filter", "created_at>-5.5"), "Field 'created_at' needs a text, not -5.5"),
        (
            ("filter[status_message]", "a, b"),
            'Field \'status_message\' needs a text, not ["a", "b"] '
            "(a list is for '$in' and '$nin'; a text with commas has to be sent as JSON)",
        ),
        (("filter", '{"name": {"$like": null}}'), "Field 'name' needs a text, not null"),
        (("filter[name][gt]", ""), "Field 'name' needs a text, not null"),
        (("filter", '{"name": {"$in": 5}}'), "Field 'name' needs a list for '$in' and '$nin', not 5"),
        (("filter", '{"name": {"$in": [["x"]]}}'), None),
        (
            ("filter", '{"created_at": {"$like": "2026"}}'),
            "Field 'created_at' is no text, so '$like' does not apply to it",
        ),
        (("filter[created_at][$gte]", "2026-01-01,2026-01-02"), None),
        (("filter[name", "x"), None),
        (("filter[name]x", "x"), None),
        (("filter[[name]]", "x"), None),
    ],
)
def test_bad_filters_are_refused_with_a_reason(pair: tuple[str, str], expected: str | None) -> None:
    """Each mistake has a text; where the wording is free only the refusal counts."""
    detail = refusal(pair)

    assert expected in {detail, None}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name": "x"',
        "{'name': 'x'}",
        '{"name": NaN}',
        '{"name": Infinity}',
        '{"name": 1e999}',
        '{"name": "\\ud800"}',
    ],
)
def test_broken_json_is_refused(text: str) -> None:
    """What is no JSON, or a number or text that JSON cannot carry, says so."""
    assert refusal(("filter", text)).startswith("Invalid JSON in filter parameter: ")


def test_two_forms_of_one_field_are_refused() -> None:
    """A value beside operators, or an operator spelled in two ways, is a contradiction."""
    assert "filter[name][like]" in refusal(("filter[name]", "x"), ("filter[name][like]", "y"))
    assert "filter[name]" in refusal(("filter[name][like]", "y"), ("filter[name]", "x"))
    assert "filter[name][$eq]" in refusal(("filter[name][eq]", "x"), ("filter[name][$eq]", "x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name", "Filter syntax error at character 5, the end: expected one of : ~ > >= < <= IN, NOT IN"),
        (
            "name:x",
            "Filter syntax error at character 6, 'x': expected a text in double quotes, a number or null",
        ),
        ('name NOT "x"', "Filter syntax error at character 10, '\"x\"': expected IN"),
        ('name:"x" AND', "Filter syntax error at character 13, the end: expected a field name"),
        ('(name:"x"', "Filter syntax error at character 10, the end: expected ')'"),
        ('name:"x")', "Filter syntax error at character 9, ')': expected AND, OR or the end of the filter"),
        (
            'name IN ["a",]',
            "Filter syntax error at character 14, ']': expected a text in double quotes, a number or null",
        ),
        ('--name:"x"', "Filter syntax error at character 2, '-name:\"x\"': expected a field name"),
        ('[{"name":"x"}]', 'Filter syntax error at character 1, \'[{"name":"x"}]\': expected a field name'),
        ('name:"x', None),
        ("name:'x'", None),
        ('name:"\\q"', None),
        ('name IN ["a" "b"]', None),
        ('name IN ["a"', None),
        ('name IN "a"', None),
        ('NOT name:"x"', None),
        ("created_at>2026-01-01", None),
        ("name:5x", None),
        ("and", None),
    ],
)
def test_syntax_errors_say_where(text: str, expected: str | None) -> None:
    """Text that does not parse is refused with the place of the first error."""
    detail = refusal(("filter", text))

    assert expected in {detail, None}
    assert detail.startswith("Filter syntax error at character ")


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
    expected = f"A filter may nest {NESTING_MAX} levels deep"
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
