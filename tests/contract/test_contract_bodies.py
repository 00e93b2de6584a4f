"""Sections 1.2, 1.5 and 1.6: how bodies are read, what 422 answers say, and which check comes first."""

import json

import pytest

from tests.contract import wire

ENGINES = "'nim', 'vllm' or 'generic'"
STATUSES = "'UNKNOWN', 'CREATED', 'PENDING', 'READY', 'ERROR', 'DELETING', 'DELETED' or 'LOST'"
CREATION = b'{"name":"d","config":"c"}'


def item(kind, loc, msg, value, **ctx):
    found = {"type": kind, "loc": ["body", *loc], "msg": msg, "input": value}
    return found | {"ctx": ctx} if ctx else found


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
    assert [item("model_attributes_type", [], message, CREATION.decode())] == response.json()["detail"]


@pytest.mark.parametrize("value", [None, [], "text", 5, 1.5, True])
def test_a_body_that_is_no_object(workspace, value):
    """Any JSON but an object is one finding on the whole body."""
    response = workspace.post("deployments", value)

    message = "Input should be a valid dictionary or object to extract fields from"
    assert (422, [item("model_attributes_type", [], message, value)]) == wire.refusal(response)


@pytest.mark.parametrize("media_type", ["application/json", None])
def test_no_body(workspace, media_type):
    """A missing body is said to be missing, whatever its type."""
    response = send(workspace, b"", media_type)

    assert (422, [item("missing", [], "Field required", None)]) == wire.refusal(response)


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
        item(
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


FINDINGS = {
    "all problems at once, in the order of the declaration": (
        "deployments",
        {"config_version": "a", "config": [], "name": 5},
        [
            item("string_type", ["name"], "Input should be a valid string", 5),
            item("string_type", ["config"], "Input should be a valid string", []),
            item(
                "int_parsing",
                ["config_version"],
                "Input should be a valid integer, unable to parse string as an integer",
                "a",
            ),
        ],
    ),
    "missing fields show the object around them": (
        "deployments",
        {"x": 1},
        [
            item("missing", ["name"], "Field required", {"x": 1}),
            item("missing", ["config"], "Field required", {"x": 1}),
        ],
    ),
    "depth first": (
        "deployment-configs",
        {
            "name": "",
            "engine": "NIM",
            "model_spec": {"model_type": "x", "lora_enabled": None},
            "executor_config": {},
        },
        [
            item(
                "string_pattern_mismatch",
                ["name"],
                "String should match pattern '^[\\w\\-.]+$'",
                "",
                pattern="^[\\w\\-.]+$",
            ),
            item("enum", ["engine"], f"Input should be {ENGINES}", "NIM", expected=ENGINES),
            item(
                "enum",
                ["model_spec", "model_type"],
                "Input should be 'llm', 'embed' or 'other'",
                "x",
                expected="'llm', 'embed' or 'other'",
            ),
            item("bool_type", ["model_spec", "lora_enabled"], "Input should be a valid boolean", None),
            item("missing", ["executor_config", "gpu"], "Field required", {}),
        ],
    ),
    "list indices and map keys are places": (
        "deployment-configs",
        {
            "name": "c",
            "engine": "nim",
            "model_spec": {},
            "executor_config": {
                "gpu": -1,
                "run_as_user": 1.5,
                "additional_envs": {"A": "a", "B": 1},
                "additional_args": ["a", None],
                "k8s_nim_operator_config": {"tolerations": [{}, 3], "startup_probe_grace_seconds": 0},
            },
        },
        [
            item(
                "greater_than_equal",
                ["executor_config", "gpu"],
                "Input should be greater than or equal to 0",
                -1,
                ge=0,
            ),
            item(
                "int_from_float",
                ["executor_config", "run_as_user"],
                "Input should be a valid integer, got a number with a fractional part",
                1.5,
            ),
            item(
                "string_type",
                ["executor_config", "additional_envs", "B"],
                "Input should be a valid string",
                1,
            ),
            item(
                "string_type",
                ["executor_config", "additional_args", 1],
                "Input should be a valid string",
                None,
            ),
            item(
                "dict_type",
                ["executor_config", "k8s_nim_operator_config", "tolerations", 1],
                "Input should be a valid dictionary",
                3,
            ),
            item(
                "greater_than",
                ["executor_config", "k8s_nim_operator_config", "startup_probe_grace_seconds"],
                "Input should be greater than 0",
                0,
                gt=0,
            ),
        ],
    ),
    "length comes before pattern": (
        "deployments",
        {"name": "!" * 256, "config": "c" * 256, "project": ""},
        [
            item(
                "string_too_long",
                ["name"],
                "String should have at most 255 characters",
                "!" * 256,
                max_length=255,
            ),
            item(
                "string_pattern_mismatch",
                ["project"],
                "String should match pattern '^[\\w\\-./]+$'",
                "",
                pattern="^[\\w\\-./]+$",
            ),
            item(
                "string_too_long",
                ["config"],
                "String should have at most 255 characters",
                "c" * 256,
                max_length=255,
            ),
        ],
    ),
    "a status report": (
        "deployments/d/status",
        {"status": "ready", "status_message": None, "model_provider_id": "p" * 256},
        [
            item("enum", ["status"], f"Input should be {STATUSES}", "ready", expected=STATUSES),
            item("string_type", ["status_message"], "Input should be a valid string", None),
            item(
                "string_too_long",
                ["model_provider_id"],
                "String should have at most 255 characters",
                "p" * 256,
                max_length=255,
            ),
        ],
    ),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_validation_answers(workspace, case):
    """The whole list, key for key."""
    path, body, expected = FINDINGS[case]
    response = workspace.post(path, body)

    assert 422 == response.status_code
    assert json.dumps(expected) == json.dumps(response.json()["detail"])


def test_query_and_body_are_validated_before_anything_is_looked_up(workspace):
    """A malformed version literal only matters once the body is valid, existence only after that."""
    path = "deployments/nothing/status?version=abc"

    assert [("missing", ["body", "status"])] == wire.findings(workspace.post(path, {}))
    invalid = "Invalid version 'abc': must be a positive integer"
    assert (400, invalid) == wire.refusal(workspace.post(path, {"status": "READY"}))


def test_filters_are_checked_before_paging(workspace):
    """A broken filter is a 400 although `page` would be a 422."""
    response = workspace.get("deployments", params={"page": "x", "filter[nothing]": "1"})

    assert 400 == response.status_code


def test_identity_is_checked_before_the_route(http):
    """A malformed identity is a 400 even where there is no route."""
    for method, path in (("GET", "/nothing"), ("PATCH", f"{wire.ROOT}/default/deployments")):
        response = http.request(method, path, headers={"X-NMP-Principal-Id": "a b"})

        assert 400 == response.status_code
