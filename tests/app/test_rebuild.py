"""Rebuilds: the same rows again, whatever the log, no way around a difference, and every way back."""

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rebuild import registry, run, switching, verifying
from app.rebuild.registry import RebuildRefused
from tests.support.audit import EVENTS, fill
from tests.support.builders import (
    create,
    create_config,
    delete,
    delete_config,
    report,
    roll_back,
    update,
    update_config,
)
from tests.support.rebuild import SILENT, Rebuild

OIDS = "SELECT oid FROM pg_class WHERE relname LIKE 'deployment%versions' AND relnamespace = 'public'::regnamespace"
VERSIONS = st.sampled_from([None, "1", "2", "3"])
NAMES = st.sampled_from(["a", "b.c", "b-c"])
COMMANDS = st.one_of(
    st.just(create_config()),
    st.just(update_config()),
    st.builds(delete_config, VERSIONS),
    st.builds(lambda name: create(name=name), NAMES),
    st.builds(lambda name: update(name=name), NAMES),
    st.builds(
        lambda status, v, name: report(status, version=v, name=name),
        st.sampled_from(["READY", "DELETED"]),
        VERSIONS,
        NAMES,
    ),
    st.builds(lambda v, name: delete(v, name=name), VERSIONS, NAMES),
    st.builds(lambda name: roll_back(name=name), NAMES),
)


@pytest.fixture
def rebuild(database_url, capsys):
    fill(database_url)
    return Rebuild(database_url, capsys)


@pytest.mark.both_servers
def test_a_rebuild_makes_the_same_tables(rebuild):
    """What is live afterwards is new, and has the rows, columns, indexes, owner and grants of the old."""
    rebuild.execute(
        "GRANT SELECT ON deployment_versions TO PUBLIC",
        "ALTER TABLE deployment_versions SET (autovacuum_vacuum_scale_factor = 0.01)",
        "ALTER TABLE deployment_config_versions SET (autovacuum_enabled = off)",
    )
    rows, shape, oids = rebuild.rows(), rebuild.shape(), rebuild.execute(OIDS)

    assert 0 == rebuild("start", "--workers", 2, "--json"), rebuild.err
    assert (True, EVENTS, []) == (
        rebuild.json["switched"],
        rebuild.json["position"],
        rebuild.json["differences"],
    )
    assert rows == rebuild.rows()
    assert shape == rebuild.shape()
    assert not set(oids) & set(rebuild.execute(OIDS))
    assert 0 == rebuild("verify", "--workers", 2, "--json"), rebuild.out
    assert (True, EVENTS, EVENTS) == (rebuild.json["ok"], rebuild.json["events"], rebuild.json["shown"])


@settings(max_examples=15)
@given(st.lists(COMMANDS, min_size=1, max_size=60), st.integers(1, 8), st.integers(0, 30))
def test_any_log_rebuilds(postgres_servers, commands, slice_events, later):
    """Cut into slices of any size; what is written after the base is caught up with."""
    with postgres_servers("18").new_database() as url:
        rebuild = Rebuild(url)
        fill(url, commands[later:])
        with rebuild.turn() as connection:
            run.start(connection, ["deployments", "deployment-configs"], slice_events)
        fill(url, commands[:later] or [create_config()])
        rows = rebuild.rows()

        assert rebuild.finish().switched
        assert rows == rebuild.rows()


def test_one_resource_alone(rebuild):
    """The other's table stays what it is."""
    other = "SELECT 'deployment_config_versions'::regclass::oid"
    rows, oid = rebuild.rows(), rebuild.execute(other)

    assert 0 == rebuild("start", "deployments", "--workers", 1)
    assert "all rows are equal (10 of deployments)" in rebuild.out
    assert rows == rebuild.rows()
    assert oid == rebuild.execute(other)


def test_an_empty_log_rebuilds(database_url, capsys):
    """There is nothing to compare, and nothing to do."""
    rebuild = Rebuild(database_url, capsys)

    assert 0 == rebuild("start", "--workers", 1), rebuild.err
    assert 0 == rebuild("verify", "--workers", 1)


def test_what_is_written_after_the_switch_survives_the_way_back(rebuild):
    """The old tables are brought up to the log before they are live again; forth goes as well."""
    assert rebuild.finish().switched
    fill(
        rebuild.database_url,
        [create_config(name="new"), create(name="late", config="new"), delete(name="late")],
    )
    rows = rebuild.rows()

    assert 0 == rebuild("rollback"), rebuild.err
    assert rows == rebuild.rows()
    assert 0 == rebuild("verify", "--workers", 1)
    fill(rebuild.database_url, [report("READY", name="late"), update(name="late", config="new")])
    assert rebuild.finish().switched
    assert 0 == rebuild("verify", "--workers", 1), rebuild.out
    assert 0 == rebuild("rollback")
    assert 0 == rebuild("clean")
    assert [] == rebuild.left_over()
    assert 0 == rebuild("verify", "--workers", 1)


