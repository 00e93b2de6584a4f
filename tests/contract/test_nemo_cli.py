"""The official command line: every verb it has for configs and deployments, as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

SPEC = ("--engine", "nim", "--model-spec", '{"model_name":"m"}', "--executor-config", '{"gpu":1}')
DELETED = "✓ Deleted successfully\n"


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)


@pytest.fixture(scope="session")
def environ(contract_url, tmp_path_factory):
    """An environment whose only settings are the service's address and wide lines."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("NMP_", "NEMO_"))}
    home = str(tmp_path_factory.mktemp("home"))
    return own | {"HOME": home, "NMP_BASE_URL": contract_url, "COLUMNS": "1000", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def program(environ):
    """The program, ready to run commands."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("nemo_fork.py")],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def nemo(program, workspace):
    """Run `nemo inference …` in a workspace of the test's own."""

    def run(*arguments, stdin=""):
        command = ["inference", *arguments, "--workspace", workspace.name]
        program.stdin.write(json.dumps({"arguments": command, "stdin": stdin}) + "\n")
        program.stdin.flush()
        return Outcome(**json.loads(program.stdout.readline()))

    return run


@pytest.fixture
def deployed(nemo, workspace):
    """`nemo`, with a config `c` and a deployment `d` of it."""
    workspace.config()
    workspace.deployment()
    return nemo


def column(outcome, field):
    return [item[field] for item in outcome.json["data"]]


def test_the_program_itself(environ):
    """The installed executable, pointed at the service by its environment, and by its own option."""
    executable = Path(sys.executable).with_name("nemo")
    listed = subprocess.run(
        [executable, "inference", "deployments", "list", "-f", "json", "--page-size", "1"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["data", "pagination", "sort"] == list(json.loads(listed.stdout))

    elsewhere = {**environ, "NMP_BASE_URL": "http://127.0.0.1:9"}
    command = [
        executable,
        "--base-url",
        environ["NMP_BASE_URL"],
        "inference",
        "deployments",
        "get",
        "nothing-here",
    ]
    missing = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=False)
    assert 1 == missing.returncode
    assert "Deployment 'default/nothing-here' not found" in missing.stderr


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


def test_existing_is_ok_if_asked_for(deployed):
    """The stored object is shown."""
    for command in (
        ("deployment-configs", "create", "c", *SPEC),
        ("deployments", "create", "d", "--config", "c"),
    ):
        refused = deployed(*command)
        assert 1 == refused.code
        assert "already exists" in refused.stderr
        assert 1 == deployed(*command, "--exist-ok", "-f", "json").json["entity_version"]


def test_statuses_are_reported(deployed):
    """Of the latest version, or of the one that is named."""
    deployed("deployments", "update", "d", "--config", "c")
    options = ("--status", "READY", "--status-message", "up", "--model-provider-id", "ws/p")
    ready = deployed("deployments", "update-status", "d", *options, "-f", "json").json
    lost = deployed(
        "deployments", "update-status", "d", "--status", "LOST", "--version", "1", "-f", "json"
    ).json

    assert (2, "READY", "up", "ws/p") == tuple(
        ready[key] for key in ("entity_version", "status", "status_message", "model_provider_id")
    )
    assert ["PENDING", "READY"] == [entry["status"] for entry in ready["status_history"]]
    assert (1, "LOST") == (lost["entity_version"], lost["status"])


def test_deployments_are_deleted_and_removed(deployed):
    """Marked first; gone once they are reported DELETED."""
    deployed("deployments", "update", "d", "--config", "c")
    assert (0, DELETED) == deployed("deployments", "versions", "delete", "1", "--deployment", "d")[:2]
    version = deployed("deployments", "versions", "get", "1", "--deployment", "d", "-f", "json").json
    assert "DELETING" == version["status"]
    assert (0, DELETED) == deployed("deployments", "delete", "d")[:2]
    listed = deployed("deployments", "versions", "list", "d", "-f", "json").json
    assert ["DELETING", "DELETING"] == [version["status"] for version in listed]
    for version in "12":
        deployed("deployments", "update-status", "d", "--status", "DELETED", "--version", version)

    assert (0, DELETED) == deployed("deployments", "delete", "d")[:2]
    assert 1 == deployed("deployments", "get", "d").code


def test_lists(deployed, workspace):
    """Filters, orders and pages; all pages at once."""
    for number in range(6):
        workspace.deployment(f"n{number}")
    workspace.report("READY", "up", "n3", model_provider_id="ws/p")
    workspace.update("n3")

    def listed(*options, field="name"):
        return column(deployed("deployments", "list", "--sort", "name", "-f", "json", *options), field)

    assert ["d", "n0", "n1", "n2", "n3", "n4", "n5"] == listed()
    assert (
        ["n1", "n2"] == listed("--page", "2", "--page-size", "2") == listed("--page-size", "2", "--page", "2")
    )
    assert ["n3"] == listed("--filter.status", "PENDING")
    assert ["n3"] == listed(
        "--filter.status", "READY", "--filter.model-provider-id", "ws/p", "--all-versions"
    )
    assert ["n2"] == listed("--filter.name", "n2", "--filter.config", "c")
    assert ["n4", "n5"] == listed("--filter", '{"name":{"$in":["n4","n5"]}}')
    assert [1, 2] == sorted(listed("--filter.name", "n3", "--all-versions", field="entity_version"))
    everything = deployed(
        "deployments", "list", "--sort", "name", "--page-size", "2", "--all-pages", "-f", "json"
    )
    assert 7 == len(everything.json["data"] if isinstance(everything.json, dict) else everything.json)


def test_models(deployed):
    """None."""
    models = deployed("deployments", "list-models", "d", "-f", "json").json

    assert [] == models["models"]


def test_tables(deployed):
    """What people see."""
    outcome = deployed("deployments", "list")

    assert 0 == outcome.code
    assert "CREATED" in outcome.stdout


REFUSALS = {
    "not found": (("deployments", "get", "x"), "Deployment '{}/x' not found"),
    "no version": (
        ("deployments", "versions", "get", "9", "--deployment", "d"),
        "Deployment '{}/d' version '9' not found",
    ),
    "bad version": (
        ("deployments", "versions", "get", "x", "--deployment", "d"),
        "Invalid version 'x': must be a positive integer",
    ),
    "no config": (
        ("deployments", "create", "x", "--config", "none"),
        "Deployment config '{}/none' does not exist",
    ),
    "nothing to update": (
        ("deployments", "update", "x", "--config", "c"),
        "Deployment with workspace '{}' and name 'x' does not exist",
    ),
    "in use": (("deployment-configs", "delete", "c"), "because 1 ModelDeployment(s) still reference it"),
    "bad name": (("deployments", "create", "A", "--config", "c"), "String should match pattern"),
    "bad filter": (("deployments", "list", "--filter", '{"nothing":"x"}'), "Unknown filter field 'nothing'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(deployed, workspace, case):
    """Exit code 1, nothing on standard output, and the service's sentence."""
    command, message = REFUSALS[case]
    outcome = deployed(*command)

    assert (1, "") == outcome[:2]
    assert message.format(workspace.name) in outcome.stderr


def test_wrong_command_lines(nemo):
    """Exit code 2, without asking the service."""
    assert 2 == nemo("deployments", "update-status", "d", "--status", "SLEEPING").code
    assert 2 == nemo("deployments", "vanish", "d").code
