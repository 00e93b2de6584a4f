"""The official Python client, synchronous and asynchronous, through the whole life of configs and deployments."""

import asyncio
import inspect
from datetime import timedelta

import nemo_platform
import pytest
from nemo_platform import AsyncNeMoPlatform, NeMoPlatform

from tests.contract import wire

SPEC = {"engine": "nim", "model_spec": {"model_name": "m"}, "executor_config": {"gpu": 1}}


class Blocking:
    """The asynchronous client, with every call run to its end: the same tests then drive both."""

    def __init__(self, target, run):
        self._target = target
        self._run = run

    def __getattr__(self, name):
        value = getattr(self._target, name)
        return self._called(value) if callable(value) else Blocking(value, self._run)

    def _called(self, method):
        def call(*arguments, **options):
            result = method(*arguments, **options)
            if not inspect.isawaitable(result):
                return result
            answer = self._run(_awaited(result))
            return BlockingPage(answer, self._run) if hasattr(answer, "next_page_info") else answer

        return call


class BlockingPage:
    """A page of the asynchronous client that iterates over all items of it and the pages after it."""

    def __init__(self, page, run):
        self._page = page
        self._run = run

    def __getattr__(self, name):
        return getattr(self._page, name)

    def __iter__(self):
        return iter(self._run(_collected(self._page)))


async def _awaited(awaitable):
    return await awaitable


async def _collected(page):
    return [item async for item in page]


@pytest.fixture(scope="session", params=["sync", "async"])
def client(request, contract_url):
    """The client for `inference`, either kind."""
    if request.param == "sync":
        with NeMoPlatform(base_url=contract_url, workspace="default") as client:
            yield client.inference
        return
    with asyncio.Runner() as runner:
        client = AsyncNeMoPlatform(base_url=contract_url, workspace="default")
        yield Blocking(client.inference, runner.run)
        runner.run(client.close())


@pytest.fixture
def there(workspace):
    """The argument that addresses a workspace of the test's own."""
    return {"workspace": workspace.name}


@pytest.fixture
def deployed(client, there):
    """The client, with a config `c` and a deployment `d` of it."""
    client.deployment_configs.create(name="c", **SPEC, **there)
    client.deployments.create(name="d", config="c", **there)
    return client


def names(page):
    return [item.name for item in page]


def statuses(page):
    return [item.status for item in page]


def refused(kind, call, *arguments, **options):
    """The error that a call has to raise; nothing was repeated."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    assert kind is caught.type
    assert "0" == caught.value.request.headers["x-stainless-retry-count"]
    return caught.value.body["detail"]


def test_the_life_of_a_config(client, there):
    """Created, read, updated, listed by version, removed by version and altogether."""
    configs = client.deployment_configs
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

    updated = configs.update("c", **SPEC, **there)
    assert (2, None, "p") == (updated.entity_version, updated.description, updated.project)
    assert [updated, created] == configs.versions.list("c", **there)
    assert created == configs.versions.retrieve("1", config="c", **there)

    assert None is configs.versions.delete("2", config="c", **there)
    assert created == configs.retrieve("c", **there)
    assert None is configs.delete("c", **there)
    refused(nemo_platform.NotFoundError, configs.retrieve, "c", **there)
    assert [] == configs.versions.list("c", **there)


def test_the_life_of_a_deployment(client, there):
    """Created, updated, reported on, deleted, removed, and created again."""
    deployments = client.deployments
    client.deployment_configs.create(name="c", **SPEC, **there)
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


def test_deletions_have_the_documented_statuses(deployed, there):
    """202 while something is left to do, 204 once it is gone."""
    raw = deployed.deployments.with_raw_response
    assert 202 == raw.versions.delete("1", deployment="d", **there).status_code
    assert 202 == raw.delete("d", **there).status_code
    deployed.deployments.update_status("d", status="DELETED", **there)

    assert 204 == raw.delete("d", **there).status_code


def test_existing_is_ok_if_asked_for(deployed, there):
    """The stored object is answered, whatever else the call says."""
    config = deployed.deployment_configs.retrieve("c", **there)
    deployment = deployed.deployments.retrieve("d", **there)

    assert config == deployed.deployment_configs.create(
        name="c", exist_ok=True, **{**SPEC, "engine": "vllm"}, **there
    )
    assert deployment == deployed.deployments.create(name="d", config="other", exist_ok=True, **there)
    assert "e" == deployed.deployments.create(name="e", config="c", exist_ok=True, **there).name


def test_errors_are_the_classes_of_the_client(deployed, there):
    """Chosen by status, with the contract's sentence, and never repeated."""
    configs, deployments = deployed.deployment_configs, deployed.deployments
    where = there["workspace"]

    detail = refused(nemo_platform.BadRequestError, deployments.create, name="x", config="none", **there)
    assert f"Deployment config '{where}/none' does not exist" == detail
    detail = refused(nemo_platform.BadRequestError, deployments.update, "x", config="c", **there)
    assert f"Deployment with workspace '{where}' and name 'x' does not exist" == detail
    plugin = {**SPEC, "model_spec": {"tool_call_config": {"tool_call_plugin": "p"}}}
    refused(nemo_platform.PermissionDeniedError, configs.create, name="x", **plugin, **there)
    detail = refused(nemo_platform.NotFoundError, deployments.versions.retrieve, "7", deployment="d", **there)
    assert f"Deployment '{where}/d' version '7' not found" == detail
    detail = refused(nemo_platform.ConflictError, deployments.create, name="d", config="c", **there)
    assert f"Deployment with workspace '{where}' and name 'd' already exists" == detail
    refused(nemo_platform.ConflictError, configs.create, name="c", **SPEC, **there)
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


