"""Section 1.7 and defects 2 and 11: what the text of a version may be, and that numbers never come back."""

from urllib.parse import quote

import pytest

from tests.contract import wire

KINDS = {"deployments/d": "Deployment", "deployment-configs/c": "Deployment config"}
NO_INTEGERS = ["abc", "1.0", "1e0", "null", "latest", "1x", " ", "+", "--1", "0x1", "1,0"]
NOT_STORED = ["0", "-1", "3", "9223372036854775807", "9223372036854775808", "9" * 100]

every_kind = pytest.mark.parametrize("path", KINDS)


@pytest.fixture
def filled(workspace):
    """A workspace with two versions of a config and of a deployment of version 2 of it."""
    workspace.config()
    workspace.update_config()
    workspace.deployment()
    workspace.update()
    return workspace


def version_routes(workspace, path, text):
    """The answers of all routes that take a version."""
    answers = [
        workspace.get(f"{path}/versions/{quote(text)}"),
        workspace.delete(f"{path}/versions/{quote(text)}"),
    ]
    if path == "deployments/d":
        answers.append(workspace.post(f"{path}/status", {"status": "READY"}, params={"version": text}))
    return answers


@every_kind
@pytest.mark.parametrize("text", NO_INTEGERS)
def test_what_is_no_integer_is_refused(filled, path, text):
    """On every route that takes a version."""
    for answer in version_routes(filled, path, text):
        assert (400, f"Invalid version '{text}': must be a positive integer") == wire.refusal(answer)


@every_kind
@pytest.mark.parametrize("text", NOT_STORED)
def test_an_integer_that_names_no_version(filled, events, path, text):
    """Zero is no version either, least of all every version; the text is echoed as received."""
    before = events()
    kind, name = KINDS[path], path.split("/")[1]

    for answer in version_routes(filled, path, text):
        assert (404, f"{kind} '{filled.name}/{name}' version '{text}' not found") == wire.refusal(answer)
    assert before == events()


@every_kind
@pytest.mark.parametrize("text", ["01", "+1", "1_0", "١"])
def test_numbers_in_odd_spelling_name_nothing(filled, path, text):
    """Refused or not found, never taken for another version."""
    for answer in version_routes(filled, path, text):
        assert answer.status_code in {400, 404}


def test_the_versions_of_what_is_not_stored(workspace):
    """As for a version that is not."""
    absent = f"'{workspace.name}/x' version '1' not found"

    assert (404, f"Deployment {absent}") == wire.refusal(workspace.get("deployments/x/versions/1"))
    assert (404, f"Deployment config {absent}") == wire.refusal(
        workspace.get("deployment-configs/x/versions/1")
    )


def test_an_empty_version_of_a_report_is_the_latest(filled):
    """As if it were left out."""
    assert 2 == filled.report("READY", version="")["entity_version"]
    assert 1 == filled.report("READY", version="1")["entity_version"]


def test_numbers_of_removed_deployment_versions_never_come_back(filled):
    """Neither after the highest was removed nor when the name is created again after all were."""
    filled.report("DELETED")
    assert 204 == filled.delete("deployments/d/versions/2").status_code
    assert 1 == filled.read()["entity_version"]
    assert 3 == filled.update()["entity_version"]

    filled.report("DELETED", version="1")
    filled.report("DELETED", version="3")
    assert 204 == filled.delete("deployments/d").status_code
    again = filled.deployment()
    assert (4, "CREATED", []) == (again["entity_version"], again["status"], again["status_history"])
    assert [4] == [version["entity_version"] for version in filled.read("deployments/d/versions")]


def test_numbers_of_removed_config_versions_never_come_back(workspace):
    """As for deployments."""
    workspace.config()
    workspace.update_config()
    assert 204 == workspace.delete("deployment-configs/c/versions/2").status_code
    assert 1 == workspace.read("deployment-configs/c")["entity_version"]
    assert 3 == workspace.update_config()["entity_version"]

    assert 204 == workspace.delete("deployment-configs/c").status_code
    assert 4 == workspace.config()["entity_version"]
