"""History, blame and diff over HTTP."""

import threading
from datetime import UTC, datetime

import pytest

from tests.contract.wire import Workspace, client, done, refusal, unique
from tests.support.patches import patched

PERSON = {
    "x-nmp-principal-id": "ann",
    "x-nmp-principal-email": "ann@example.com",
    "x-nmp-principal-groups": "ops",
}
SERVICE = {"x-nmp-principal-id": "service:robot", "x-nmp-principal-on-behalf-of": "service:other"}


@pytest.fixture(scope="module")
def http(service_url):
    with client(service_url) as http:
        yield http


@pytest.fixture
def workspace(http):
    """Deployment `d`, created by Ann with config `c`, READY, then updated to the config's second version."""
    workspace = Workspace(http, unique("past"))
    workspace.config()
    done(
        201,
        workspace.post(
            "deployments", {"name": "d", "config": "c"}, headers={**PERSON, "x-change-reason": "first"}
        ),
    )
    workspace.report("READY", "up")
    workspace.update_config(executor_config={"gpu": 2})
    done(201, workspace.post("deployments/d", {"config": "c"}, headers={"x-change-reason": "more%20GPUs"}))
    return workspace


def history(workspace, path="history", **query):
    return done(200, workspace.get(path, params=query))


def kinds(page):
    return [entry["kind"].removeprefix("deployment") for entry in page["data"]]


def purged(workspace):
    """Remove deployment `d` and then config `c` for good."""
    for version in (1, 2):
        workspace.report("DELETED", version=version)
    assert 204 == workspace.delete("deployments/d").status_code
    assert 204 == workspace.delete("deployment-configs/c").status_code


def test_an_entry_tells_who_changed_what_when_and_why(workspace):
    """The newest first; an update is compared with what was the latest version."""
    body = workspace.read()

    page = history(workspace, "deployments/d/history", limit=1)

    entry = page["data"][0]
    assert {
        "position": entry["position"],
        "at": body["created_at"],
        "kind": "deployment.updated",
        "workspace": workspace.name,
        "resource": "deployments",
        "name": "d",
        "actor": {"id": "", "on_behalf_of": None, "email": None, "groups": []},
        "reason": "more GPUs",
        "versions": entry["versions"],
    } == entry
    assert page["next"] == entry["position"]
    [change] = entry["versions"]
    assert (2, 1) == (change["version"], change["previous_version"])
    changes = {one["field"]: (one["old"], one["new"]) for one in change["changes"]}
    assert (1, 2) == changes["/config_version"]
    assert ("READY", "PENDING") == changes["/status"]
    assert ("ann", "") == changes["/auth_context/principal_id"]
    assert "/status_history" not in changes


def test_pages_follow_each_other_from_either_end(workspace):
    """`next` is where the next page begins, and null on the last one."""
    newest = history(workspace, "deployments/d/history", limit=2)
    rest = history(workspace, "deployments/d/history", limit=2, after=newest["next"])
    oldest = history(workspace, "deployments/d/history", order="oldest", limit=2)

    assert [".updated", ".status-changed"] == kinds(newest)
    assert ([".created"], None) == (kinds(rest), rest["next"])
    assert [".created", ".status-changed"] == kinds(oldest)
    after = {"after": oldest["next"], "order": "oldest"}
    assert ([".updated"], None) == (
        kinds(page := history(workspace, "deployments/d/history", **after)),
        page["next"],
    )


def test_removed_names_keep_their_history(workspace):
    """What was removed is in the entry of the removal, with old values only."""
    purged(workspace)

    newest = history(workspace, "deployments/d/history")["data"][0]
    config = history(workspace, "deployment-configs/c/history")

    assert "deployment.purged" == newest["kind"]
    assert [1, 2] == [change["version"] for change in newest["versions"]]
    assert {("field", "old")} == {tuple(one) for change in newest["versions"] for one in change["changes"]}
    assert ["-config.deleted", "-config.updated", "-config.created"] == kinds(config)


@pytest.mark.parametrize("path", ["history", "blame", "diff?from=1"])
@pytest.mark.parametrize(
    ("resource", "word"), [("deployments", "Deployment"), ("deployment-configs", "Deployment config")]
)
def test_a_name_that_never_was_is_not_found(workspace, path, resource, word):
    """As with any other read of it."""
    status, detail = refusal(workspace.get(f"{resource}/never/{path}"))

    assert 404 == status
    assert detail.startswith(f"{word} '{workspace.name}/never' ")
    assert detail.endswith("not found")


