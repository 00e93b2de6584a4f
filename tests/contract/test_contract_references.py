"""Section 8: configs that deployments refer to cannot be removed."""

import pytest

from tests.contract import wire


def in_use(workspace, count, version=None):
    """The refusal to remove `c`, or a version of it."""
    still = f"because {count} ModelDeployment(s) still reference it and are not in DELETED status"
    which = f"Cannot delete ModelDeploymentConfig '{workspace.name}/c'"
    if version is None:
        return 409, f"{which} {still}. Delete the dependent deployments first."
    return 409, f"{which} version {version} {still}"


def remove(workspace, version=None):
    """204, or the refusal."""
    response = workspace.delete("deployment-configs/c" + (f"/versions/{version}" if version else ""))
    return 204 if response.status_code == 204 else wire.refusal(response)


@pytest.mark.parametrize("status", [None, *wire.STATUSES])
def test_every_status_but_deleted_blocks(workspace, events, status):
    """DELETING as well: the model is still there."""
    workspace.config()
    workspace.deployment()
    if status is not None:
        workspace.report(status)
    before = events()

    if status == "DELETED":
        assert 204 == remove(workspace)
    else:
        assert in_use(workspace, 1) == remove(workspace)
        assert in_use(workspace, 1, 1) == remove(workspace, 1)
        assert before == events()


def test_the_refusal_is_final_for_clients(workspace):
    """Repeating it does not help."""
    workspace.config()
    workspace.deployment()

    assert "false" == workspace.delete("deployment-configs/c").headers["x-should-retry"]


def test_deployments_are_counted_not_their_versions(workspace):
    """Each deployment once, of all in the workspace and of no other."""
    other = wire.Workspace(workspace.http, wire.unique("w"))
    other.config()
    other.deployment()
    workspace.config()
    for name in ("a", "b", "e"):
        workspace.deployment(name)
        workspace.update(name)
    workspace.report("DELETED", name="e")

    assert in_use(workspace, 2) == remove(workspace)


def test_the_highest_referring_version_decides(workspace):
    """Even if a newer version of the deployment uses another config."""
    workspace.config()
    workspace.config("other")
    workspace.deployment()
    workspace.update()
    workspace.update(config="other")
    workspace.report("DELETED", version=1)
    assert in_use(workspace, 1) == remove(workspace)
    workspace.report("READY", version=1)
    workspace.report("DELETED", version=2)

    assert 204 == remove(workspace)


def test_a_version_of_superseded_deployment_versions_can_be_removed(workspace):
    """They then point to nothing and stay readable."""
    workspace.config()
    workspace.update_config()
    first = workspace.deployment(config_version=1)
    workspace.update(config_version=2)
    assert in_use(workspace, 1, 2) == remove(workspace, 2)

    assert 204 == remove(workspace, 1)
    assert first == workspace.read("deployments/d/versions/1")
    assert 404 == workspace.get("deployment-configs/c/versions/1").status_code


def test_use_is_checked_before_existence(workspace):
    """A version that nobody stored cannot be in use; a config that is gone can be."""
    workspace.config()
    workspace.update_config()
    workspace.deployment(config_version=1)
    workspace.update(config_version=2)
    remove(workspace, 1)
    workspace.report("DELETED", version=2)
    workspace.delete("deployments/d/versions/2")

    assert in_use(workspace, 1, 1) == remove(workspace, 1)
    assert (404, f"Deployment config '{workspace.name}/c' version '7' not found") == remove(workspace, 7)


def test_a_deleted_deployment_outlives_its_config(workspace):
    """It can be revived, and it cannot be updated to what is gone."""
    workspace.config()
    workspace.deployment()
    workspace.report("DELETED")
    assert 204 == remove(workspace)

    assert "READY" == workspace.report("READY")["status"]
    gone = (400, f"Deployment config '{workspace.name}/c' does not exist")
    assert gone == wire.refusal(workspace.post("deployments/d", {"config": "c"}))
    assert in_use(workspace, 1) == remove(workspace)


def test_removed_deployments_do_not_block(workspace):
    """Nothing refers to the config any more."""
    workspace.config()
    workspace.deployment()
    workspace.report("DELETED")
    workspace.delete("deployments/d")

    assert 204 == remove(workspace)
