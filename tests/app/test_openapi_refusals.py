"""Every refusal on every route that the description names it for, and no others."""

import pytest

from app.filter_tree import BadFilter
from app.openapi import STATUS_OF, documentation_of, refusals_of
from domain import errors
from tests.support.described import Described, handlers

WORKSPACES = "/apis/models/v2/workspaces"
CONFIGS = f"{WORKSPACES}/w1/deployment-configs"
DEPLOYMENTS = f"{WORKSPACES}/w1/deployments"
NIM = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 0}}
GENERIC = {"image_name": "i", "health_check_path": "/h", "gpu": 0}

CONTENT = {
    errors.InvalidEntityReference: {**NIM, "model_entity_id": "a/b/c"},
    errors.PluginDisabled: {**NIM, "model_spec": {"tool_call_config": {"tool_call_plugin": "p"}}},
    errors.GenericEngineLacks: {**NIM, "engine": "generic"},
    errors.GenericEngineBlanks: {
        **NIM,
        "engine": "generic",
        "executor_config": {**GENERIC, "image_name": " i"},
    },
    errors.GenericEngineLora: {
        **NIM,
        "engine": "generic",
        "model_spec": {"lora_enabled": True},
        "executor_config": GENERIC,
    },
}
BODIES = {
    "create_deployment": ("POST", DEPLOYMENTS, {"name": "fresh", "config": "used"}),
    "update_deployment": ("POST", f"{DEPLOYMENTS}/d", {"config": "used"}),
    "roll_back_deployment": ("POST", f"{DEPLOYMENTS}/d/rollback", {"version": 1}),
    "update_deployment_status": ("POST", f"{DEPLOYMENTS}/d/status", {"status": "READY"}),
    "delete_deployment": ("DELETE", f"{DEPLOYMENTS}/d", None),
    "delete_deployment_version": ("DELETE", f"{DEPLOYMENTS}/d/versions/1", None),
    "create_deployment_config": ("POST", CONFIGS, {"name": "fresh", **NIM}),
    "update_deployment_config": ("POST", f"{CONFIGS}/used", NIM),
    "roll_back_deployment_config": ("POST", f"{CONFIGS}/free/rollback", {"version": 1}),
    "delete_deployment_config": ("DELETE", f"{CONFIGS}/free", None),
    "delete_deployment_config_version": ("DELETE", f"{CONFIGS}/free/versions/1", None),
}
"""Writes that could be carried out."""


