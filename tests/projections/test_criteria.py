"""Conditions select from a real PostgreSQL what a plain reading of them selects."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

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
    in_workspace,
)

Row = Mapping[str, Any]

NULLABLE = {"project", "model_provider_id"}
COLUMNS = [name for name in DEPLOYMENT_FIELDS if name != "entity_type"]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

texts = st.sampled_from(["", "READY", "ready", "null", "model_deployment", "-"]) | st.text(
    st.sampled_from("aAbBzZ[`{%_\\'\"éÉ\u0130\u0131\u017f\u212a\U0001f600\uffff\n "), max_size=4
)
times = st.sampled_from([NOON, NOON + timedelta(microseconds=1)]) | st.datetimes(timezones=st.just(UTC))


def operands(field: str) -> st.SearchStrategy[Any]:
    """Values that a field may be compared with."""
    return times if DEPLOYMENT_FIELDS[field].kind is Kind.TIMESTAMP else texts


def comparisons_of(field: str) -> st.SearchStrategy[Condition]:
    """Every comparison there is, on one field."""
    values = operands(field)
    comparisons = [
        st.builds(Equal, st.just(field), st.none() | values),
        st.builds(OneOf, st.just(field), st.lists(st.none() | values, max_size=4).map(tuple)),
        st.builds(Ordered, st.just(field), st.sampled_from(list(ORDER)), values),
    ]
    if DEPLOYMENT_FIELDS[field].kind is Kind.TEXT:
        comparisons.append(st.builds(Contains, st.just(field), texts))
    return st.one_of(comparisons)


conditions: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from(sorted(DEPLOYMENT_FIELDS)).flatmap(comparisons_of),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
rows: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {name: st.none() | operands(name) if name in NULLABLE else operands(name) for name in COLUMNS}
)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the tables of the schema and a table `listed` with the columns of conditions."""
    with psycopg.connect(database_url) as connected:
        connected.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE listed AS"
                " SELECT created_position, {} FROM deployment_versions WITH NO DATA"
            ).format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))
        )
        yield connected


def selected(connection: psycopg.Connection, condition: Condition | None) -> list[int]:
    """The positions of the rows in `listed` for which the condition holds."""
    where, parameters = criteria.compile(condition, DEPLOYMENT_FIELDS)
    query = sql.SQL("SELECT created_position FROM listed WHERE {} ORDER BY 1").format(where)
    return [position for (position,) in connection.execute(query, parameters)]


def store(connection: psycopg.Connection, listed: list[Row]) -> None:
    """Make `listed` hold these rows, at the positions of their indexes."""
    connection.execute("TRUNCATE listed")
    columns = ["created_position", *COLUMNS]
    insert = sql.SQL("INSERT INTO listed ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    connection.cursor().executemany(
        insert, [{"created_position": position, **row} for position, row in enumerate(listed)]
    )


def row(**values: object) -> Row:
    """A row of which only some values matter."""
    return {
        **{name: NOON if DEPLOYMENT_FIELDS[name].kind is Kind.TIMESTAMP else name for name in COLUMNS},
        **values,
    }


def lower(text: str) -> str:
    """ASCII letters in lower case, all else as it is."""
    return text.encode().lower().decode()


def holds(condition: Condition, values: Row) -> bool:  # noqa: PLR0911 - one return for each kind
    """What the condition means, in Python."""
    match condition:
        case Equal(field=field, operand=operand):
            return values[field] == operand
        case OneOf(field=field, operands=choices):
            return values[field] in choices
        case Ordered(field=field, operator=sign, operand=operand):
            return values[field] is not None and ORDER[sign](values[field], operand)
        case Contains(field=field, text=text):
            return values[field] is not None and lower(text) in lower(values[field])
        case And(conditions=parts):
            return all(holds(part, values) for part in parts)
        case Or(conditions=parts):
            return any(holds(part, values) for part in parts)
        case Not(condition=negated):
            return not holds(negated, values)
        case _:
            assert_never(condition)


@pytest.mark.both_servers
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listed=st.lists(rows, max_size=6), condition=conditions, data=st.data())
def test_sql_selects_what_the_condition_means(
    connection: psycopg.Connection, listed: list[Row], condition: Condition, data: st.DataObject
) -> None:
    """PostgreSQL and a plain evaluator agree on every row, whatever is unset in it."""
    if listed:
        field = data.draw(st.sampled_from(COLUMNS))
        condition = Or((condition, Equal(field, data.draw(st.sampled_from(listed))[field])))
    store(connection, listed)

    expected = [
        position
        for position, values in enumerate(listed)
        if holds(condition, {**values, "entity_type": "model_deployment"})
    ]
    assert expected == selected(connection, condition)
    assert sorted(set(range(len(listed))) - set(expected)) == selected(connection, Not(condition))


def test_negations_include_unset_values(connection: psycopg.Connection) -> None:
    """What is unset is not equal, not one of and not above anything."""
    store(connection, [row(project="a"), row(project="b"), row(project=None)])

    assert [1, 2] == selected(connection, Not(Equal("project", "a")))
    assert [1, 2] == selected(connection, Not(OneOf("project", ("a",))))
    assert [1] == selected(connection, Not(OneOf("project", ("a", None))))
    assert [2] == selected(connection, Not(Ordered("project", ">=", "a")))
    assert [1, 2] == selected(connection, Not(Not(Not(Contains("project", "A")))))
    assert [0, 1] == selected(connection, Not(Equal("project", None)))


