"""Every look-up must be planned on an index by its whole key, whatever the statistics say."""

import json

import psycopg
import pytest

from app.event_log import WRITER_SESSION
from app.reader import READER_SESSION
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS

KEYS = json.dumps([{"n": n, "workspace": "default", "name": f"n{n}", "version": 1} for n in range(64)])
ONE = {"workspace": "default", "name": "n1", "version": 5}
PARAMETERS = {
    "load": {"keys": KEYS},
    "load_all": ONE,
    "load_below": ONE,
    "end": {"rows": json.dumps([{"place": "(0,1)", "valid_until": 1, "latest_until": 1}])},
    "get_latest": {"keys": KEYS},
    "get_version": {"keys": KEYS},
    "list_versions": ONE,
}
LOOK_UPS = {"_pkey", "_open"}


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def filled(connection, rows):
    """Grow the table without telling the planner: the state in which it is most easily led astray."""
    connection.execute("ALTER TABLE deployment_versions SET (autovacuum_enabled = false)")
    connection.execute(
        "INSERT INTO deployment_versions SELECT 'default', 'n' || n, 1, n, 9223372036854775807,"
        " 9223372036854775807, n, n, now(), now(), 1, 'id', NULL, 'c1', 'READY', '', NULL, '{}'"
        " FROM generate_series(1, %s) n",
        (rows,),
    )


@pytest.mark.both_servers
@pytest.mark.parametrize("session", [WRITER_SESSION, READER_SESSION])
@pytest.mark.parametrize("rows", [0, 5_000])
@pytest.mark.parametrize("table", [DEPLOYMENTS, DEPLOYMENT_CONFIGS], ids=lambda table: table.resource)
def test_look_ups_are_planned_on_their_key(database_url, session, rows, table):
    """On empty, and on grown but unanalysed tables: no scan, no other index, no sort."""
    with psycopg.connect(database_url) as connection:
        connection.execute(session)
        filled(connection, rows)
        connection.execute("SET transaction_read_only = off")

        for name, parameters in PARAMETERS.items():
            text = "EXPLAIN (FORMAT JSON) " + table.statement[name]
            plan = connection.execute(text, parameters).fetchone()[0][0]["Plan"]
            for node in nodes(plan):
                kind = node["Node Type"]
                assert "Seq Scan" not in kind, name
                index = node.get("Index Name", "")
                assert not index or any(index.endswith(end) for end in LOOK_UPS), (name, index)
                if index:
                    assert "(workspace = " in node["Index Cond"], name
                    assert "(name = " in node["Index Cond"], name


@pytest.mark.both_servers
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ('workspace COLLATE "POSIX" = %s AND latest_until', "deployment_versions_latest_created"),
        ('workspace COLLATE "POSIX" = %s AND valid_until', "deployment_versions_open_created"),
    ],
)
def test_pages_in_creation_order_are_read_from_an_index(database_url, condition, index):
    """A page needs no sort of the whole workspace."""
    with psycopg.connect(database_url) as connection:
        filled(connection, 5_000)
        connection.execute("ANALYZE deployment_versions")

        statement = (
            f"EXPLAIN (FORMAT JSON) SELECT body FROM deployment_versions WHERE {condition}"
            " = 9223372036854775807 ORDER BY created_position LIMIT 100"
        )
        plan = connection.execute(statement, ("default",)).fetchone()[0][0]["Plan"]

    assert [index] == [node["Index Name"] for node in nodes(plan) if "Index Name" in node]
    assert "Sort" not in {node["Node Type"] for node in nodes(plan)}
