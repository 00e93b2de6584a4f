"""Section 1.4: what all answers have in common."""

import json
import re

TIMESTAMP = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
BASE58 = "[1-9A-HJ-NP-Za-km-z]{21,22}"


def test_every_answer_shows_the_same_bytes(workspace):
    """What a write answers is what every read of one object, and the array of versions, shows."""
    workspace.config()
    created = workspace.post("deployments", {"name": "d", "config": "c"})
    reported = workspace.post("deployments/d/status", {"status": "READY"})

    assert created.content != reported.content
    assert reported.content == workspace.get("deployments/d").content
    assert reported.content == workspace.get("deployments/d/versions/1").content
    assert b"[" + reported.content + b"]" == workspace.get("deployments/d/versions").content


def test_json_is_compact_and_not_escaped(workspace):
    """No blanks between tokens, UTF-8 as it is."""
    workspace.config(description="Größe: ☃, 😀")
    response = workspace.get("deployment-configs/c")

    assert '"description":"Größe: ☃, 😀","engine":"nim","model_spec":{"model_type":null,' in response.text
    assert json.dumps(response.json(), separators=(",", ":"), ensure_ascii=False) == response.text


def test_timestamps_are_utc_and_say_so(workspace):
    """ISO 8601 with microseconds and Z; a fresh object was changed when it was created."""
    config = workspace.config()
    fresh = workspace.deployment()
    reported = workspace.report("READY")

    for stored in (config, fresh):
        assert TIMESTAMP.fullmatch(stored["created_at"])
        assert stored["created_at"] == stored["updated_at"]
    assert fresh["created_at"] == reported["created_at"]
    assert fresh["updated_at"] < reported["updated_at"]
    assert all(TIMESTAMP.fullmatch(entry["timestamp"]) for entry in reported["status_history"])
    assert ["timestamp", "status", "status_message"] == list(reported["status_history"][0])


def test_every_version_has_an_id_of_its_own_for_ever(workspace):
    """Base58 after the resource's prefix; reports do not change it."""
    config = workspace.config()["id"]
    ids = [workspace.deployment()["id"], workspace.update()["id"]]

    assert re.fullmatch("model-deployment-config-" + BASE58, config)
    assert all(re.fullmatch("model-deployment-" + BASE58, one) for one in ids)
    assert ids[1] == workspace.report("READY")["id"]
    assert ids == [version["id"] for version in reversed(workspace.read("deployments/d/versions"))]
    assert len({config, *ids, workspace.update_config()["id"]}) == 4


def test_headers_of_answers(workspace):
    """All are JSON and say what they depend on, also those given before there is a route."""
    workspace.config()
    paths = ("deployment-configs/c", "deployments", "deployments/x", "x", "deployments/a%2Fb")
    answers = [workspace.get(path) for path in paths]
    answers.append(workspace.request("PATCH", "deployments"))
    answers.append(workspace.get("deployments", headers={"X-NMP-Principal-Id": "a b"}))

    assert [200, 200, 404, 404, 404, 405, 400] == [answer.status_code for answer in answers]
    for answer in answers:
        assert "application/json" == answer.headers["content-type"]
        assert "Origin" in answer.headers["vary"]


def test_a_204_has_neither_body_nor_type(workspace):
    """The official client parses whatever is called JSON, and fails on nothing."""
    workspace.config()
    removed = workspace.delete("deployment-configs/c")

    assert (204, b"") == (removed.status_code, removed.content)
    assert "content-type" not in removed.headers


def test_no_origin_is_allowed(workspace):
    """Cross-origin reads need a decision of the operator."""
    response = workspace.get("deployments", headers={"Origin": "https://elsewhere.example"})

    assert not [name for name in response.headers if name.startswith("access-control-")]
