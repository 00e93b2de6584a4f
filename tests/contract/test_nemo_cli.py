"""The official command line: every verb that changes configs and deployments, or reads one."""

import json

SPEC = ("--engine", "nim", "--model-spec", '{"model_name":"m"}', "--executor-config", '{"gpu":1}')
DELETED = "✓ Deleted successfully\n"


def column(outcome, field):
    return [item[field] for item in outcome.json["data"]]


def test_the_program_itself(nemo_program):
    """The installed executable; its option for the address beats its environment."""
    command = [
        "--base-url",
        nemo_program.environ["NMP_BASE_URL"],
        "inference",
        "deployments",
        "get",
        "nothing",
    ]
    missing = nemo_program.run_executable(*command, NMP_BASE_URL="http://127.0.0.1:9")

    assert 1 == missing.code
    assert "Deployment 'default/nothing' not found" in missing.stderr


def test_configs_are_created_and_read(nemo, workspace):
    """From options, from a file, from text, and from standard input."""
    options = ("--description", "d", "--model-entity-id", "ws/m", "--project", "p")
    created = nemo("deployment-configs", "create", "a", *SPEC, *options, "-f", "json").json
    body = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 2}}
    nemo("deployment-configs", "create", "b", "--input-data", json.dumps(body))
    nemo("deployment-configs", "create", "c", "--input-file", "-", stdin=json.dumps(body))

    assert (1, "d", "ws/m", "p") == tuple(
        created[key] for key in ("entity_version", "description", "model_entity_id", "project")
    )
    assert created == nemo("deployment-configs", "get", "a", "-f", "json").json
    assert created == workspace.read("deployment-configs/a")
    assert ["a", "b", "c"] == column(
        nemo("deployment-configs", "list", "--sort", "name", "-f", "json"), "name"
    )


def test_configs_are_updated_and_removed(nemo):
    """Version by version, then altogether."""
    configs = "deployment-configs"
    nemo(configs, "create", "a", *SPEC)
    updated = nemo(configs, "update", "a", *SPEC, "--description", "second", "-f", "json").json
    versions = nemo(configs, "versions", "list", "a", "-f", "json").json

    assert (2, "second") == (updated["entity_version"], updated["description"])
    assert [2, 1] == [version["entity_version"] for version in versions]
    assert updated == nemo(configs, "versions", "get", "2", "--config", "a", "-f", "json").json
    assert (0, DELETED) == nemo(configs, "versions", "delete", "2", "--config", "a")[:2]
    assert 1 == nemo(configs, "get", "a", "-f", "json").json["entity_version"]
    assert (0, DELETED) == nemo(configs, "delete", "a")[:2]
    assert 1 == nemo(configs, "get", "a").code


def test_deployments_are_created_and_updated(nemo, workspace):
    """With a named config version, or the latest."""
    workspace.config()
    workspace.update_config()
    options = ("--config", "c", "--config-version", "1", "--project", "p")
    created = nemo("deployments", "create", "d", *options, "-f", "json").json
    updated = nemo("deployments", "update", "d", "--config", "c", "-f", "json").json
    again = nemo(
        "deployments", "update", "d", "--input-data", '{"config":"c","config_version":1}', "-f", "json"
    ).json

    assert (1, 1, "p") == tuple(created[key] for key in ("entity_version", "config_version", "project"))
    assert (2, 2, "PENDING") == tuple(updated[key] for key in ("entity_version", "config_version", "status"))
    assert (3, 1) == tuple(again[key] for key in ("entity_version", "config_version"))
    assert again == nemo("deployments", "get", "d", "-f", "json").json == workspace.read()


def test_existing_is_ok_if_asked_for(deployed_nemo):
    """The stored object is shown."""
    for command in (
        ("deployment-configs", "create", "c", *SPEC),
        ("deployments", "create", "d", "--config", "c"),
    ):
        refused = deployed_nemo(*command)
        assert 1 == refused.code
        assert "already exists" in refused.stderr
        assert 1 == deployed_nemo(*command, "--exist-ok", "-f", "json").json["entity_version"]


def test_statuses_are_reported(deployed_nemo):
    """Of the latest version, or of the one that is named."""
    deployed_nemo("deployments", "update", "d", "--config", "c")
    options = ("--status", "READY", "--status-message", "up", "--model-provider-id", "ws/p")
    ready = deployed_nemo("deployments", "update-status", "d", *options, "-f", "json").json
    lost = deployed_nemo(
        "deployments", "update-status", "d", "--status", "LOST", "--version", "1", "-f", "json"
    ).json

    assert (2, "READY", "up", "ws/p") == tuple(
        ready[key] for key in ("entity_version", "status", "status_message", "model_provider_id")
    )
    assert ["PENDING", "READY"] == [entry["status"] for entry in ready["status_history"]]
    assert (1, "LOST") == (lost["entity_version"], lost["status"])


def test_deployments_are_deleted_and_removed(deployed_nemo):
    """Marked first; gone once they are reported DELETED."""
    deployed_nemo("deployments", "update", "d", "--config", "c")
    assert (0, DELETED) == deployed_nemo("deployments", "versions", "delete", "1", "--deployment", "d")[:2]
    version = deployed_nemo("deployments", "versions", "get", "1", "--deployment", "d", "-f", "json").json
    assert "DELETING" == version["status"]
    assert (0, DELETED) == deployed_nemo("deployments", "delete", "d")[:2]
    listed = deployed_nemo("deployments", "versions", "list", "d", "-f", "json").json
    assert ["DELETING", "DELETING"] == [version["status"] for version in listed]
    for version in "12":
        deployed_nemo("deployments", "update-status", "d", "--status", "DELETED", "--version", version)

    assert (0, DELETED) == deployed_nemo("deployments", "delete", "d")[:2]
    assert 1 == deployed_nemo("deployments", "get", "d").code