def test_history_of_a_workspace_can_be_selected_from(workspace):
    """By resource, name, kind, actor, and the time between two points, the first of which is left out."""
    whole = history(workspace)
    positions = [entry["position"] for entry in whole["data"]]

    assert ["d", "c", "d", "d", "c"] == [entry["name"] for entry in whole["data"]]
    assert 2 == len(history(workspace, resource="deployment-configs")["data"])
    assert 3 == len(history(workspace, name="d")["data"])
    assert [] == history(workspace, name="d", resource="deployment-configs")["data"]
    assert [".updated"] == kinds(history(workspace, kind="deployment.updated"))
    assert [".created"] == kinds(history(workspace, actor="ann"))
    between = history(workspace, since=positions[3], until=positions[1])
    assert positions[1:3] == [entry["position"] for entry in between["data"]]
    times = {"since": whole["data"][3]["at"], "until": whole["data"][1]["at"]}
    assert between == history(workspace, **times)
    everywhere = done(
        200, workspace.http.get("/apis/models/v2/workspaces/-/history", params={"name": "d", "limit": 1})
    )
    assert whole["data"][:1] == everywhere["data"]


def test_an_actor_is_also_the_one_on_whose_behalf(workspace):
    """Whoever asks what one did finds what was done in their name."""
    done(200, workspace.post("deployments/d/status", {"status": "ERROR"}, headers=SERVICE))

    for actor in ("service:robot", "service:other"):
        [entry] = history(workspace, actor=actor)["data"]
        assert ("service:robot", "service:other") == (entry["actor"]["id"], entry["actor"]["on_behalf_of"])


def test_who_wrote_a_version_is_shown_to_those_who_may_see_it(workspace):
    """To others neither fields nor email and groups; the id is what they need to ask somebody."""
    shown = done(200, workspace.get("deployments/d/history", headers=SERVICE))
    hidden = done(200, workspace.get("deployments/d/history", headers=PERSON))
    blamed = done(200, workspace.get("deployments/d/blame", headers=PERSON))
    diff = done(200, workspace.get("deployments/d/diff?from=1", headers=PERSON))

    created = shown["data"][-1]
    assert {"id": "ann", "on_behalf_of": None, "email": "ann@example.com", "groups": ["ops"]} == created[
        "actor"
    ]
    assert {"id": "ann", "on_behalf_of": None} == hidden["data"][-1]["actor"]
    assert {"id": "ann", "on_behalf_of": None} == diff["from"]["created"]["actor"]
    for told in (hidden, blamed, diff):
        assert "auth_context" not in str(told)
        assert "ann@example.com" not in str(told)


def test_blame_names_the_event_of_each_field(workspace):
    """Of the latest version, of an earlier one, and of either as it was."""
    entries = {entry["kind"]: entry for entry in history(workspace, "deployments/d/history")["data"]}
    created, ready, updated = (
        entries[f"deployment.{done}"] for done in ("created", "status-changed", "updated")
    )

    told = done(200, workspace.get("deployments/d/blame"))

    fields = {field["field"]: field for field in told["fields"]}
    assert (workspace.name, "d", 2) == (told["workspace"], told["name"], told["version"])
    assert {
        "field": "/config_version",
        "value": 2,
        "position": updated["position"],
        "at": updated["at"],
        "kind": "deployment.updated",
        "actor": updated["actor"],
        "reason": "more GPUs",
        "version": 2,
    } == fields["/config_version"]
    assert (created["position"], 1) == (fields["/config"]["position"], fields["/config"]["version"])
    assert "/status_history" not in fields

    first = done(200, workspace.get("deployments/d/blame?version=1"))
    status = {field["field"]: field for field in first["fields"]}["/status"]
    assert ("READY", ready["position"]) == (status["value"], status["position"])
    earlier = done(200, workspace.get(f"deployments/d/blame?as_of={created['position']}"))
    assert {created["position"]} == {field["position"] for field in earlier["fields"]}


def test_blame_names_the_parts_of_a_config(workspace):
    """Objects are blamed member by member."""
    told = done(200, workspace.get("deployment-configs/c/blame"))

    versions = {field["field"]: field["version"] for field in told["fields"]}
    assert (2, 1, 1) == tuple(
        versions[f"/{field}"] for field in ("executor_config/gpu", "executor_config/disk_size", "engine")
    )


def test_a_diff_tells_what_the_configs_differ_in(workspace):
    """As a patch, as fields, and for people; with the reasons of both sides."""
    before, after = (workspace.read(f"deployments/d/versions/{n}") for n in (1, 2))

    told = done(200, workspace.get("deployments/d/diff?from=1"))

    assert after == patched(before, told["patch"])
    assert ("first", "more GPUs") == tuple(told[side]["created"]["reason"] for side in ("from", "to"))
    assert "deployment.status-changed" == told["from"]["changed"]["kind"]
    assert [{"field": "/config_version", "old": 1, "new": 2}] == [
        change for change in told["changes"] if change["field"].startswith("/config")
    ]
    config = told["effective"]["config"]
    assert ({"name": "c", "version": 1}, {"name": "c", "version": 2}) == (config["from"], config["to"])
    assert {"field": "/executor_config/gpu", "old": 1, "new": 2} in config["changes"]
    lines = told["text"].splitlines()
    assert f"deployments {workspace.name}/d" == lines[0]
    assert lines[1].endswith("by ann: first")
    assert "~ /config_version: 1 -> 2" in lines
    assert ["--- c version 1", "+++ c version 2", "~ /executor_config/gpu: 1 -> 2"] == lines[-3:]


