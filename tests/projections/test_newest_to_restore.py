"""Which version a rollback restores by default, and how it is found."""

import psycopg
import pytest

from app.event_log import WRITER_SESSION
from projections.deployments import DEPLOYMENTS, newest_to_restore
from projections.sql import statements
from projections.timeline import Timeline
from tests.support.builders import NAME, WORKSPACE, create, delete, deployment_stream, report, update

FIND = statements("deployments.sql")["newest_to_restore"]


@pytest.mark.both_servers
@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([], None),
        ([create(), report("READY")], None),
        ([create(), update(), report("READY")], None),
        ([create(), report("READY"), update()], 1),
        ([create(), report("READY"), report("DELETED"), update()], 1),
        ([create(), report("READY"), update(), report("READY"), update(), update()], 2),
        ([create(), report("READY"), update(), report("READY"), update(), report("READY")], 2),
        ([create(), report("READY"), update(), report("READY", version="1"), report("ERROR"), update()], 1),
        ([create(), report("READY"), report("DELETED"), update(), update(), delete("1")], None),
        ([create(), report("READY"), update(), report("DELETED"), delete("2"), update()], 1),
        ([create(), report("READY"), report("DELETED"), delete(), create(), update()], None),
    ],
)
def test_the_newest_stored_version_before_the_latest_that_was_ever_ready(database_url, commands, expected):
    """Rows that ended tell what a version was; removed versions and the latest itself do not count."""
    timeline = Timeline(DEPLOYMENTS.fold)
    for recorded in deployment_stream(*commands).events:
        timeline.apply(recorded)
    with psycopg.connect(database_url) as connection:
        cursor = connection.cursor()
        DEPLOYMENTS.write(cursor, [(WORKSPACE, NAME, timeline)])

        assert expected == newest_to_restore(cursor, WORKSPACE, NAME)()
        assert newest_to_restore(cursor, WORKSPACE, "other")() is None


@pytest.mark.both_servers
@pytest.mark.parametrize("rows", [0, 5_000])
def test_it_is_found_by_key(database_url, rows):
    """On empty, and on grown but unanalysed tables: no scan of more than the name's own rows."""
    with psycopg.connect(database_url) as connection:
        connection.execute(WRITER_SESSION)
        connection.execute("ALTER TABLE deployment_versions SET (autovacuum_enabled = false)")
        connection.execute(
            "INSERT INTO deployment_versions SELECT 'default', 'n' || n, 1, n, 9223372036854775807,"
            " 9223372036854775807, n, n, now(), now(), 1, 'id', NULL, 'c1', 'READY', '', NULL, '{}'"
            " FROM generate_series(1, %s) n",
            (rows,),
        )
        where = {"workspace": "default", "name": "n1"}
        plan = connection.execute(f"EXPLAIN (FORMAT JSON) {FIND}", where).fetchone()[0][0]["Plan"]

    for node in nodes(plan):
        assert "Seq Scan" != node["Node Type"]
        if "Index Name" in node:
            assert "(workspace = " in node["Index Cond"]
            assert "(name = " in node["Index Cond"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
