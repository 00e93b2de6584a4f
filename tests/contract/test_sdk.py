"""The official Python client, synchronous and asynchronous: the whole life of configs and deployments."""

from datetime import timedelta

import nemo_platform
import pytest

from tests.contract import wire


def statuses(page):
    return [item.status for item in page]


def refused(kind, call, *arguments, **options):
    """The error that a call has to raise; nothing was repeated."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    assert kind is caught.type
    assert "0" == caught.value.request.headers["x-stainless-retry-count"]
    return caught.value.body["detail"]


def test_the_life_of_a_config(sdk, there):
    """Created, read, updated, listed by version, removed by version and altogether."""
    configs = sdk.deployment_configs
    created = configs.create(
        name="c",
        engine="generic",
        model_spec={
            "model_type": "llm",
            "tool_call_config": {"auto_tool_choice": True},
            "lora_enabled": False,
        },
        executor_config={
            "gpu": 2,
            "image_name": "i",
            "health_check_path": "/h",
            "additional_envs": {"A": "a"},
            "additional_args": ["--x"],
            "k8s_nim_operator_config": {"tolerations": [{"key": "k"}], "startup_probe_grace_seconds": 5},
            "override_config": {"a": None},
        },
        description="first",
        model_entity_id="ws/m",
        project="p",
        **there,
    )
    assert created == configs.retrieve("c", **there)
    assert (1, "generic", "first", "ws/m", "p") == (
        created.entity_version,
        created.engine,
        created.description,
        created.model_entity_id,
        created.project,
    )
    assert {"a": None} == created.executor_config.override_config
    assert created.model_spec.tool_call_config.auto_tool_choice is True

    updated = configs.update("c", **wire.SPEC, **there)
    assert (2, None, "p") == (updated.entity_version, updated.description, updated.project)
    assert [updated, created] == configs.versions.list("c", **there)
    assert created == configs.versions.retrieve("1", config="c", **there)

    assert None is configs.versions.delete("2", config="c", **there)
    assert created == configs.retrieve("c", **there)
    assert None is configs.delete("c", **there)
    refused(nemo_platform.NotFoundError, configs.retrieve, "c", **there)
    assert [] == configs.versions.list("c", **there)


def test_the_life_of_a_deployment(sdk, there):
    """Created, updated, reported on, deleted, removed, and created again."""
    deployments = sdk.deployments
    sdk.deployment_configs.create(name="c", **wire.SPEC, **there)
    created = deployments.create(name="d", config="c", config_version=1, project="p", **there)
    assert created == deployments.retrieve("d", **there)
    assert (1, 1, "CREATED", "p") == (
        created.entity_version,
        created.config_version,
        created.status,
        created.project,
    )
    assert "" == created.auth_context.principal_id
    assert timedelta(0) == created.created_at.utcoffset()

    updated = deployments.update("d", config="c", config_version=1, **there)
    assert (2, "PENDING") == (updated.entity_version, updated.status)
    assert [updated, created] == deployments.versions.list("d", **there)
    assert created == deployments.versions.retrieve("1", deployment="d", **there)

    ready = deployments.update_status(
        "d", status="READY", status_message="up", model_provider_id="ws/p", **there
    )
    assert (2, "READY", "up", "ws/p") == (
        ready.entity_version,
        ready.status,
        ready.status_message,
        ready.model_provider_id,
    )
    assert ["PENDING", "READY"] == [entry.status for entry in ready.status_history]
    lost = deployments.update_status("d", status="LOST", version="1", **there)
    assert (1, "LOST", "") == (lost.entity_version, lost.status, lost.status_message)

    models = deployments.list_models("d", **there)
    assert {**there, "name": "d", "models": []} == models

    assert None is deployments.versions.delete("1", deployment="d", **there)
    assert ["READY", "DELETING"] == statuses(deployments.versions.list("d", **there))
    assert None is deployments.delete("d", **there)
    assert ["DELETING", "DELETING"] == statuses(deployments.versions.list("d", **there))
    for version in "12":
        deployments.update_status("d", status="DELETED", version=version, **there)
    deployments.versions.delete("2", deployment="d", **there)
    assert 1 == deployments.retrieve("d", **there).entity_version
    deployments.delete("d", **there)
    refused(nemo_platform.NotFoundError, deployments.retrieve, "d", **there)
    assert 3 == deployments.create(name="d", config="c", **there).entity_version


def test_deletions_have_the_documented_statuses(deployed_sdk, there):
    """202 while something is left to do, 204 once it is gone."""
    raw = deployed_sdk.deployments.with_raw_response
    assert 202 == raw.versions.delete("1", deployment="d", **there).status_code
    assert 202 == raw.delete("d", **there).status_code
    deployed_sdk.deployments.update_status("d", status="DELETED", **there)

    assert 204 == raw.delete("d", **there).status_code


def test_existing_is_ok_if_asked_for(deployed_sdk, there):
    """The stored object is answered, whatever else the call says."""
    config = deployed_sdk.deployment_configs.retrieve("c", **there)
    deployment = deployed_sdk.deployments.retrieve("d", **there)

    assert config == deployed_sdk.deployment_configs.create(
        name="c", exist_ok=True, **{**wire.SPEC, "engine": "vllm"}, **there
    )
    assert deployment == deployed_sdk.deployments.create(name="d", config="other", exist_ok=True, **there)
    assert "e" == deployed_sdk.deployments.create(name="e", config="c", exist_ok=True, **there).name


def test_errors_are_the_classes_of_the_client(deployed_sdk, there):
    """Chosen by status, with the contract's sentence, and never repeated."""
    configs, deployments = deployed_sdk.deployment_configs, deployed_sdk.deployments
    where = there["workspace"]

    detail = refused(nemo_platform.BadRequestError, deployments.create, name="x", config="none", **there)
    assert f"Deployment config '{where}/none' does not exist" == detail
    detail = refused(nemo_platform.BadRequestError, deployments.update, "x", config="c", **there)
    assert f"Deployment with workspace '{where}' and name 'x' does not exist" == detail
    plugin = {**wire.SPEC, "model_spec": {"tool_call_config": {"tool_call_plugin": "p"}}}
    refused(nemo_platform.PermissionDeniedError, configs.create, name="x", **plugin, **there)
    detail = refused(nemo_platform.NotFoundError, deployments.versions.retrieve, "7", deployment="d", **there)
    assert f"Deployment '{where}/d' version '7' not found" == detail
    detail = refused(nemo_platform.ConflictError, deployments.create, name="d", config="c", **there)
    assert f"Deployment with workspace '{where}' and name 'd' already exists" == detail
    refused(nemo_platform.ConflictError, configs.create, name="c", **wire.SPEC, **there)
    refused(nemo_platform.ConflictError, configs.delete, "c", **there)
    refused(nemo_platform.ConflictError, configs.versions.delete, "1", config="c", **there)
    [item] = refused(
        nemo_platform.UnprocessableEntityError, deployments.create, name="A B", config="c", **there
    )
    assert ["body", "name"] == item["loc"]
    deployments.delete("d", **there)
    refused(nemo_platform.ConflictError, deployments.update_status, "d", status="READY", **there)
    stale = {"If-Match": '"0"'}
    refused(nemo_platform.APIStatusError, deployments.update, "d", config="c", extra_headers=stale, **there)


def test_the_clients_own_workspace(sdk):
    """Where a call names none, the one that the client was made for."""
    name = wire.unique("own")
    sdk.deployment_configs.create(name=name, **wire.SPEC)

    assert "default" == sdk.deployments.create(name=name, config=name).workspace
    assert name == sdk.deployments.retrieve(name).name


def test_callers_that_see_no_author(deployed_sdk, there):
    """The client copes with what is hidden."""
    alice = {"X-NMP-Principal-Id": "alice"}

    assert None is deployed_sdk.deployments.retrieve("d", extra_headers=alice, **there).auth_context
    [item] = deployed_sdk.deployments.list(extra_headers=alice, **there)
    assert None is item.auth_context
