"""Beyond the contract: Idempotency-Key, under which a write may be repeated, and X-Change-Reason."""

import pytest

from tests.contract import wire

ALICE = {"X-NMP-Principal-Id": "alice"}


@pytest.fixture
def deployed(workspace):
    """A workspace with the config `c`, the deployment `d`, and a deployment `gone` that is DELETED."""
    workspace.config()
    workspace.config("free")
    workspace.deployment()
    workspace.deployment("gone")
    workspace.report("DELETED", name="gone")
    return workspace


WRITES = {
    "create": ("POST", "deployments", {"name": "e", "config": "c"}, 201),
    "update": ("POST", "deployments/d", {"config": "c"}, 201),
    "report": ("POST", "deployments/d/status", {"status": "READY"}, 200),
    "delete": ("DELETE", "deployments/d", None, 202),
    "delete a version": ("DELETE", "deployments/d/versions/1", None, 202),
    "remove": ("DELETE", "deployments/gone", None, 204),
    "remove a version": ("DELETE", "deployments/gone/versions/1", None, 204),
    "create a config": ("POST", "deployment-configs", {"name": "e", **wire.SPEC}, 201),
    "update a config": ("POST", "deployment-configs/c", wire.SPEC, 201),
    "remove a config": ("DELETE", "deployment-configs/free", None, 204),
    "remove a config version": ("DELETE", "deployment-configs/free/versions/1", None, 204),
}


def send(workspace, case, **headers):
    method, path, body, _ = WRITES[case]
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        workspace.delete(path, headers=sent)
        if method == "DELETE"
        else workspace.post(path, body, headers=sent)
    )


def answer(response):
    """Everything that a repetition has to repeat."""
    return response.status_code, response.content, response.headers.get("etag")


@pytest.mark.parametrize("case", WRITES)
def test_a_repetition_is_answered_as_the_first_time(deployed, events, case):
    """Byte for byte, marked as a repetition, and nothing is appended."""
    key = wire.unique("key")
    before = events()
    first = send(deployed, case, Idempotency_Key=key)
    again = [send(deployed, case, Idempotency_Key=spelling) for spelling in (key, f'"{key}"')]

    assert WRITES[case][3] == first.status_code
    assert [answer(first)] * 2 == [answer(response) for response in again]
    assert "idempotency-replayed" not in first.headers
    assert ["true"] * 2 == [response.headers["idempotency-replayed"] for response in again]
    assert before + 1 == events()


def test_a_repetition_is_answered_from_memory(deployed):
    """Even when the object has changed since."""
    key = wire.unique("key")
    first = send(deployed, "update", Idempotency_Key=key)
    deployed.report("READY")
    deployed.update()

    assert answer(first) == answer(send(deployed, "update", Idempotency_Key=key))


def test_a_refusal_is_repeated_as_well(deployed, events):
    """What was refused once stays refused under its key."""
    key = wire.unique("key")
    body = {"name": "late", "config": "later"}
    first = deployed.post("deployments", body, headers={"Idempotency-Key": key})
    deployed.config("later")
    before = events()
    again = deployed.post("deployments", body, headers={"Idempotency-Key": key})

    assert 400 == first.status_code
    assert (answer(first), "true") == (answer(again), again.headers["idempotency-replayed"])
    assert before == events()


def test_a_key_stands_for_one_request(deployed, events):
    """Another body, path or query under it is refused, and final."""
    key = {"Idempotency-Key": wire.unique("key")}
    deployed.post("deployments/d/status", {"status": "READY"}, headers=key)
    before = events()
    others = [
        deployed.post("deployments/d/status", {"status": "ERROR"}, headers=key),
        deployed.post("deployments/d/status?version=1", {"status": "READY"}, headers=key),
        deployed.post("deployments/gone/status", {"status": "READY"}, headers=key),
        deployed.delete("deployments/d", headers=key),
    ]

    assert [422] * 4 == [response.status_code for response in others]
    assert all(key["Idempotency-Key"] in response.json()["detail"] for response in others)
    assert before == events()


def test_callers_have_keys_of_their_own(deployed, events):
    """The same key of another caller is another key; whoever acts on behalf of somebody is another caller."""
    key = wire.unique("key")
    before = events()
    callers = [{}, ALICE, {"X-NMP-Principal-Id": "bob"}, {**ALICE, "X-NMP-Principal-On-Behalf-Of": "bob"}]
    responses = [send(deployed, "update", Idempotency_Key=key, **caller) for caller in callers]

    assert [2, 3, 4, 5] == [wire.done(201, response)["entity_version"] for response in responses]
    assert before + 4 == events()
    again = send(deployed, "update", Idempotency_Key=key, **ALICE)
    assert answer(responses[1]) == answer(again)


def test_a_request_that_cannot_be_read_uses_up_no_key(deployed):
    """It can be sent again, put right, under the same key."""
    key = {"Idempotency-Key": wire.unique("key")}

    assert 422 == deployed.post("deployments/d", {}, headers=key).status_code
    assert 201 == deployed.post("deployments/d", {"config": "c"}, headers=key).status_code


@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 256, '"open', "é".encode()])
def test_malformed_keys(deployed, events, key):
    """A 400 that names the header."""
    before = events()
    for case in ("update", "delete"):
        status, detail = wire.refusal(send(deployed, case, Idempotency_Key=key))

        assert 400 == status
        assert "Idempotency-Key" in detail
    assert before == events()


@pytest.mark.parametrize(
    "reason", ["because", "x" * 1000, "Größe ☃".encode(), "Gr%C3%B6%C3%9Fe", "100 % sure", "%"]
)
def test_changes_may_have_a_reason(deployed, events, reason):
    """Any text up to a thousand characters, on every write."""
    before = events()
    for case in ("update", "report", "delete", "create a config", "update a config", "remove a config"):
        response = send(deployed, case, X_Change_Reason=reason)
        assert response.is_success, response.text
    assert before + 6 == events()


@pytest.mark.parametrize("reason", ["", "x" * 1001, "%00", "a%0Ab", "%FF", b"\xff"])
def test_malformed_reasons(deployed, events, reason):
    """A 400 that names the header."""
    before = events()
    for case in ("update", "report", "delete", "create a config"):
        status, detail = wire.refusal(send(deployed, case, X_Change_Reason=reason))

        assert 400 == status
        assert "X-Change-Reason" in detail
    assert before == events()
