"""Section 5: creating and updating deployments, and what their config reference resolves to."""

import pytest

from tests.contract import wire


def create(workspace, name="d", config="c", **fields):
    return workspace.post("deployments", {"name": name, "config": config, **fields})


def update(workspace, name="d", config="c", **fields):
    return workspace.post(f"deployments/{name}", {"config": config, **fields})


def no_config(workspace, config, version=None):
    which = "" if version is None else f" version '{version}'"
    return 400, f"Deployment config '{workspace.name}/{config}'{which} does not exist"


def write(workspace, kind, **fields):
    """The answer to a creation or an update with these fields."""
    if kind == "update":
        workspace.config("first")
        workspace.deployment(config="first")
        return update(workspace, **fields)
    return create(workspace, **fields)


both_writes = pytest.mark.parametrize("kind", ["create", "update"])


def test_a_deployment_begins_created(workspace):
    """Version 1, nothing reported yet, and readable at once."""
    workspace.config()
    stored = workspace.deployment(project="p")

    assert (1, "CREATED", "Deployment created", [], None, "p") == tuple(
        stored[key]
        for key in (
            "entity_version",
            "status",
            "status_message",
            "status_history",
            "model_provider_id",
            "project",
        )
    )
    assert stored == workspace.read() == workspace.read("deployments/d/versions/1")


@both_writes
def test_the_latest_config_version_is_pinned(workspace, kind):
    """Later versions of the config do not change what was resolved."""
    workspace.config()
    workspace.update_config()
    stored = wire.done(201, write(workspace, kind))
    workspace.update_config()

    assert ("c", 2) == (stored["config"], stored["config_version"])
    assert stored == workspace.read()


@both_writes
def test_a_named_config_version_is_used(workspace, kind):
    """Older than the latest as well."""
    workspace.config()
    workspace.update_config()

    assert 1 == wire.done(201, write(workspace, kind, config_version=1))["config_version"]


@both_writes
@pytest.mark.parametrize("version", [3, -1, 2**63 - 1, -(2**63)])
def test_a_config_version_that_is_not_stored(workspace, kind, version):
    """Negative and huge numbers name nothing."""
    workspace.config()

    assert no_config(workspace, "c", version) == wire.refusal(write(workspace, kind, config_version=version))


@both_writes
@pytest.mark.parametrize(
    "config", ["x", "", "C", "/", "../x", "other/cfg", "two words", "é", "x" * 255, "c\n"]
)
@pytest.mark.parametrize("version", [None, 1])
def test_a_config_that_is_not_stored(workspace, kind, config, version):
    """Any text may be asked for; a slash never leads to another workspace, with or without a version."""
    workspace.config()
    other = wire.Workspace(workspace.http, "other")
    other.post("deployment-configs", {"name": "cfg", **wire.SPEC})
    answer = wire.refusal(write(workspace, kind, config=config, config_version=version))

    assert no_config(workspace, config, version) == answer


def test_a_config_of_another_workspace_is_none(workspace):
    """A bare name means the deployment's own workspace."""
    wire.Workspace(workspace.http, wire.unique("w")).config()

    assert no_config(workspace, "c") == wire.refusal(create(workspace))


def test_a_removed_config_version_is_not_resolved(workspace):
    """The latest is the highest that is stored."""
    workspace.config()
    workspace.update_config()
    workspace.delete("deployment-configs/c/versions/2")

    assert no_config(workspace, "c", 2) == wire.refusal(create(workspace, config_version=2))
    assert 1 == workspace.deployment()["config_version"]


@pytest.mark.parametrize("status", wire.STATUSES)
def test_a_taken_name_is_a_final_conflict(workspace, events, status):
    """Whatever the status of what is stored, and before its config is looked at."""
    workspace.config()
    workspace.deployment()
    workspace.report(status)
    before = events()
    response = create(workspace, config="nothing")

    message = f"Deployment with workspace '{workspace.name}' and name 'd' already exists"
    assert (409, message) == wire.refusal(response)
    assert "false" == response.headers["x-should-retry"]
    assert before == events()


@pytest.mark.parametrize("status", [None, *wire.STATUSES])
def test_an_update_adds_a_pending_version(workspace, status):
    """Whatever the status of the current one, which stays as it is."""
    workspace.config()
    workspace.config("other")
    workspace.deployment(project="p")
    if status is not None:
        workspace.report(status, "s", model_provider_id="ws/p")
    first = workspace.read()
    second = wire.done(201, update(workspace, config="other", name="d", project="x", status="READY"))

    expected = {
        **first,
        **{key: second[key] for key in ("id", "created_at", "updated_at")},
        "entity_version": 2,
        "config": "other",
        "status": "PENDING",
        "status_message": "Deployment update pending",
        "status_history": [],
        "model_provider_id": None,
    }
    assert expected == second
    assert second["id"] != first["id"]
    assert second["created_at"] > first["created_at"]
    assert second == workspace.read()
    assert first == workspace.read("deployments/d/versions/1")


def test_an_identical_update_is_a_version_too(workspace):
    """Rolling out the same again is something to record."""
    workspace.config()
    workspace.deployment()

    assert [2, 3, 4] == [workspace.update()["entity_version"] for _ in range(3)]


def test_an_update_of_nothing_is_a_400(workspace):
    """Not a 404, and before its config is looked at."""
    message = f"Deployment with workspace '{workspace.name}' and name 'd' does not exist"

    assert (400, message) == wire.refusal(update(workspace))


def test_refused_writes_leave_nothing_behind(workspace, events):
    """Nothing is appended for any of them."""
    workspace.config()
    before = events()
    answers = [
        create(workspace, config="x").status_code,
        create(workspace, "A").status_code,
        update(workspace).status_code,
        create(workspace, config=5).status_code,
        workspace.delete("deployments/d").status_code,
    ]

    assert [400, 422, 400, 422, 404] == answers
    assert before == events()


def test_versions_are_listed_highest_first(workspace):
    """All of them; of what is not stored there are none."""
    workspace.config()
    workspace.deployment()
    for _ in range(11):
        workspace.update()
        workspace.update_config()
    for path in ("deployments/d/versions", "deployment-configs/c/versions"):
        assert list(range(12, 0, -1)) == [version["entity_version"] for version in workspace.read(path)]
    for path in ("deployments/x/versions", "deployment-configs/x/versions"):
        assert [] == workspace.read(path)


def test_models_of_a_deployment(workspace):
    """None, as long as it is there."""
    workspace.config()
    workspace.deployment()
    response = workspace.get("deployments/d/models")

    assert f'{{"workspace":"{workspace.name}","name":"d","models":[]}}' == response.text
    assert (404, f"Deployment '{workspace.name}/x' not found") == wire.refusal(
        workspace.get("deployments/x/models")
    )
