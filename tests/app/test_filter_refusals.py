"""Filters that are refused, and with what texts."""

from __future__ import annotations

import json

import pytest

from app.filters import BadFilter, parse_filter
from projections.criteria import (
    DEPLOYMENT_CONFIG_FIELDS,
)
from tests.support.filters import refusal

VALID_FIELDS = (
    "['config', 'created_at', 'entity_type', 'id', 'model_provider_id', 'name', 'project', 'status', "
    "'status_message', 'updated_at', 'workspace']"
)
CONFIG_FIELDS = (
    "['created_at', 'description', 'entity_type', 'id', 'model_entity_id', 'name', 'project', "
    "'updated_at', 'workspace']"
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
            (
                "Top-level filter mixes a logical operator with sibling keys (['$or', 'status']); "
                "wrap the siblings inside the logical operator or under an explicit $and"
            ),
        ),
        (
            ("filter", '{"name": {"$or": [{"$eq": "x"}], "$eq": "y"}}'),
            (
                "Field 'name' filter mixes a logical operator with sibling keys (['$eq', '$or']); "
                "wrap the siblings inside the logical operator or under an explicit $and"
            ),
        ),
        (
            ("filter[name]", "{bad"),
            (
                "Invalid filter value: '{bad'. Array and object values must be valid JSON "
                'with proper quoting. Example: ["item1","item2"] not [item1,item2]'
            ),
        ),
        (
            ("filter[name][$in]", "[bad"),
            (
                "Invalid filter value: '[bad'. Array and object values must be valid JSON "
                'with proper quoting. Example: ["item1","item2"] not [item1,item2]'
            ),
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
            (
                'Field \'status_message\' needs a text, not ["a", "b"] '
                "(a list is for '$in' and '$nin'; a text with commas has to be sent as JSON)"
            ),
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
