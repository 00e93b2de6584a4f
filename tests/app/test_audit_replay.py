"""Replays: silent over what the service wrote, and exact about what it cannot have written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit.commands import replay
from app.audit.deviation import RULES
from app.audit.options import Options
from app.audit.scope import Scope
from domain.deployment import RollBackDeployment
from domain.deployment_config import ExecutorConfig, RollBackDeploymentConfig
from tests.support.audit import EVENTS, STORY, Audit, fill
from tests.support.builders import create, create_config, delete, delete_config, report, update, update_config


@pytest.fixture
def audit(database_url, capsys):
    fill(database_url)
    return Audit(database_url, capsys)


EDIT = "UPDATE stored_events SET state = replace(convert_from(state, 'UTF8'), '{}', '{}')::bytea WHERE notification_id = {}"
HIDE = "UPDATE stored_events SET notification_id = notification_id + 1000, recorded_at = recorded_at + interval '1 h' WHERE notification_id > {}"


@pytest.mark.both_servers
def test_what_the_service_wrote_replays(audit):
    """Every event is checked, every row compared, in every scope."""
    assert 0 == audit("replay", "--json")
    [everything] = audit.lines
    assert 0 == audit("replay", "default", "--json")
    [workspace] = audit.lines
    assert 0 == audit("replay", "default/deployments/llama", "--json")
    [deployment] = audit.lines
    assert 0 == audit("replay", "default/deployment-configs/c1", "--json")
    [config] = audit.lines

    assert {"ok": True, "events": EVENTS, "streams": 5, "rows": 13, "position": EVENTS} == {
        key: value for key, value in everything.items() if key != "seconds"
    }
    assert (12, 3) == (workspace["events"], workspace["streams"])
    assert (6, 1) == (deployment["events"], deployment["streams"])
    assert (2, 1) == (config["events"], config["streams"])


def test_the_summary_is_a_sentence(audit):
    """For people, on one line."""
    assert 0 == audit("replay", "--all")

    assert audit.out.startswith(
        "ok all workspaces up to position 14: 14 events of 5 streams follow every rule, and the tables have the 13 rows"
    )


def test_an_empty_log_replays(database_url, capsys):
    """There is nothing to deviate; a scope that was named is another matter."""
    audit = Audit(database_url, capsys)

    assert 0 == audit("replay")
    assert 3 == audit("replay", "default")
    assert "no event of workspace default" in audit.err


FAULTS = {
    "a position gap": ([HIDE.format(9)], "position", 1010, "position 10", "position 1010"),
    "a stream gap": (
        ["UPDATE stored_events SET originator_version = originator_version + 1 WHERE notification_id = 8"],
        "stream-version",
        8,
        "stream version 6",
        "stream version 7",
    ),
    "a stream that is none": (
        ["UPDATE stored_events SET originator_id = 'default/gone' WHERE notification_id = 9"],
        "stream",
        9,
        "a stream workspace/resource/name",
        "'default/gone'",
    ),
    "an event in another's stream": (
        [
            "UPDATE stored_events SET originator_id = 'default/deployment-configs/gone', originator_version = 1 WHERE notification_id = 9"
        ],
        "stream",
        9,
        "an event of deployment-configs",
        "deployment.created",
    ),
    "a version used twice": (
        [EDIT.format('"version":2', '"version":1', 5)],
        "version-number",
        5,
        "version 2",
        "version 1",
    ),
    "a version left out": (
        [EDIT.format('"version":2', '"version":3', 5)],
        "version-number",
        5,
        "version 2",
        "version 3",
    ),
    "a config reference that dangles": (
        [EDIT.format('"config_version":2', '"config_version":7', 5)],
        "config-reference",
        5,
        "an event that the rules allow",
        "Deployment config 'default/c1' version '7' does not exist",
    ),
    "a reference to a config of another workspace": (
        [EDIT.format('"config":"c9"', '"config":"c1"', 14)],
        "config-reference",
        14,
        "an event that the rules allow",
        "Deployment config 'other/c1' version '1' does not exist",
    ),
    "a status that was not allowed": (
        [EDIT.format('"status":"DELETED"', '"status":"READY"', 11)],
        "status",
        11,
        "an event that the rules allow",
        "Only transition to DELETED is allowed",
    ),
    "a status that is none": (
        [EDIT.format('"status":"READY"', '"status":"FINE"', 4)],
        "event",
        4,
        "an event that this release can read",
        "Invalid enum value 'FINE'",
    ),
    "an event that says nothing new": (
        [
            "UPDATE stored_events SET state = replace(replace(convert_from(state, 'UTF8'), 'DELETED', 'DELETING'), "
            '\'"status_message":""\', \'"status_message":"Deployment deletion requested"\')::bytea WHERE notification_id = 11'
        ],
        "status",
        11,
        "an event that the rules allow",
        "which they refuse",
    ),
    "time that goes back": (
        [
            'UPDATE stored_events SET state = regexp_replace(convert_from(state, \'UTF8\'), \'"at":"[^"]*"\', \'"at":"2020-01-01T00:00:00Z"\')::bytea, '
            "recorded_at = '2020-01-01T00:00:00Z' WHERE notification_id = 6"
        ],
        "time",
        6,
        "a time after",
        "2020-01-01T00:00:00Z",
    ),
    "a time that is not the event's": (
        ["UPDATE stored_events SET recorded_at = recorded_at + interval '1 day' WHERE notification_id = 14"],
        "time",
        14,
        "the time in the event",
        "T",
    ),
    "an event of an unknown name": (
        ["UPDATE stored_events SET topic = 'deployment.teleported' WHERE notification_id = 7"],
        "event",
        7,
        "an event that this release can read",
        "'deployment.teleported'",
    ),
    "an event that cannot be read": (
        [EDIT.format('"version":2', '"version":', 6)],
        "event",
        6,
        "an event that this release can read",
        "'deployment.status-changed', which it cannot read: JSON is malformed",
    ),
    "a removal of what is not stored": (
        [EDIT.format('"versions":[1]', '"versions":[4]', 12)],
        "removal",
        12,
        "an event that the rules allow",
        "Deployment 'default/gone' version '4' not found",
    ),
    "a removal of what is not DELETED": (
        [EDIT.format('"status":"DELETED"', '"status":"DELETING"', 11)],
        "status",
        11,
        "an event that the rules allow",
        "refuse",
    ),
    "a removal of more than is stored": (
        [EDIT.format('"versions":[1]', '"versions":[1,2]', 12)],
        "removal",
        12,
        "versions [1]",
        "versions [1,2]",
    ),
    "a rollback to what is not stored": (
        [EDIT.format('"restored_version":1', '"restored_version":9', 7)],
        "decision",
        7,
        "an event that the rules allow",
        "Deployment 'default/llama' version '9' not found",
    ),
    "a rollback that restored something else": (
        [EDIT.format('"config_version":1', '"config_version":2', 7)],
        "decision",
        7,
        "config_version 1",
        "config_version 2",
    ),
    "a row with a wrong value": (
        ["UPDATE deployment_versions SET status = 'READY' WHERE valid_from = 6"],
        "row",
        6,
        'version 2 with status "ERROR"',
        'version 2 with status "READY"',
    ),
    "a row with a wrong body": (
        [
            "UPDATE deployment_versions SET body = replace(body, '\"config_version\":1', '\"config_version\":2') WHERE valid_from = 7"
        ],
        "row",
        7,
        "version 3 with /config_version 1",
        "version 3 with /config_version 2",
    ),
    "a row with a body that is no JSON": (
        ["UPDATE deployment_config_versions SET body = 'nothing' WHERE valid_from = 1"],
        "row",
        1,
        'version 1 with body {"id"',
        "version 1 with body nothing",
    ),
    "a row that ends too late": (
        ["UPDATE deployment_versions SET valid_until = 7, latest_until = 7 WHERE valid_from = 5"],
        "row",
        5,
        "version 2 with valid_until 6",
        "version 2 with valid_until 7",
    ),
    "a row that is the latest for too long": (
        ["UPDATE deployment_versions SET latest_until = 6 WHERE valid_from = 4"],
        "row",
        4,
        "version 1 with latest_until 5",
        "version 1 with latest_until 6",
    ),
    "a row that ended, but holds": (
        ["UPDATE deployment_versions SET valid_until = 9 WHERE valid_from = 8"],
        "row",
        8,
        "version 3 with valid_until 9223372036854775807",
        "version 3 with valid_until 9",
    ),
    "a row that is missing": (
        ["DELETE FROM deployment_versions WHERE valid_from = 9"],
        "row-missing",
        9,
        "a row of version 1",
        "none",
    ),
    "a row of another name": (
        ["UPDATE deployment_versions SET name = 'lama' WHERE valid_from = 8"],
        "row-extra",
        8,
        "no row that begins here",
        "one of version 3",
    ),
    "tables that say they show less": (
        ["UPDATE projection_position SET position = 13"],
        "projection-position",
        14,
        "tables that show the log up to 14",
        "13",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(audit, fault):
    """With the position, the rule it breaks, what was expected there, and what was found."""
    statements, rule, position, expected, found = FAULTS[fault]
    audit.plant(*statements)

    assert 1 == audit("replay", "--json")

    [answer] = audit.lines
    deviation = answer["deviation"]
    assert answer["ok"] is False
    assert (rule, position) == (deviation["rule"], deviation["position"])
    assert expected in deviation["expected"]
    assert found in deviation["found"]


@pytest.mark.parametrize("valid_from", [4, 15])
def test_a_row_too_many_is_named(audit, valid_from):
    """Wherever it says that it begins, beside an event or after the last one."""
    audit.plant(
        "CREATE TEMP TABLE extra AS SELECT * FROM deployment_versions WHERE valid_from = 3",
        f"UPDATE extra SET name = 'phantom', valid_from = {valid_from}",
        "INSERT INTO deployment_versions SELECT * FROM extra",
    )

    assert 1 == audit("replay", "--json")

    deviation = audit.lines[0]["deviation"]
    assert ("row-extra", valid_from, "default/deployments/phantom") == (
        deviation["rule"],
        deviation["position"],
        deviation["stream"],
    )


def test_a_config_removed_while_in_use_is_named(database_url, capsys):
    """The log may have forgotten what the table of deployments knew then."""
    fill(
        database_url,
        [create_config(), create(), report("DELETED"), delete_config(), create_config(name="c2", id="c-2")],
    )
    audit = Audit(database_url, capsys)
    audit.plant(EDIT.format('"status":"DELETED"', '"status":"ERROR"', 3))

    assert 1 == audit("replay", "--json")

    deviation = audit.lines[0]["deviation"]
    assert ("row", 3) == (deviation["rule"], deviation["position"])
    audit.plant(
        "UPDATE deployment_versions SET status = 'ERROR', body = replace(body, '\"DELETED\"', '\"ERROR\"') WHERE valid_from = 3"
    )
    assert 1 == audit("replay", "--json")
    deviation = audit.lines[0]["deviation"]
    assert ("config-in-use", 4) == (deviation["rule"], deviation["position"])


def test_the_first_deviation_is_told_to_people(audit):
    """Where it is, which rule it breaks in words, and what is the matter."""
    audit.plant(EDIT.format('"version":2', '"version":1', 5))

    assert 1 == audit("replay", "default/deployments/llama")

    assert [
        "deviation at position 5, default/deployments/llama, event 3 of its stream",
        f"  rule      version-number: {RULES['version-number']}",
        "  expected  version 2",
        "  found     version 1",
    ] == audit.out.splitlines()


def test_a_scope_sees_its_own_faults_only(audit):
    """What is wrong elsewhere does not matter, as long as the scope does not rest on it."""
    audit.plant(EDIT.format('"status":"DELETED"', '"status":"READY"', 11))

    assert 1 == audit("replay", "default")
    assert 1 == audit("replay", "default/deployments/gone")
    assert 0 == audit("replay", "default/deployments/llama")
    assert 0 == audit("replay", "default/deployment-configs/c1")
    assert 0 == audit("replay", "other")


def test_a_deployment_rests_on_its_configs(audit):
    """A reference is checked against the config's events, not against its row."""
    audit.plant(
        "DELETE FROM stored_events WHERE notification_id = 2", "DELETE FROM deployment_config_versions"
    )

    assert 1 == audit("replay", "default/deployments/llama", "--json")

    deviation = audit.lines[0]["deviation"]
    assert ("config-reference", 5) == (deviation["rule"], deviation["position"])