def test_a_diff_is_between_versions_positions_and_times(workspace):
    """A position or a time means what was the latest version then."""
    entries = history(workspace, "deployments/d/history", order="oldest")["data"]
    created, ready, _ = entries

    by_position = done(
        200, workspace.get("deployments/d/diff", params={"from": f"@{created['position']}", "to": 1})
    )
    by_time = done(
        200, workspace.get("deployments/d/diff", params={"from": created["at"], "to": ready["at"]})
    )

    assert by_position == by_time
    assert ["CREATED", "READY"] == next(
        [change["old"], change["new"]] for change in by_time["changes"] if change["field"] == "/status"
    )
    assert by_time["effective"] is None
    assert [1, 1] == [by_time[side]["version"] for side in ("from", "to")]
    assert [created["position"], ready["position"]] == [by_time[side]["position"] for side in ("from", "to")]


def test_removed_versions_can_be_compared_and_blamed(workspace):
    """As they last were, with configs that are gone as well."""
    purged(workspace)

    told = done(200, workspace.get("deployments/d/diff?from=1&to=2"))
    blamed = done(200, workspace.get("deployments/d/blame?version=1"))

    assert {"field": "/executor_config/gpu", "old": 1, "new": 2} in told["effective"]["config"]["changes"]
    assert "DELETED" == {field["field"]: field["value"] for field in blamed["fields"]}["/status"]
    assert 404 == workspace.get("deployments/d/diff?from=1").status_code
    assert 404 == workspace.get("deployments/d/blame").status_code


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("history?limit=0", [("greater_than_equal", ["query", "limit"])]),
        ("history?limit=1001", [("less_than_equal", ["query", "limit"])]),
        ("deployments/d/history?after=-1", [("greater_than_equal", ["query", "after"])]),
        ("deployments/d/history?order=any", [("enum", ["query", "order"])]),
        ("history?resource=models", [("enum", ["query", "resource"])]),
        ("history?since=yesterday", [("as_of_parsing", ["query", "since"])]),
        ("history?until=999999999", [("in_the_future", ["query", "until"])]),
        ("deployments/d/blame?as_of=x", [("as_of_parsing", ["query", "as_of"])]),
        ("deployments/d/diff", [("missing", ["query", "from"])]),
        ("deployments/d/diff?from=first", [("state_parsing", ["query", "from"])]),
        ("deployments/d/diff?from=1&to=@", [("state_parsing", ["query", "to"])]),
        ("deployments/d/diff?from=@999999999", [("in_the_future", ["query", "from"])]),
        ("deployments/d/diff?from=2026-02-30T00:00:00Z", [("as_of_parsing", ["query", "from"])]),
    ],
)
def test_questions_that_make_no_sense_are_refused(workspace, path, found):
    """With the place of what is wrong."""
    response = workspace.get(path)

    assert 422 == response.status_code, response.text
    assert found == [(item["type"], item["loc"]) for item in response.json()["detail"]]


def test_versions_that_never_were_are_not_found(workspace):
    """With the version as it was asked for; before a name's first event there is nothing to compare."""
    first = history(workspace, order="oldest")["data"][0]["position"]

    assert (404, f"Deployment '{workspace.name}/d' version '9' not found") == refusal(
        workspace.get("deployments/d/diff?from=9")
    )
    assert (404, f"Deployment '{workspace.name}/d' not found") == refusal(
        workspace.get(f"deployments/d/diff?from=@{first}")
    )
    assert (400, "Invalid version 'x': must be a positive integer") == refusal(
        workspace.get("deployments/d/blame?version=x")
    )
    assert 404 == workspace.get("deployments/d/blame?version=0").status_code
    assert 404 == workspace.http.get("/apis/models/v2/workspaces/No Such/history").status_code


def test_the_future_of_a_history_is_not_cut_short(workspace):
    """A position beyond the log is no error for paging: what comes there comes later."""
    now = datetime.now(UTC).isoformat()

    assert [] == history(workspace, "deployments/d/history", order="oldest", after=2**62)["data"]
    assert 3 == len(history(workspace, "deployments/d/history", after=2**63 - 1)["data"])
    assert 5 == len(history(workspace, until=now)["data"])


@pytest.mark.parametrize("question", ["blame", "diff?from=1", "history"])
def test_questions_see_one_state_while_it_changes(workspace, service_url, question):
    """Whatever is committed between two statements of a question, its answer is of one moment."""
    ended = threading.Event()

    def report_on():
        with client(service_url) as http:
            other = Workspace(http, workspace.name)
            while not ended.is_set():
                other.report("READY", "up")
                other.report("ERROR", "down")

    reporting = threading.Thread(target=report_on)
    reporting.start()
    try:
        statuses = {workspace.get(f"deployments/d/{question}").status_code for _ in range(150)}
    finally:
        ended.set()
        reporting.join()

    assert {200} == statuses
