"""What a page of a list reads of the table is the page: all else it needs is in an index."""

import psycopg
import pytest

from app.reader import READER_SESSION
from projections.criteria import DEPLOYMENT_FIELDS, And, Equal
from projections.deployments import DEPLOYMENTS
from projections.lists import ListQuery, list_statement
from projections.sorting import CREATION_ORDER

ROWS, PENDING, PAGE, PAGE_SIZE = 5_000, 500, 20, 50
HERE = Equal("workspace", "default")


def query(condition=HERE, *, all_versions=False, as_of=None):
    return ListQuery(condition, DEPLOYMENT_FIELDS, CREATION_ORDER, all_versions, PAGE, PAGE_SIZE, as_of)


QUERIES = {
    "latest": (query(), ROWS),
    "latest, by status": (query(And((HERE, Equal("status", "READY")))), ROWS - PENDING),
    "all versions": (query(all_versions=True), ROWS),
    "as of": (query(as_of=ROWS), ROWS),
}


@pytest.fixture
def connection(database_url):
    """To a table of many deployments that was vacuumed, as it is when a fleet has come to rest."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Vacuum takes no row for visible to all whose commit may not be on disk yet.
        connection.execute("SET synchronous_commit = on")
        connection.execute(
            "INSERT INTO deployment_versions SELECT 'default', 'n' || n, 1, n, 9223372036854775807,"
            " 9223372036854775807, n, n, now(), now(), 1, 'id', NULL, 'c1',"
            " CASE WHEN n <= %s THEN 'PENDING' ELSE 'READY' END, '', NULL, '{}'"
            " FROM generate_series(1, %s) n",
            (PENDING, ROWS),
        )
        connection.execute("VACUUM (ANALYZE) deployment_versions")
        connection.execute(READER_SESSION)
        yield connection


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_of_the_table(plan):
    """How many rows the plan's nodes read from the table itself."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
        if node["Node Type"] in {"Seq Scan", "Index Scan", "Bitmap Heap Scan"}
    )


@pytest.mark.both_servers
@pytest.mark.parametrize(("asked", "matching"), QUERIES.values(), ids=QUERIES)
def test_a_late_page_reads_no_row_of_those_before_it(connection, asked, matching):
    """Neither does the count of all that match."""
    statement, parameters = list_statement(DEPLOYMENTS.table, asked)

    [(total, bodies)] = connection.execute(statement, parameters)
    explain = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement.as_bytes(None), parameters)
    [([explained],)] = explain

    assert (matching, PAGE_SIZE) == (total, len(bodies))
    assert PAGE_SIZE == rows_of_the_table(explained["Plan"])
