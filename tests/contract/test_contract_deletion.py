"""Section 7 and defect 10: marking for deletion and removing."""

import pytest

from tests.contract import wire

MARKED, REMOVED = (202, b"null"), (204, b"")


@pytest.fixture
def deployed(workspace):
    """A workspace with three versions of the deployment `d`."""
    workspace.config()
    workspace.deployment()
    workspace.update()
    workspace.update()
    return workspace


def delete(workspace, path="deployments/d"):
    response = workspace.delete(path)
    return response.status_code, response.content


def statuses(workspace):
    return {
        version["entity_version"]: version["status"] for version in workspace.read("deployments/d/versions")
    }


def test_deletion_of_a_version_marks_it(deployed, events):
    """Repeating it changes nothing."""
    first = delete(deployed, "deployments/d/versions/2")
    marked = deployed.read("deployments/d/versions/2")
    before = events()

    assert MARKED == first == delete(deployed, "deployments/d/versions/2")
    assert before == events()
    assert marked == deployed.read("deployments/d/versions/2")
    assert ("DELETING", "Deployment deletion requested") == (marked["status"], marked["status_message"])
    assert {1: "CREATED", 2: "DELETING", 3: "PENDING"} == statuses(deployed)


def test_deletion_of_a_deployment_marks_every_version_that_is_not_deleted(deployed):
    """Those that are DELETED stay."""
    deployed.report("DELETED", version="2")

    assert MARKED == delete(deployed)
    assert {1: "DELETING", 2: "DELETED", 3: "DELETING"} == statuses(deployed)
    assert MARKED == delete(deployed)


def test_a_deleted_version_is_removed(deployed):
    """With the answer that is documented; the next lower one is then the latest."""
    deployed.report("DELETED")

    assert REMOVED == delete(deployed, "deployments/d/versions/3")
    absent = f"Deployment '{deployed.name}/d' version '3' not found"
    assert (404, absent) == wire.refusal(deployed.delete("deployments/d/versions/3"))
    assert (404, absent) == wire.refusal(deployed.get("deployments/d/versions/3"))
    assert 2 == deployed.read()["entity_version"]


def test_a_deployment_is_removed_when_every_version_is_deleted(deployed):
    """Nothing of it is found afterwards, and its name is free."""
    for version in "123":
        deployed.report("DELETED", version=version)
    assert REMOVED == delete(deployed)

    absent = f"Deployment '{deployed.name}/d'"
    gone = (404, f"{absent} not found")
    assert gone == wire.refusal(deployed.get("deployments/d"))
    assert gone == wire.refusal(deployed.get("deployments/d/models"))
    assert gone == wire.refusal(deployed.delete("deployments/d"))
    assert gone == wire.refusal(deployed.post("deployments/d/status", {"status": "READY"}))
    for answer in (deployed.get("deployments/d/versions/1"), deployed.delete("deployments/d/versions/1")):
        assert (404, f"{absent} version '1' not found") == wire.refusal(answer)
    assert 400 == deployed.post("deployments/d", {"config": "c"}).status_code
    assert [] == deployed.read("deployments/d/versions")
    assert [] == deployed.names() == deployed.names(all_versions=True)


def test_a_name_that_is_created_again_begins_anew(deployed):
    """Nothing of the removed one shows, except that its numbers are used up."""
    before = deployed.read("deployments/d/versions")
    for version in "123":
        deployed.report("DELETED", version=version, model_provider_id="ws/p")
    delete(deployed)
    again = deployed.deployment()

    assert (4, "CREATED", [], None) == tuple(
        again[key] for key in ("entity_version", "status", "status_history", "model_provider_id")
    )
    assert again["id"] not in {version["id"] for version in before}


def test_deletion_does_not_stop_other_operations(deployed):
    """Reads, updates, and the report of DELETED go on."""
    delete(deployed)

    assert "DELETING" == deployed.read()["status"]
    assert (4, "PENDING") == tuple(deployed.update()[key] for key in ("entity_version", "status"))
    assert "DELETED" == deployed.report("DELETED", version="1")["status"]
    assert "READY" == deployed.report("READY", version="1")["status"]


def test_removing_the_last_version_frees_the_name(workspace):
    """As removing the deployment does."""
    workspace.config()
    workspace.deployment()
    workspace.report("DELETED")

    assert REMOVED == delete(workspace, "deployments/d/versions/1")
    assert 404 == workspace.get("deployments/d").status_code
    assert 2 == workspace.deployment()["entity_version"]


def test_every_one_of_many_versions_is_deleted(workspace):
    """More than a hundred, listed, marked and removed without exception."""
    workspace.config()
    workspace.deployment()
    for _ in range(115):
        workspace.update()
    assert 116 == len(workspace.read("deployments/d/versions"))
    assert MARKED == delete(workspace)
    assert {"DELETING"} == set(statuses(workspace).values())
    for version in range(1, 117):
        workspace.report("DELETED", version=version)

    assert REMOVED == delete(workspace)
    assert 404 == workspace.get("deployments/d").status_code
    assert [] == workspace.read("deployments/d/versions")


def test_every_one_of_many_config_versions_is_removed(workspace):
    """More than a hundred."""
    workspace.config()
    for _ in range(104):
        workspace.update_config()
    assert 105 == len(workspace.read("deployment-configs/c/versions"))

    assert REMOVED == delete(workspace, "deployment-configs/c")
    assert [] == workspace.read("deployment-configs/c/versions")
    assert 404 == workspace.get("deployment-configs/c").status_code


def test_a_removed_config_is_unknown(workspace):
    """All routes answer as for a name that never was."""
    workspace.config()
    delete(workspace, "deployment-configs/c")

    absent = f"Deployment config '{workspace.name}/c'"
    assert (404, f"{absent} not found") == wire.refusal(workspace.delete("deployment-configs/c"))
    assert (404, f"{absent} not found") == wire.refusal(workspace.get("deployment-configs/c"))
    for answer in (
        workspace.get("deployment-configs/c/versions/1"),
        workspace.delete("deployment-configs/c/versions/1"),
    ):
        assert (404, f"{absent} version '1' not found") == wire.refusal(answer)
    assert 400 == workspace.post("deployment-configs/c", wire.SPEC).status_code