NAMES = st.sampled_from(["a", "b"])
CONFIGS = st.sampled_from(["c1", "c2"])
VERSIONS = st.none() | st.sampled_from(["1", "2", "3"])
STATUSES = st.sampled_from(["READY", "ERROR", "DELETED", "DELETING", "LOST"])
COMMANDS = st.one_of(
    st.builds(lambda name: create_config(name=name), CONFIGS),
    st.builds(
        lambda name, gpu: update_config(name=name, executor_config=ExecutorConfig(gpu=gpu)),
        CONFIGS,
        st.integers(0, 2),
    ),
    st.builds(
        lambda name, version: RollBackDeploymentConfig(
            workspace="default", name=name, id="r", version=version
        ),
        CONFIGS,
        st.none() | st.integers(1, 3),
    ),
    st.just(delete_config()),
    st.builds(delete_config, VERSIONS),
    st.builds(lambda name, config: create(name=name, config=config), NAMES, CONFIGS),
    st.builds(lambda name, config: update(name=name, config=config), NAMES, CONFIGS),
    st.builds(
        lambda name, version: RollBackDeployment(workspace="default", name=name, id="r", version=version),
        NAMES,
        st.none() | st.integers(1, 3),
    ),
    st.builds(
        lambda name, version, status: report(status, name=name, version=version), NAMES, VERSIONS, STATUSES
    ),
    st.builds(lambda name, version: delete(version, name=name), NAMES, VERSIONS),
)


@settings(max_examples=30)
@given(st.lists(COMMANDS, min_size=1, max_size=40))
def test_whatever_is_written_replays(postgres_servers, commands):
    """Whole, and each deployment and config on its own: no sequence of commands makes a deviation."""
    with postgres_servers("18").new_database() as url:
        fill(url, [*STORY[:3], *commands])
        scopes = [Scope(), Scope("default"), Scope("default", "deployments", "llama")]
        scopes += [Scope("default", "deployment-configs", "c1")]

        for scope in scopes:
            assert 0 == replay(scope, options=Options(database_url=url, json=True))