def scenarios():
    """Operation, refusal, and the request: method, path, body."""
    deployment, config = {"name": "d", "config": "used"}, {"name": "used", **NIM}
    nowhere = f"{WORKSPACES}/NOWHERE"
    yield from [
        ("list_deployments", errors.WorkspaceNotFound, "GET", f"{nowhere}/deployments", None),
        ("list_deployments", BadFilter, "GET", f"{DEPLOYMENTS}?filter[engine]=nim", None),
        ("create_deployment", errors.DeploymentExists, "POST", DEPLOYMENTS, deployment),
        (
            "create_deployment",
            errors.ReferencedConfigNotFound,
            "POST",
            DEPLOYMENTS,
            {"name": "x", "config": "none"},
        ),
        ("create_deployment", errors.InvalidName, "POST", DEPLOYMENTS, {**deployment, "name": "X"}),
        ("create_deployment", errors.ReferencedConfigNotFound, "POST", f"{nowhere}/deployments", deployment),
        ("get_deployment", errors.DeploymentNotFound, "GET", f"{DEPLOYMENTS}/none", None),
        (
            "update_deployment",
            errors.DeploymentToUpdateNotFound,
            "POST",
            f"{DEPLOYMENTS}/none",
            {"config": "used"},
        ),
        (
            "update_deployment",
            errors.ReferencedConfigNotFound,
            "POST",
            f"{DEPLOYMENTS}/d",
            {"config": "none"},
        ),
        ("delete_deployment", errors.DeploymentNotFound, "DELETE", f"{DEPLOYMENTS}/none", None),
        ("get_deployment_models", errors.DeploymentNotFound, "GET", f"{DEPLOYMENTS}/none/models", None),
        (
            "list_deployment_versions",
            errors.WorkspaceNotFound,
            "GET",
            f"{nowhere}/deployments/d/versions",
            None,
        ),
        ("list_deployment_configs", errors.WorkspaceNotFound, "GET", f"{nowhere}/deployment-configs", None),
        ("watch", errors.WorkspaceNotFound, "GET", f"{nowhere}/watch", None),
        ("list_deployment_configs", BadFilter, "GET", f"{CONFIGS}?filter=", None),
        ("create_deployment_config", errors.ConfigExists, "POST", CONFIGS, config),
        ("create_deployment_config", errors.InvalidName, "POST", CONFIGS, {**config, "name": "X"}),
        (
            "create_deployment_config",
            errors.WorkspaceCannotExist,
            "POST",
            f"{nowhere}/deployment-configs",
            config,
        ),
        (
            "create_deployment_config",
            errors.TwoRevisions,
            "POST",
            CONFIGS,
            {**config, "name": "x", "model_spec": {"model_name": "m@1", "model_revision": "2"}},
        ),
        ("get_deployment_config", errors.ConfigNotFound, "GET", f"{CONFIGS}/none", None),
        ("update_deployment_config", errors.ConfigToUpdateNotFound, "POST", f"{CONFIGS}/none", NIM),
        ("delete_deployment_config", errors.ConfigNotFound, "DELETE", f"{CONFIGS}/none", None),
        ("delete_deployment_config", errors.ConfigInUse, "DELETE", f"{CONFIGS}/used", None),
        (
            "list_deployment_config_versions",
            errors.WorkspaceNotFound,
            "GET",
            f"{nowhere}/deployment-configs/c/versions",
            None,
        ),
        (
            "delete_deployment_config_version",
            errors.ConfigInUse,
            "DELETE",
            f"{CONFIGS}/used/versions/1",
            None,
        ),
    ]
    for refusal, body in CONTENT.items():
        yield "create_deployment_config", refusal, "POST", CONFIGS, {"name": "x", **body}
        yield "update_deployment_config", refusal, "POST", f"{CONFIGS}/used", body
    for refusal, name, version in (
        (errors.DeploymentNotFound, "none", None),
        (errors.DeploymentVersionNotFound, "d", 9),
        (errors.NothingToRollBackTo, "d", None),
        (errors.AlreadyCurrent, "d", 1),
        (errors.ReferencedConfigNotFound, "orphan", 1),
    ):
        path = f"{DEPLOYMENTS}/{name}/rollback"
        yield "roll_back_deployment", refusal, "POST", path, {"version": version}
    for refusal, name, version in (
        (errors.ConfigNotFound, "none", None),
        (errors.ConfigVersionNotFound, "used", 9),
        (errors.NoEarlierConfigVersion, "used", None),
        (errors.ConfigAlreadyCurrent, "used", 1),
    ):
        path = f"{CONFIGS}/{name}/rollback"
        yield "roll_back_deployment_config", refusal, "POST", path, {"version": version}
    yield "get_workspace_history", errors.WorkspaceNotFound, "GET", f"{nowhere}/history", None
    for kind, root, absent, lacking in (
        ("deployment", DEPLOYMENTS, errors.DeploymentNotFound, errors.DeploymentVersionNotFound),
        ("deployment_config", CONFIGS, errors.ConfigNotFound, errors.ConfigVersionNotFound),
    ):
        yield f"get_{kind}_history", absent, "GET", f"{root}/none/history", None
        yield f"get_{kind}_blame", absent, "GET", f"{root}/none/blame", None
        yield f"get_{kind}_blame", lacking, "GET", f"{root}/none/blame?version=1", None
        yield f"get_{kind}_blame", errors.InvalidVersion, "GET", f"{root}/none/blame?version=one", None
        yield f"get_{kind}_diff", absent, "GET", f"{root}/none/diff?from=@0", None
        yield f"get_{kind}_diff", lacking, "GET", f"{root}/none/diff?from=1", None
    status = "update_deployment_status", "POST"
    for operation, refusal, path in (
        (status, errors.InvalidVersion, f"{DEPLOYMENTS}/d/status?version=one"),
        (status, errors.DeploymentNotFound, f"{DEPLOYMENTS}/none/status"),
        (status, errors.DeploymentVersionNotFound, f"{DEPLOYMENTS}/d/status?version=9"),
        (status, errors.DeploymentIsDeleting, f"{DEPLOYMENTS}/leaving/status"),
    ):
        yield operation[0], refusal, operation[1], path, {"status": "READY"}
    for method, verb in (("GET", "get"), ("DELETE", "delete")):
        for kind, root, absent in (
            ("deployment_version", f"{DEPLOYMENTS}/d", errors.DeploymentVersionNotFound),
            ("deployment_config_version", f"{CONFIGS}/free", errors.ConfigVersionNotFound),
        ):
            yield f"{verb}_{kind}", errors.InvalidVersion, method, f"{root}/versions/one", None
            yield f"{verb}_{kind}", absent, method, f"{root}/versions/9", None


