"""Sections 3 and 10: what names, workspaces and projects may be."""

import pytest

from tests.contract import wire

STORED_PATTERN = r"^[a-z](?!.*--)[a-z0-9\-@.+_]{1,62}(?<!-)$"
SENT_PATTERN = r"^[\w\-.]+$"
RESOURCES = ("deployments", "deployment-configs")
WORKSPACE_MISSING = "Workspace '{}' does not exist. Please create the workspace first."


def create(workspace, resource, name, **fields):
    body = {"config": "c"} if resource == "deployments" else wire.SPEC
    return workspace.post(resource, {"name": name, **body, **fields})


@pytest.fixture
def with_config(workspace):
    workspace.config()
    return workspace


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(
    "name", ["a", "z9", "a-b", "a.b", "a_b", "a.", "a_", "a-1-b", "x" * 60, "a..b", "a__b"]
)
def test_names_that_may_be_stored(with_config, resource, name):
    """A lower-case letter first, then 59 more characters at most."""
    stored = wire.done(201, create(with_config, resource, name))

    assert name == stored["name"]
    assert stored == with_config.read(f"{resource}/{name}")


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(
    "name", ["A", "aB", "1a", "-a", ".a", "_a", "a--b", "a-", "x" * 61, "x" * 255, "é", "aé", "模型", "a١"]
)
def test_names_that_may_be_sent_but_not_stored(with_config, resource, name):
    """A normal list of one item that shows the rule."""
    expected = {
        "type": "string_pattern_mismatch",
        "loc": ["body", "name"],
        "msg": f"String should match pattern '{STORED_PATTERN}'",
        "input": name,
        "ctx": {"pattern": STORED_PATTERN},
    }

    assert (422, [expected]) == wire.refusal(create(with_config, resource, name))


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a@b", "a+b", "a\n", "\na", "a:b", "a%b"])
def test_names_that_may_not_be_sent(with_config, resource, name):
    """A line feed at the end is a character like others."""
    expected = {
        "type": "string_pattern_mismatch",
        "loc": ["body", "name"],
        "msg": f"String should match pattern '{SENT_PATTERN}'",
        "input": name,
        "ctx": {"pattern": SENT_PATTERN},
    }

    assert (422, [expected]) == wire.refusal(create(with_config, resource, name))


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_name_of_full_length_can_be_updated_for_ever(with_config, resource):
    """The number of a version takes nothing from the name's length."""
    name = "n" * 60
    wire.done(201, create(with_config, resource, name))
    for version in range(2, 13):
        body = {"config": "c"} if resource == "deployments" else wire.SPEC
        updated = wire.done(201, with_config.post(f"{resource}/{name}", body))

        assert version == updated["entity_version"]


def test_deployments_and_configs_may_share_a_name(workspace):
    """Their names have nothing to do with each other, nor have those of other workspaces."""
    other = wire.Workspace(workspace.http, wire.unique("w"))
    for place in (workspace, other):
        place.config("same")
        stored = place.deployment("same", "same")

        assert (place.name, 1) == (stored["workspace"], stored["entity_version"])


@pytest.mark.parametrize("project", ["p", "ws/p", "P.q-r_s/t", "é", "p" * 255, None])
def test_projects_are_kept_for_all_versions(workspace, project):
    """Any well-formed project is accepted."""
    assert project == workspace.config(project=project)["project"]
    assert project == workspace.deployment(project=project)["project"]
    assert project == workspace.update_config(project="other")["project"]
    assert project == workspace.update(project="other")["project"]


@pytest.mark.parametrize("project", ["", " ", "a b", "a@b", "p\n"])
def test_malformed_projects_are_refused(with_config, project):
    """Empty is malformed as well."""
    response = create(with_config, "deployments", "d", project=project)

    assert [("string_pattern_mismatch", ["body", "project"])] == wire.findings(response)


@pytest.mark.parametrize("name", ["ab", "a.b-c_d", "a@b+c", "w" * 63])
def test_every_well_formed_workspace_exists(http, name):
    """Empty until something is written to it."""
    workspace = wire.Workspace(http, name)

    assert [] == workspace.names()
    assert [] == workspace.read("deployments/d/versions")
    assert name == workspace.config(wire.unique("c"))["workspace"]


@pytest.mark.parametrize("name", ["UPPER", "x", "-", "a--b", "a-", "w" * 64, "two words", "é"])
def test_malformed_workspaces_do_not_exist(http, name):
    """Creations, lists, and reads of one object each say so in their way."""
    workspace = wire.Workspace(http, name)
    nowhere = (404, f"Workspace '{name}' not found")
    missing = (422, WORKSPACE_MISSING.format(name))

    assert missing == wire.refusal(create(workspace, "deployment-configs", "c"))
    for resource, kind in (("deployments", "Deployment"), ("deployment-configs", "Deployment config")):
        if name != "-":
            assert nowhere == wire.refusal(workspace.get(resource))
        assert nowhere == wire.refusal(workspace.get(f"{resource}/x/versions"))
        absent = (404, f"{kind} '{name}/x' not found")
        assert absent == wire.refusal(workspace.get(f"{resource}/x"))
        assert absent == wire.refusal(workspace.delete(f"{resource}/x"))
        absent = (404, f"{kind} '{name}/x' version '1' not found")
        assert absent == wire.refusal(workspace.get(f"{resource}/x/versions/1"))
        assert absent == wire.refusal(workspace.delete(f"{resource}/x/versions/1"))
        absent = (400, f"{kind} with workspace '{name}' and name 'x' does not exist")
        body = {"config": "c"} if resource == "deployments" else wire.SPEC
        assert absent == wire.refusal(workspace.post(f"{resource}/x", body))
    absent = (404, f"Deployment '{name}/x' not found")
    assert absent == wire.refusal(workspace.post("deployments/x/status", {"status": "READY"}))
    assert absent == wire.refusal(workspace.get("deployments/x/models"))


def test_the_hyphen_is_no_workspace_for_writes(workspace):
    """A write to `-` touches nothing in any workspace."""
    workspace.config()
    workspace.deployment()
    everywhere = wire.Workspace(workspace.http, "-")

    assert 404 == everywhere.delete("deployments/d").status_code
    assert 404 == everywhere.delete("deployment-configs/c").status_code
    assert 404 == everywhere.post("deployments/d/status", {"status": "LOST"}).status_code
    assert (400, "Deployment with workspace '-' and name 'd' does not exist") == wire.refusal(
        everywhere.post("deployments/d", {"config": "c"})
    )
    assert "CREATED" == workspace.read()["status"]