def test_tables_of_another_shape_are_compared_in_what_they_share(rebuild):
    """Columns that only one of them has are named, and do not stop the switch; the code's shape becomes live."""
    shape = rebuild.shape()
    rebuild.execute("ALTER TABLE deployment_versions ADD COLUMN extra integer, DROP COLUMN project")

    assert 0 == rebuild("start", "--workers", 1), rebuild.out + rebuild.err
    assert "shapes differ: project, extra of deployments\n" in rebuild.out
    assert shape == rebuild.shape()


FAULTS = {
    "wrong": (
        [
            "UPDATE deployment_versions SET status = 'LOST', body = replace(body, 'serving', 'Serving') WHERE valid_from = 8"
        ],
        {"what": "wrong", "valid_from": 8, "fields": ["status", "body"], "name": "llama", "version": 3},
    ),
    "only an end": (
        ["UPDATE deployment_versions SET latest_until = 7 WHERE valid_from = 5"],
        {"what": "wrong", "valid_from": 5, "fields": ["latest_until"]},
    ),
    "missing": (
        ["DELETE FROM deployment_config_versions WHERE valid_from = 2"],
        {"what": "missing", "valid_from": 2, "resource": "deployment-configs", "version": 2, "fields": []},
    ),
    "extra": (
        [
            "CREATE TEMP TABLE x AS SELECT * FROM deployment_versions WHERE valid_from = 8",
            "UPDATE x SET version = 9",
            "INSERT INTO deployment_versions SELECT * FROM x",
        ],
        {"what": "extra", "valid_from": 8, "version": 9, "name": "llama"},
    ),
    "wrong, in a column, beside a body that is right": (
        ["UPDATE deployment_versions SET status_message = 'never' WHERE valid_from = 8"],
        {"what": "wrong", "valid_from": 8, "fields": ["status_message"]},
    ),
    "extra, of a stream that never was": (
        [
            "CREATE TEMP TABLE x AS SELECT * FROM deployment_versions WHERE valid_from = 8",
            "UPDATE x SET name = 'never'",
            "INSERT INTO deployment_versions SELECT * FROM x",
        ],
        {"what": "extra", "valid_from": 8, "name": "never"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_row_is_named_and_stops_the_switch(rebuild, fault):
    """By `verify` and by a rebuild, with what is wrong about it; the operator may take the new rows."""
    statements, expected = FAULTS[fault]
    right = rebuild.rows()
    rebuild.execute(*statements)
    planted = rebuild.rows()

    assert 1 == rebuild("verify", "--workers", 1, "--json")
    [difference] = rebuild.json["differences"]
    assert expected == {key: difference[key] for key in expected}
    assert 1 == rebuild("start", "--workers", 1, "--json")
    assert [difference] == rebuild.json["differences"]
    assert planted == rebuild.rows()
    assert 0 == rebuild("status")
    assert rebuild.out.startswith("differs, ")
    assert 1 == rebuild("resume", "--workers", 1)
    assert f"{expected['what']:8}default/" in rebuild.out
    assert 0 == rebuild("resume", "--accept-differences"), rebuild.err
    assert right == rebuild.rows()


def test_a_time_that_python_does_not_know_is_named(rebuild):
    """Nothing of ours can write it, or read it."""
    rebuild.execute("UPDATE deployment_versions SET created_at = 'infinity' WHERE valid_from = 8")

    assert 1 == rebuild("verify", "--workers", 1, "--json"), rebuild.err
    assert [(8, ["created_at"])] == [(d["valid_from"], d["fields"]) for d in rebuild.json["differences"]]


def test_a_long_slice_is_compared_by_the_database(rebuild, monkeypatch):
    """Of one long stream not all rows are held in memory."""
    monkeypatch.setattr(verifying, "HELD_EVENTS_MAX", 0)
    with rebuild.turn() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()")
        checker = verifying._Checker(rebuild.database_url, snapshot, EVENTS, ["deployments"])
        [part] = registry.slices(connection, ["deployments"], 1_000)

        assert [] == checker.check(part)
        checker._connection.close()


def test_what_goes_wrong_after_all_was_compared_stops_the_switch(rebuild, monkeypatch):
    """Under the log's lock, rows of events since then are compared once more."""
    planted = []

    def compare(*arguments):
        result = real(*arguments)
        if not planted:
            planted.append(fill(rebuild.database_url, [report("READY", "late", workspace="other")]))
            rebuild.execute(
                "UPDATE deployment_versions SET status_message = 'Late' WHERE status_message = 'late'"
            )
        return result

    real, near = switching.compare, switching.draw_near
    monkeypatch.setattr(switching, "compare", compare)
    monkeypatch.setattr(switching, "draw_near", lambda *a, **k: near(*a, **k) if planted[1:] else [])
    outcome = rebuild.finish()

    assert not outcome.switched
    assert [["status_message"]] == [difference.fields for difference in outcome.differences]


def test_a_position_that_is_not_the_logs_end_fails_the_check(rebuild):
    """The rows may be right: what the tables say of themselves is not."""
    rebuild.execute("UPDATE projection_position SET position = 3")

    assert 1 == rebuild("verify", "--workers", 1)
    assert "the tables say they show the log up to 3, it ends at 14" in rebuild.out


def test_verify_leaves_nothing(rebuild):
    """Neither tables nor rows, nor anything in the registry."""
    assert 0 == rebuild("verify", "--workers", 2)
    assert [] == rebuild.left_over()
    assert [] == rebuild.execute(
        "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'deploy%'"
    )


def test_one_rebuild_at_a_time(rebuild):
    """Not two processes, and not a second one beside one that stands still."""
    with rebuild.turn() as connection:
        for command in ("start", "resume", "abort", "rollback", "clean"):
            assert 1 == rebuild(command)
            assert "another process is at work" in rebuild.err
        run.start(connection, ["deployments"])
        assert 0 == rebuild("status", "--json")
        assert (True, "building") == (rebuild.json["at_work"], rebuild.json["run"]["state"])

    assert 1 == rebuild("start")
    assert "there is a rebuild already, building" in rebuild.err


def test_each_command_in_its_state(rebuild):
    """What cannot be done says what can; an abort leaves nothing behind."""
    assert 0 == rebuild("status")
    assert "no rebuild" == rebuild.out.splitlines()[0]
    for command in ("resume", "abort", "rollback", "clean"):
        assert 1 == rebuild(command)
        assert "there is no rebuild: `rebuild start` begins one" in rebuild.err
    with rebuild.turn() as connection:
        run.start(connection, ["deployments", "deployment-configs"])
    for command, told in (("rollback", "nothing to go back from"), ("clean", "`rebuild abort` gives it up")):
        assert 1 == rebuild(command)
        assert told in rebuild.err
    assert 0 == rebuild("abort")
    assert [] == rebuild.left_over()
    assert rebuild.finish().switched
    for command, told in (("abort", "`rebuild clean` drops the old"), ("resume", "nothing is left to do")):
        assert 1 == rebuild(command)
        assert told in rebuild.err
    assert 0 == rebuild("clean")
    assert [] == rebuild.left_over()


def test_an_aborted_worker_finds_nothing_to_do(rebuild):
    """A worker that was left behind neither takes slices of the next run nor writes into its tables."""
    with rebuild.turn() as connection:
        first = run.start(connection, ["deployments"])
        run.end(connection, switched=False)
        run.start(connection, ["deployments"])
        rebuild.inline.run_workers(first, None)

        assert 11 == registry.events_left(connection)
    assert [(0,)] == rebuild.execute("SELECT count(*) FROM rebuild.deployment_versions")


def test_readers_that_stay_put_the_switch_off(rebuild, monkeypatch):
    """Nobody who comes later waits for longer than a moment, and it is tried again."""
    monkeypatch.setattr(switching, "SWITCH_TRIES_MAX", 3)
    with psycopg.connect(rebuild.database_url) as reader:
        reader.execute("SELECT FROM deployment_versions")
        with pytest.raises(RebuildRefused, match="in use by long reads"):
            rebuild.finish()
        reader.execute("SELECT FROM deployment_versions")

    assert rebuild.finish().switched


def test_prepared_statements_live_on(rebuild):
    """A service's statements, also those that look at rows' places, see the tables that are live."""
    with psycopg.connect(rebuild.database_url, autocommit=True, prepare_threshold=0) as service:
        place = "SELECT v.*, v.ctid, v.tableoid FROM deployment_versions v WHERE v.name = %s ORDER BY version, valid_from"
        before = service.execute(place, ["llama"]).fetchall()
        assert rebuild.finish().switched
        after = service.execute(place, ["llama"]).fetchall()

        assert [row[:-2] for row in before] == [row[:-2] for row in after]
        assert before[0][-1] != after[0][-1]
        with rebuild.turn() as connection:
            run.roll_back(connection, SILENT)
        assert before == service.execute(place, ["llama"]).fetchall()
