"""Lists are sorted as asked, without ties, by a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from projections.sorting import (
    CREATION_ORDER,
    DEPLOYMENT_CONFIG_SORTABLE,
    DEPLOYMENT_SORTABLE,
    NEWEST_FIRST,
    Order,
    SortKey,
    order_by,
    parse_sort,
)

# created_position, version, name, project, model_provider_id
ROWS = [
    (1, 10, "a-b", None, "m"),
    (2, 2, "a", "p", None),
    (3, 1, "a", "p", None),
    (4, 2, "Z", None, "M"),
]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the tables of the schema and a table `listed` with the rows above."""
    with psycopg.connect(database_url) as connected:
        connected.execute(
            "CREATE TEMPORARY TABLE listed AS"
            " SELECT created_position, version, name, project, model_provider_id"
            " FROM deployment_versions WITH NO DATA"
        )
        connected.cursor().executemany("INSERT INTO listed VALUES (%s, %s, %s, %s, %s)", ROWS)
        yield connected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("created_at", [1, 2, 3, 4]),
        ("-created_at", [4, 3, 2, 1]),
        ("--created_at", [4, 3, 2, 1]),
        ("", [4, 3, 2, 1]),
        ("name", [4, 2, 3, 1]),
        ("-name", [1, 2, 3, 4]),
        ("--name", [1, 2, 3, 4]),
        ("entity_version", [3, 2, 4, 1]),
        ("-entity_version", [1, 2, 4, 3]),
        ("project", [1, 4, 2, 3]),
        ("-project", [2, 3, 1, 4]),
        ("model_provider_id", [4, 1, 2, 3]),
        ("-model_provider_id", [2, 3, 1, 4]),
        ("name,project", [1, 2, 3, 4]),
        ("-unheard_of", [1, 2, 3, 4]),
        ("-", [1, 2, 3, 4]),
        ("name\0", [1, 2, 3, 4]),
        ("name; DROP TABLE listed", [1, 2, 3, 4]),
    ],
)
def test_rows_are_sorted_by_value_and_ties_by_creation(
    connection: psycopg.Connection, text: str, expected: list[int]
) -> None:
    """Values have their natural order, unset ones their end, and equal ones always follow as created."""
    terms = order_by(parse_sort(text, DEPLOYMENT_SORTABLE))

    listed = connection.execute(sql.SQL("SELECT created_position FROM listed ORDER BY {}").format(terms))

    assert expected == [position for (position,) in listed]


@given(st.text())
def test_any_text_is_an_order(text: str) -> None:
    """What names no field means creation order, except that nothing means newest first."""
    expected = NEWEST_FIRST if text == "" else CREATION_ORDER

    assert expected == parse_sort(
        text if text.lstrip("-") not in DEPLOYMENT_SORTABLE else "?", DEPLOYMENT_SORTABLE
    )


def test_creation_order_needs_no_second_term() -> None:
    """Sorting by time or creation is the plain order of an indexed column."""
    assert '"created_position" DESC' == order_by(NEWEST_FIRST).as_string(None)
    assert CREATION_ORDER == parse_sort("created_at", DEPLOYMENT_SORTABLE)
    assert Order(SortKey("name"), descending=True) == parse_sort("-name", DEPLOYMENT_SORTABLE)


@pytest.mark.parametrize(
    ("table", "sortable"),
    [
        ("deployment_versions", DEPLOYMENT_SORTABLE),
        ("deployment_config_versions", DEPLOYMENT_CONFIG_SORTABLE),
    ],
)
def test_sort_keys_are_columns(
    connection: psycopg.Connection, table: str, sortable: dict[str, SortKey]
) -> None:
    """Every field can be sorted by in both directions."""
    for name in sortable:
        for text in (name, f"-{name}"):
            query = sql.SQL("SELECT 1 FROM {} ORDER BY {}").format(
                sql.Identifier(table), order_by(parse_sort(text, sortable))
            )

            assert [] == connection.execute(query).fetchall()
