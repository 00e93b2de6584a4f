"""The live tables have the shape that the code says, and versions that are written down only where it is certain."""

import re
import shutil
import threading
import time
from pathlib import Path

import psycopg
import pytest

from app import live_tables
from app.event_log import LOCK
from app.migrations import MIGRATIONS_DIR, migrate
from app.projection_versions import own_versions, stale_in
from projections.definition import PROJECTIONS, definition
from tests.support.audit import fill
from tests.support.rebuild import Rebuild

pytestmark = pytest.mark.both_servers

UPGRADE = Path(__file__).parents[2] / "docs" / "upgrade.md"
[MADE_BEFOREHAND] = re.findall(r"^CREATE INDEX CONCURRENTLY [^;]+;", UPGRADE.read_text(), re.MULTILINE)


@pytest.fixture
def released(tmp_path):
    """The migrations that were there before versions were."""
    for path in sorted(MIGRATIONS_DIR.glob("*.sql"))[:3]:
        shutil.copy(path, tmp_path)
    return tmp_path


def versions(rebuild):
    return dict(rebuild.execute("SELECT resource, version FROM live_projections"))


def plant(rebuild):
    """Another version than this program's."""
    rebuild.execute(
        "INSERT INTO projection_versions (resource, version, release, position)"
        " VALUES ('deployments', 'other', '9.9', 0)"
    )


@pytest.mark.parametrize("beforehand", [(), (MADE_BEFOREHAND,)], ids=["", "index made beforehand"])
def test_migrations_make_the_shape_that_the_code_says(empty_database_url, released, beforehand):
    """Every column, type, key and index: tables of the first release need not be made again."""
    migrate(empty_database_url, released)
    rebuild = Rebuild(empty_database_url)
    event = "INSERT INTO stored_events VALUES ('w1/deployments/a', 1, 'x', '', 1, now())"
    rebuild.execute(event, *beforehand)
    migrate(empty_database_url)
    before = rebuild.shape()[:3]
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for resource, table in PROJECTIONS.items():
            connection.execute(f"DROP TABLE {table.table}")
            made = definition(resource, "public")
            for statement in (made.create, *made.indexes.values()):
                connection.execute(statement)

    assert before == rebuild.shape()[:3]


def test_tables_from_before_versions_are_taken_for_this_programs(empty_database_url, released):
    """Where there are events: nothing is made anew, and `rebuild verify` can prove it."""
    migrate(empty_database_url, released)
    rebuild = Rebuild(empty_database_url)
    rebuild.execute(
        "INSERT INTO stored_events VALUES ('w1/deployments/a', 1, 'x', '', 1, now())",
        "UPDATE projection_position SET position = 1",
        "INSERT INTO rebuild.run (state, resources, base, position) VALUES ('building', '{deployments}', 1, 1)",
    )
    oid = rebuild.execute("SELECT 'deployment_versions'::regclass::oid")

    migrate(empty_database_url)

    assert own_versions() == versions(rebuild)
    assert oid == rebuild.execute("SELECT 'deployment_versions'::regclass::oid")
    assert [(1,), (1,)] == rebuild.execute("SELECT position FROM projection_versions")
    run = {"deployments": own_versions()["deployments"]}
    assert [(run, run)] == rebuild.execute("SELECT made, replaced FROM rebuild.run")


def test_known_versions_stay_what_they_are(database_url):
    """A program that starts does not make other tables its own, nor the log's rows those of others."""
    rebuild = Rebuild(database_url)
    fill(database_url)
    plant(rebuild)

    migrate(database_url)

    assert "other" == versions(rebuild)["deployments"]
    with psycopg.connect(database_url) as connection:
        [stale] = stale_in(connection)
    assert ("deployments", "other", "9.9", False) == (
        stale.resource,
        stale.live,
        stale.live_release,
        stale.newer,
    )


def test_a_projection_that_only_one_side_knows_is_stale(database_url):
    """A program that does not know it would leave it behind; one that knows more has no table for it yet."""
    rebuild = Rebuild(database_url)
    fill(database_url)
    rebuild.execute(
        "UPDATE projection_versions SET resource = 'models' WHERE resource = 'deployments'",
    )
    migrate(database_url)

    with psycopg.connect(database_url) as connection:
        found = {each.resource: (each.own is None, each.live is None) for each in stale_in(connection)}
    assert {"models": (True, False), "deployments": (False, True)} == found


def test_tables_of_an_empty_log_are_made_anew_by_a_newer_program_only(database_url):
    """With the grants of those that were there; an older one would make them in turn, for ever."""
    rebuild = Rebuild(database_url)
    plant(rebuild)
    migrate(database_url)
    assert "other" == versions(rebuild)["deployments"]
    rebuild.execute(
        "DELETE FROM projection_versions WHERE version <> 'other'",
        "DROP INDEX deployment_versions_held",
        "GRANT SELECT ON deployment_versions TO PUBLIC",
    )

    migrate(database_url)

    assert own_versions() == versions(rebuild)
    assert [(True, True)] == rebuild.execute(
        "SELECT to_regclass('deployment_versions_held') IS NOT NULL, relacl::text LIKE '%=r/%'"
        " FROM pg_class WHERE oid = 'deployment_versions'::regclass"
    )
    assert [] == rebuild.left_over()
    fill(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        live_tables.settle(connection)
        assert [] == stale_in(connection)


def test_tables_are_kept_where_the_first_event_comes_while_they_are_looked_at(database_url):
    """The log is found to be empty under its lock, whatever isolation is the database's default."""
    rebuild = Rebuild(database_url)
    rebuild.execute("UPDATE projection_versions SET version = 'earlier'")
    before = rebuild.execute("SELECT 'deployment_versions'::regclass::oid")

    def settle():
        strict = "-c default_transaction_isolation=serializable"
        with psycopg.connect(database_url, autocommit=True, options=strict) as connection:
            live_tables.settle(connection)

    starting = threading.Thread(target=settle, daemon=True)
    deadline = time.monotonic() + 10
    with psycopg.connect(database_url) as writer:
        writer.execute(LOCK)
        starting.start()
        while not rebuild.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.execute("INSERT INTO stored_events VALUES ('w1/deployments/a', 1, 'x', '', 1, now())")
    starting.join(20)

    assert not starting.is_alive()
    assert before == rebuild.execute("SELECT 'deployment_versions'::regclass::oid")
