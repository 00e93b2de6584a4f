"""Section 2: the keys of objects, their order, and where null is shown."""

import json

import pytest

from tests.contract import wire

CONFIG_KEYS = [
    "id",
    "name",
    "workspace",
    "project",
    "created_at",
    "updated_at",
    "entity_version",
    "description",
    "engine",
    "model_spec",
    "executor_config",
    "model_entity_id",
]
SPEC_KEYS = [
    "model_type",
    "model_namespace",
    "model_name",
    "model_revision",
    "chat_template",
    "tool_call_config",
    "lora_enabled",
]
EXECUTOR_KEYS = [
    "gpu",
    "disk_size",
    "image_name",
    "image_tag",
    "health_check_path",
    "run_as_user",
    "run_as_group",
    "additional_envs",
    "additional_args",
    "k8s_nim_operator_config",
    "override_config",
]
DEPLOYMENT_KEYS = [
    "id",
    "name",
    "workspace",
    "project",
    "created_at",
    "updated_at",
    "entity_version",
    "config",
    "config_version",
    "status",
    "status_message",
    "status_history",
    "model_provider_id",
    "auth_context",
]
AUTH_KEYS = [
    "principal_id",
    "principal_email",
    "principal_groups",
    "principal_on_behalf_of",
    "principal_on_behalf_of_groups",
    "principal_on_behalf_of_email",
]

FULL_SPEC = {
    "model_type": "llm",
    "model_namespace": "..",
    "model_name": "",
    "model_revision": "r",
    "chat_template": "{{ x }}",
    "tool_call_config": {"tool_call_parser": "p", "tool_call_plugin": "", "auto_tool_choice": False},
    "lora_enabled": True,
}
FULL_EXECUTOR = {
    "gpu": 0,
    "disk_size": "",
    "image_name": "i",
    "image_tag": "t",
    "health_check_path": "/h",
    "run_as_user": 0,
    "run_as_group": 1000,
    "additional_envs": {"B": "", "A": "ä"},
    "additional_args": ["--x", ""],
    "k8s_nim_operator_config": {
        "resources": {"limits": {"x": None, "a": 1}},
        "tolerations": [{}, {"key": None}],
        "node_selector": {"zone": "z"},
        "startup_probe_grace_seconds": 1,
    },
    "override_config": {"z": {"b": None, "a": [None, 1.5]}, "": []},
}


def typed_keys(value):
    """Keys of an object and of the typed objects in it, in order."""
    inner = ("model_spec", "executor_config", "tool_call_config", "k8s_nim_operator_config", "auth_context")
    return [
        (key, typed_keys(part)) if key in inner and isinstance(part, dict) else key
        for key, part in value.items()
    ]


def test_a_config_has_every_key_in_order(workspace):
    """Unset ones are null."""
    stored = workspace.config()
    spec, executor = ("model_spec", SPEC_KEYS), ("executor_config", EXECUTOR_KEYS)

    expected = [{"model_spec": spec, "executor_config": executor}.get(key, key) for key in CONFIG_KEYS]
    assert expected == typed_keys(stored)
    assert {"model_type": None, "lora_enabled": False} == {
        k: stored["model_spec"][k] for k in ("model_type", "lora_enabled")
    }
    assert [] == stored["executor_config"]["additional_args"]
    assert "50Gi" == stored["executor_config"]["disk_size"]


def test_a_full_config_comes_back_as_it_was_sent(workspace):
    """Also false, zero, empty texts, and what is free-form with the order of its keys."""
    stored = workspace.config(
        project="p/q",
        description="",
        engine="vllm",
        model_spec=FULL_SPEC,
        executor_config=FULL_EXECUTOR,
        model_entity_id="",
    )

    assert json.dumps(FULL_SPEC) == json.dumps(stored["model_spec"])
    assert json.dumps(FULL_EXECUTOR) == json.dumps(stored["executor_config"])
    assert ("p/q", "", "vllm", "") == tuple(
        stored[key] for key in ("project", "description", "engine", "model_entity_id")
    )
    assert stored == workspace.read("deployment-configs/c")


def test_empty_typed_objects_are_objects_of_nulls(workspace):
    """`{}` is not nothing."""
    stored = workspace.config(
        model_spec={"tool_call_config": {}}, executor_config={"gpu": 1, "k8s_nim_operator_config": {}}
    )

    parts = {"tool_call_parser": None, "tool_call_plugin": None, "auto_tool_choice": None}
    assert parts == stored["model_spec"]["tool_call_config"]
    parts = {
        "resources": None,
        "tolerations": None,
        "node_selector": None,
        "startup_probe_grace_seconds": None,
    }
    assert parts == stored["executor_config"]["k8s_nim_operator_config"]


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "0.1", "1e-7", "-0.0", "1.0", "1e22", "0"]
)
def test_numbers_in_free_form_objects_keep_their_kind(workspace, number):
    """Big integers are exact, floats stay floats."""
    body = f'{{"name":"c","engine":"nim","model_spec":{{}},"executor_config":{{"gpu":1,"override_config":{{"n":{number}}}}}}}'
    options = {"content": body.encode(), "headers": {"content-type": "application/json"}}
    stored = wire.done(201, workspace.post("deployment-configs", **options))

    kept = stored["executor_config"]["override_config"]["n"]
    assert repr(json.loads(number)) == repr(kept)
    assert repr(kept) == repr(
        workspace.read("deployment-configs/c")["executor_config"]["override_config"]["n"]
    )


def test_a_deployment_has_every_key_in_order(workspace):
    """Unset ones are null."""
    workspace.config()
    stored = workspace.deployment()

    assert [*DEPLOYMENT_KEYS[:-1], ("auth_context", AUTH_KEYS)] == typed_keys(stored)
    assert stored["status_history"] == []
    assert stored["project"] is stored["model_provider_id"] is None


def test_pages_leave_out_what_is_null(workspace):
    """In typed objects at every depth, never in free-form ones; what is merely empty stays."""
    workspace.config(
        description="",
        model_spec={"tool_call_config": {"auto_tool_choice": False}},
        executor_config={
            "gpu": 0,
            "additional_envs": {},
            "k8s_nim_operator_config": {"tolerations": [{"key": None}], "resources": {}},
            "override_config": {"a": None, "b": {"c": None}},
        },
    )
    [item] = workspace.read("deployment-configs")["data"]

    expected = {
        "description": "",
        "engine": "nim",
        "model_spec": {"tool_call_config": {"auto_tool_choice": False}, "lora_enabled": False},
        "executor_config": {
            "gpu": 0,
            "disk_size": "50Gi",
            "additional_envs": {},
            "additional_args": [],
            "k8s_nim_operator_config": {"resources": {}, "tolerations": [{"key": None}]},
            "override_config": {"a": None, "b": {"c": None}},
        },
    }
    common = ("id", "name", "workspace", "created_at", "updated_at", "entity_version")
    assert json.dumps({key: item[key] for key in common} | expected) == json.dumps(item)


def test_pages_of_deployments_leave_out_what_is_null(workspace):
    """Also inside `auth_context`; the empty history stays."""
    workspace.config()
    workspace.deployment()
    workspace.report("READY", "")
    workspace.update()
    [item] = workspace.read("deployments")["data"]

    kept = [key for key in DEPLOYMENT_KEYS if key not in {"project", "model_provider_id", "auth_context"}]
    assert [*kept, ("auth_context", ["principal_id", "principal_groups"])] == typed_keys(item)
    assert [] == item["status_history"]