def test_filters_of_deployments(deployed, there):
    """Every field that the client knows, each in its own spelling."""
    deployments = deployed.deployments
    deployed.deployment_configs.create(name="other", **SPEC, **there)
    deployments.create(name="e", config="other", project="p", **there)
    ready = deployments.update_status(
        "e", status="READY", status_message="It is up", model_provider_id="ws/p", **there
    )

    def found(**condition):
        return names(deployments.list(filter=condition, sort="name", **there))

    for condition in (
        {"config": "other"},
        {"config": {"eq": "other"}},
        {"model_provider_id": "ws/p"},
        {"name": "e"},
        {"name": {"like": "E"}},
        {"name": {"in_": ["e", "x"]}},
        {"name": {"nin": ["d", "x"]}},
        {"project": "p"},
        {"status": "READY"},
        {"status_message": {"like": "is UP"}},
        {"updated_at": {"gte": ready.updated_at}},
        {"created_at": {"gte": ready.created_at, "lte": ready.updated_at}},
        {"created_at": {"gte": ready.created_at.isoformat()}},
        {"workspace": there["workspace"], "status": "READY"},
    ):
        assert ["e"] == found(**condition), condition
    assert ["d", "e"] == found(name={"in_": ["d", "e"]})
    assert ["d"] == found(
        updated_at={"lte": ready.updated_at - timedelta(microseconds=1)}, name={"nin": ["x"]}
    )
    refused(nemo_platform.BadRequestError, deployments.list, filter={"nothing": "x"}, **there)


def test_filters_of_configs(client, there):
    """Every field that the client knows."""
    configs = client.deployment_configs
    configs.create(name="a", **SPEC, **there)
    second = configs.create(
        name="b", description="The one", project="p", model_entity_id="ws/m", **SPEC, **there
    )

    for condition in (
        {"name": "b"},
        {"name": {"like": "B"}},
        {"description": {"like": "the"}},
        {"description": {"in_": ["The one"]}},
        {"model_entity_id": "ws/m"},
        {"project": "p"},
        {"created_at": {"gte": second.created_at}},
        {"updated_at": {"gte": second.updated_at}},
    ):
        assert ["b"] == names(configs.list(filter=condition, **there)), condition


def test_pages_are_followed(client, there):
    """All items, once each and in order, over several pages and in either direction."""
    expected = [f"n{number:02}" for number in range(23)]
    for name in expected:
        client.deployment_configs.create(name=name, **SPEC, **there)
        client.deployments.create(name=name, config=name, **there)

    for resource in (client.deployments, client.deployment_configs):
        page = resource.list(page_size=5, sort="name", **there)
        assert (1, 5, 5, 23) == (
            page.pagination.page,
            page.pagination.current_page_size,
            page.pagination.total_pages,
            page.pagination.total_results,
        )
        assert expected == names(page)
        assert expected[::-1] == names(resource.list(page_size=4, sort="-name", **there))
        assert expected[20:] == names(resource.list(page=5, page_size=5, sort="name", **there))
        assert [] == names(resource.list(page=9, page_size=5, **there))


def test_a_controllers_poll(deployed, there):
    """All versions in a status, over all workspaces, in pages of a thousand."""
    deployed.deployments.update("d", config="c", **there)
    found = deployed.deployments.list(
        workspace="-", all_versions=True, page_size=1000, filter={"status": "CREATED"}, sort="-created_at"
    )

    mine = [item for item in found if item.workspace == there["workspace"]]
    assert [("d", 1, "CREATED")] == [(item.name, item.entity_version, item.status) for item in mine]
    by_workspace = {"workspace": there["workspace"]}
    assert [2] == [
        item.entity_version for item in deployed.deployments.list(workspace="-", filter=by_workspace)
    ]
    assert ["c"] == names(deployed.deployment_configs.list(workspace="-", filter=by_workspace))


def test_the_clients_own_workspace(client):
    """Where a call names none, the one that the client was made for."""
    name = wire.unique("own")
    client.deployment_configs.create(name=name, **SPEC)

    assert "default" == client.deployments.create(name=name, config=name).workspace
    assert name == client.deployments.retrieve(name).name


def test_callers_that_see_no_author(deployed, there):
    """The client copes with what is hidden."""
    alice = {"X-NMP-Principal-Id": "alice"}

    assert None is deployed.deployments.retrieve("d", extra_headers=alice, **there).auth_context
    [item] = deployed.deployments.list(extra_headers=alice, **there)
    assert None is item.auth_context
