"""Sections 1.2 and 1.5: how bodies are read."""

import json

import pytest

from tests.contract import wire

CREATION = b'{"name":"d","config":"c"}'


def send(workspace, content, media_type="application/json"):
    headers = {} if media_type is None else {"content-type": media_type}
    return workspace.post("deployments", content=content, headers=headers)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=latin-1",
        "application/json;x",
        "application/merge-patch+json",
        "application/Vnd.Any+JSON; v=1",
    ],
)
def test_json_media_types_are_read(workspace, media_type):
    """JSON is what calls itself so, in any case and with any parameters."""
    workspace.config()

    assert 201 == send(workspace, CREATION, media_type).status_code


@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/x-json", "text/json", "application/jsonp"]
)
def test_other_media_types_are_taken_as_text(workspace, media_type):
    """What does not call itself JSON is one text, where an object is wanted."""
    response = send(workspace, CREATION, media_type)

    assert 422 == response.status_code
    message = "Input should be a valid dictionary or object to extract fields from"
    assert [wire.item("model_attributes_type", [], message, CREATION.decode())] == response.json()["detail"]


@pytest.mark.parametrize("value", [None, [], "text", 5, 1.5, True])
def test_a_body_that_is_no_object(workspace, value):
    """Any JSON but an object is one finding on the whole body."""
    response = workspace.post("deployments", value)

    message = "Input should be a valid dictionary or object to extract fields from"
    assert (422, [wire.item("model_attributes_type", [], message, value)]) == wire.refusal(response)


@pytest.mark.parametrize("media_type", ["application/json", None])
def test_no_body(workspace, media_type):
    """A missing body is said to be missing, whatever its type."""
    response = send(workspace, b"", media_type)

    assert (422, [wire.item("missing", [], "Field required", None)]) == wire.refusal(response)


@pytest.mark.parametrize(
    "content", [b"{", b'{"name":}', b"nul", b'{"a":1,}', b"[1,]", b"{'a':1}", b" ", b'{"name":"\xff"}']
)
def test_broken_json(workspace, content):
    """One finding that says where."""
    response = send(workspace, content)

    assert 422 == response.status_code
    [found] = response.json()["detail"]
    assert ["type", "loc", "msg", "input", "ctx"] == list(found)
    assert ("json_invalid", "JSON decode error", {}) == (found["type"], found["msg"], found["input"])
    assert ["error"] == list(found["ctx"])
    assert "body" == found["loc"][0]
    assert isinstance(found["loc"][1], int)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"name":"d","config":"c","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name":"d","config":"c","config_version":' + b"1" * 5_000 + b"}",
    ],
    ids=["lists", "objects", "unknown field", "digits"],
)
def test_bodies_that_cannot_be_parsed(workspace, content):
    """Depth and endless integers are a plain 400, wherever they are."""
    assert (400, "There was an error parsing the body") == wire.refusal(send(workspace, content))


def test_unknown_fields_are_dropped_at_every_level(workspace):
    """Typed objects keep only their own fields."""
    stored = workspace.config(
        more=1,
        model_spec={"more": {}, "tool_call_config": {"more": []}},
        executor_config={"gpu": 1, "more": None, "k8s_nim_operator_config": {"more": 1}},
    )

    assert "more" not in json.dumps(stored)


def test_the_last_of_duplicate_keys_counts(workspace):
    """As nearly every decoder has it."""
    workspace.config()
    stored = wire.done(201, send(workspace, b'{"name":"x","name":7,"config":"c","name":"d"}'))

    assert "d" == stored["name"]


def test_a_byte_order_mark_is_tolerated(workspace):
    """Some editors leave one."""
    workspace.config()

    assert 201 == send(workspace, b"\xef\xbb\xbf" + CREATION).status_code


def test_lengths_count_code_points(workspace):
    """A thousand characters of four bytes each are within a limit of a thousand."""
    assert "😀" * 1000 == workspace.config(description="😀" * 1000)["description"]
    response = workspace.post("deployment-configs", {"name": "e", **wire.SPEC, "description": "é" * 1001})

    found = [
        wire.item(
            "string_too_long",
            ["description"],
            "String should have at most 1000 characters",
            "é" * 1001,
            max_length=1000,
        )
    ]
    assert (422, found) == wire.refusal(response)


def test_a_body_over_a_mebibyte_is_refused_in_the_contracts_shape(workspace, events):
    """The limit is the service's own; its answer looks like all others."""
    before = events()
    response = workspace.post(
        "deployment-configs", {"name": "c", **wire.SPEC, "model_spec": {"chat_template": "x" * 2**20}}
    )

    assert 413 == response.status_code
    assert isinstance(response.json()["detail"], str)
    assert before == events()


def test_large_bodies_below_the_limit_are_stored(workspace):
    """A chat template may be long."""
    template = "x" * 900_000

    assert template == workspace.config(model_spec={"chat_template": template})["model_spec"]["chat_template"]
