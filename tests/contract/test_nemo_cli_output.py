"""The official command line: lists, and what it says when something is wrong."""

import pytest


def column(outcome, field):
    return [item[field] for item in outcome.json["data"]]


def test_lists(deployed_nemo, workspace):
    """Filters, orders and pages; all pages at once."""
    for number in range(6):
        workspace.deployment(f"n{number}")
    workspace.report("READY", "up", "n3", model_provider_id="ws/p")
    workspace.update("n3")

    def listed(*options, field="name"):
        return column(deployed_nemo("deployments", "list", "--sort", "name", "-f", "json", *options), field)

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
    everything = deployed_nemo(
        "deployments", "list", "--sort", "name", "--page-size", "2", "--all-pages", "-f", "json"
    )
    assert 7 == len(everything.json["data"] if isinstance(everything.json, dict) else everything.json)


def test_models(deployed_nemo):
    """None."""
    models = deployed_nemo("deployments", "list-models", "d", "-f", "json").json

    assert [] == models["models"]


def test_tables(deployed_nemo):
    """What people see."""
    outcome = deployed_nemo("deployments", "list")

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
def test_refusals(deployed_nemo, workspace, case):
    """Exit code 1, nothing on standard output, and the service's sentence."""
    command, message = REFUSALS[case]
    outcome = deployed_nemo(*command)

    assert (1, "") == outcome[:2]
    assert message.format(workspace.name) in outcome.stderr


def test_wrong_command_lines(nemo):
    """Exit code 2, without asking the service."""
    assert 2 == nemo("deployments", "update-status", "d", "--status", "SLEEPING").code
    assert 2 == nemo("deployments", "vanish", "d").code