def test_lists_without_elements(connection: psycopg.Connection) -> None:
    """No value is one of none, and every one is none of none."""
    store(connection, [row(project="a"), row(project=None)])

    assert [] == selected(connection, OneOf("project", ()))
    assert [0, 1] == selected(connection, Not(OneOf("project", ())))


def test_substrings_are_literal_and_ignore_ascii_case(connection: psycopg.Connection) -> None:
    """Wildcards of LIKE mean themselves, and only `A` to `Z` have two cases."""
    store(connection, [row(name="50%_\\É"), row(name="50x"), row(name="ABC")])

    assert [0] == selected(connection, Contains("name", "0%"))
    assert [0] == selected(connection, Contains("name", "_\\"))
    assert [] == selected(connection, Contains("name", "é"))
    assert [0] == selected(connection, Contains("name", "É"))
    assert [2] == selected(connection, Contains("name", "bC"))
    assert [0, 1, 2] == selected(connection, Contains("name", ""))


def test_text_is_ordered_by_code_point(connection: psycopg.Connection) -> None:
    """Upper case comes before lower case and before accents, whatever the locale."""
    store(
        connection, [row(name="Z"), row(name="a"), row(name="é"), row(name="\uffff"), row(name="\U0001f600")]
    )

    assert [0] == selected(connection, Ordered("name", "<", "a"))
    assert [2, 3, 4] == selected(connection, Ordered("name", ">", "z"))
    assert [4] == selected(connection, Ordered("name", ">", "\uffff"))


def test_times_compare_to_the_microsecond(connection: psycopg.Connection) -> None:
    """Equality and lists of times work, as the order of them does."""
    store(connection, [row(created_at=NOON), row(created_at=NOON + timedelta(microseconds=1))])

    assert [0] == selected(connection, Equal("created_at", NOON))
    assert [1] == selected(connection, OneOf("created_at", (NOON + timedelta(microseconds=1),)))
    assert [1] == selected(connection, Ordered("created_at", ">", NOON))


def test_every_row_has_the_entity_type_of_its_resource(connection: psycopg.Connection) -> None:
    """`entity_type` is an ordinary text that all rows of a resource share."""
    store(connection, [row()])

    assert [0] == selected(connection, Equal("entity_type", "model_deployment"))
    assert [] == selected(connection, OneOf("entity_type", ("model_deployment_config", None)))
    assert [0] == selected(connection, Contains("entity_type", "DEPLOY"))


def test_the_path_bounds_the_condition() -> None:
    """A filter narrows the workspace of the path, and never leaves it."""
    named = Equal("name", "n")
    inside = Equal("workspace", "w")
    other = Equal("workspace", "x")

    assert inside == in_workspace(None, "w")
    assert And((inside, named)) == in_workspace(named, "w")
    assert And((inside, other)) == in_workspace(other, "w")
    assert And((inside, Or((other, named)))) == in_workspace(Or((other, named)), "w")


def test_a_hyphen_means_every_workspace() -> None:
    """`-` is no workspace: in the path, and at the top level of a filter, it does not narrow."""
    everywhere = Equal("workspace", "-")
    named = Equal("name", "n")

    assert None is in_workspace(None, "-")
    assert None is in_workspace(everywhere, "-")
    assert Equal("workspace", "w") == in_workspace(everywhere, "w")
    assert named == in_workspace(And((everywhere, named)), "-")
    assert Equal("workspace", "x") == in_workspace(Equal("workspace", "x"), "-")
    assert Or((everywhere, named)) == in_workspace(Or((everywhere, named)), "-")


def test_connectives_are_flat() -> None:
    """One condition stands alone, and equal connectives do not nest."""
    first, second, third = (Equal("name", name) for name in "abc")

    assert first == all_of([first])
    assert first == any_of([any_of([first])])
    assert And((first, second, third)) == all_of([all_of([first, second]), third])
    assert Or((first, And((second, third)))) == any_of([first, all_of([second, third])])


def test_simple_conditions_stay_simple_sql(connection: psycopg.Connection) -> None:
    """Equality and lists compile to the forms that indexes serve, parameters named to stand beside others."""
    condition = And((Equal("config", "c"), OneOf("status", ("READY", "ERROR"))))

    where, parameters = criteria.compile(condition, DEPLOYMENT_FIELDS)

    expected = '("config" = %(criteria_0)s AND "status" = ANY(%(criteria_1)s))'
    assert expected == where.as_string(connection)
    assert {"criteria_0": "c", "criteria_1": ["READY", "ERROR"]} == parameters
    assert "TRUE" == criteria.compile(None, DEPLOYMENT_FIELDS)[0].as_string(connection)


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("deployment_versions", DEPLOYMENT_FIELDS),
        ("deployment_config_versions", DEPLOYMENT_CONFIG_FIELDS),
    ],
)
def test_fields_are_columns_that_compare_by_code_point(
    connection: psycopg.Connection, table: str, fields: Mapping[str, criteria.Field]
) -> None:
    """Every field is in its table with the type of its kind, and texts have a collation by code point."""
    describe = {
        Kind.TEXT: sql.SQL("SELECT pg_typeof(max({0}))::text, pg_collation_for(max({0})) FROM {1}"),
        Kind.TIMESTAMP: sql.SQL("SELECT pg_typeof(max({0}))::text FROM {1}"),
    }
    expected = {
        Kind.TEXT: [("text", '"C"'), ("text", '"POSIX"')],
        Kind.TIMESTAMP: [("timestamp with time zone",)],
    }

    for field in fields.values():
        query = describe[field.kind].format(field.expression, sql.Identifier(table))

        assert connection.execute(query).fetchone() in expected[field.kind]
