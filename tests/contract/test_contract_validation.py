"""Sections 1.5 and 1.6: what 422 answers say, and which check comes first."""

import json

import pytest

from tests.contract import wire
from tests.contract.wire import item

ENGINES = "'nim', 'vllm' or 'generic'"
STATUSES = "'UNKNOWN', 'CREATED', 'PENDING', 'READY', 'ERROR', 'DELETING', 'DELETED' or 'LOST'"

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