@pytest.fixture(scope="module")
def described(service_url):
    client = Described(service_url)
    for name in ("used", "free"):
        client.send("POST", CONFIGS, json={"name": name, **NIM})
    for name in ("d", "leaving"):
        client.send("POST", DEPLOYMENTS, json={"name": name, "config": "used"})
    client.send("DELETE", f"{DEPLOYMENTS}/leaving")
    client.send("POST", CONFIGS, json={"name": "brief", **NIM})
    client.send("POST", DEPLOYMENTS, json={"name": "orphan", "config": "brief"})
    client.send("POST", f"{DEPLOYMENTS}/orphan/status", json={"status": "DELETED"})
    client.send("DELETE", f"{CONFIGS}/brief")
    client.send("POST", f"{DEPLOYMENTS}/orphan", json={"config": "used"})
    yield client
    client.close()


REFUSALS = {
    handler.handler_name: refusals_of(documentation_of(handler))
    for _, _, handler in handlers()
    if refusals_of(documentation_of(handler))
}


@pytest.mark.parametrize(("operation", "refusal", "method", "path", "body"), list(scenarios()))
def test_refusal_is_described(described, operation, refusal, method, path, body):
    """A refusal comes with its status, on a route that names it, in the shape that the document gives."""
    answer = described.send(method, path, json=body)

    assert operation == described.operation(method, path)["operationId"]
    assert refusal in REFUSALS[operation]
    assert STATUS_OF[refusal] == answer.status_code, answer.text


@pytest.mark.parametrize("operation", BODIES)
def test_condition_and_key_are_described(described, operation):
    """Every write refuses a condition that does not hold and a key that was used for something else."""
    method, path, body = BODIES[operation]
    key = {"Idempotency-Key": f"spent-{operation}"}
    described.send("POST", CONFIGS, json={}, headers=key)
    first = described.send("POST", f"{CONFIGS}/none", json=NIM, headers=key)
    reused = described.send(method, path, json=body, headers=key)
    stale = described.send(method, path, json=body, headers={"If-Match": '"0"'})

    assert (400, 422, 412) == (first.status_code, reused.status_code, stale.status_code)


def test_no_refusal_is_described_in_vain():
    """Each refusal that a route names is provoked above; none is missing from both."""
    described = {(operation, refusal) for operation, refusals in REFUSALS.items() for refusal in refusals}

    implied = {errors.PreconditionFailed, errors.IdempotencyKeyReused}
    provoked = {(operation, refusal) for operation, refusal, *_ in scenarios()}
    assert described == provoked | {(operation, refusal) for operation in BODIES for refusal in implied}
    assert set(STATUS_OF) == {refusal for _, refusal in described}
