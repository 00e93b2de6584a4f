"""Rolling back over HTTP."""

import psycopg
import pytest

from tests.contract.wire import Workspace, client, done, refusal, unique


@pytest.fixture(scope="module")
def http(service_url):
    with client(service_url) as http:
        yield http


@pytest.fixture
def workspace(http):
    """A workspace with deployment `d`: version 1 of config `c` was READY, 2 failed, 3 of config `other` too."""
    workspace = Workspace(http, unique("rollback"))
    workspace.config()
    workspace.config("other")
    workspace.deployment(project="p")
    workspace.report("READY")
    workspace.update_config()
    workspace.update()
    workspace.report("ERROR", "out of memory")
    workspace.update(config="other")
    return workspace


def roll_back(workspace, version=None, headers=None, **query):
    body = {} if version is None else {"version": version}
    return workspace.post("deployments/d/rollback", body, headers=headers or {}, params=query)


def stored(workspace):
    return done(200, workspace.get("deployments/d/versions"))


def test_by_default_the_newest_version_that_was_ready_is_restored(workspace):
    """Even though it is READY no longer: a new version has its config and config version."""
    workspace.report("LOST", version=1)
    before = stored(workspace)

    answer = roll_back(workspace)

    added = done(201, answer)
    assert ("c", 1, 4, "p", "PENDING", "Deployment update pending", []) == (
        added["config"],
        added["config_version"],
        added["entity_version"],
        added["project"],
        added["status"],
        added["status_message"],
        added["status_history"],
    )
    assert [added, *before] == stored(workspace)
    assert answer.headers["etag"] == workspace.get("deployments/d").headers["etag"]


def test_any_stored_version_can_be_restored(workspace):
    """Named, it need not have been READY; null names none."""
    assert ("c", 2) == served(done(201, roll_back(workspace, 2)))
    assert ("other", 1) == served(done(201, roll_back(workspace, "3")))
    assert ("c", 1) == served(done(201, workspace.post("deployments/d/rollback", {"version": None})))


def served(body):
    return body["config"], body["config_version"]


def test_the_event_says_what_was_restored_and_why(workspace, module_database_url):
    """The log keeps the number of the restored version, the reason and who it was."""
    done(201, roll_back(workspace, headers={"X-Change-Reason": "too slow", "X-NMP-Principal-Id": "ann"}))

    with psycopg.connect(module_database_url) as connection:
        event = connection.execute(
            "SELECT topic, convert_from(state, 'UTF8')::jsonb FROM stored_events"
            " WHERE originator_id = %s ORDER BY notification_id DESC LIMIT 1",
            (f"{workspace.name}/deployments/d",),
        ).fetchone()
    assert "deployment.rolled-back" == event[0]
    assert (1, 4, "too slow", "ann") == (
        event[1]["restored_version"],
        event[1]["version"],
        event[1]["reason"],
        event[1]["by"]["id"],
    )


def test_what_cannot_be_restored_is_refused(workspace):
    """Each reason has its status and a text that says what to do."""
    name = f"{workspace.name}/d"

    assert (409, "false") == (
        roll_back(workspace, 3).status_code,
        roll_back(workspace, 3).headers["x-should-retry"],
    )
    assert (
        f"Deployment '{name}' already has the config of version 3: 'other' version 1. "
        "Name another version to restore."
    ) == refusal(roll_back(workspace, 3))[1]
    for version in (0, -1, 9, 2**63 - 1):
        assert (404, f"Deployment '{name}' version '{version}' not found") == refusal(
            roll_back(workspace, version)
        )
    assert (404, f"Deployment '{workspace.name}/none' not found") == refusal(
        workspace.post("deployments/none/rollback", {})
    )
    assert 422 == workspace.post("deployments/d/rollback", {"version": "latest"}).status_code


def test_without_an_earlier_ready_version_one_has_to_be_named(http):
    """That the latest is or was READY is no help."""
    workspace = Workspace(http, unique("rollback"))
    workspace.config()
    workspace.deployment()
    workspace.update_config()
    workspace.update()
    workspace.report("READY")

    assert (
        409,
        f"Deployment '{workspace.name}/d' has no version before version 2 that was ever READY. "
        "Name the version to restore.",
    ) == refusal(roll_back(workspace))
    assert ("c", 1) == served(done(201, roll_back(workspace, 1)))


def test_only_what_is_stored_is_restored(workspace):
    """Neither a removed version, named or by default, nor one whose config is gone."""
    workspace.report("DELETED", version=1)
    assert 204 == workspace.delete("deployments/d/versions/1").status_code
    assert (404, f"Deployment '{workspace.name}/d' version '1' not found") == refusal(roll_back(workspace, 1))
    assert 409 == roll_back(workspace).status_code

    workspace.report("DELETED", version=2)
    assert 204 == workspace.delete("deployment-configs/c/versions/2").status_code
    assert (400, f"Deployment config '{workspace.name}/c' version '2' does not exist") == refusal(
        roll_back(workspace, 2)
    )


def test_a_stale_condition_is_refused_before_anything_else(workspace):
    """`If-Match` is about the latest version; nothing is written if it does not hold."""
    etag = workspace.get("deployments/d").headers["etag"]
    workspace.report("READY")
    before = stored(workspace)

    assert [412] * 3 == [
        roll_back(workspace, version, {"If-Match": etag}).status_code for version in (None, 3, 9)
    ]
    assert before == stored(workspace)

    current = workspace.get("deployments/d").headers["etag"]
    assert 201 == roll_back(workspace, headers={"If-Match": current}).status_code


def test_a_key_makes_it_safe_to_repeat(workspace):
    """The first answer again, refusals too; another version under the key is another request."""
    key = {"Idempotency-Key": unique("key")}

    first, again = roll_back(workspace, 1, key), roll_back(workspace, 1, key)

    assert (201, first.content) == (again.status_code, again.content)
    assert "true" == again.headers["idempotency-replayed"]
    assert 422 == roll_back(workspace, 2, key).status_code
    assert 4 == len(stored(workspace))
    other = {"Idempotency-Key": unique("key")}
    assert 409 == roll_back(workspace, 1, other).status_code
    assert ("c", 2) == served(done(201, roll_back(workspace, 2)))
    assert "true" == roll_back(workspace, 1, other).headers["idempotency-replayed"]
