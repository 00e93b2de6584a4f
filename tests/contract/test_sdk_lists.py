"""The official Python client, synchronous and asynchronous: lists, their filters and their pages."""

from datetime import timedelta

import nemo_platform
import pytest

from tests.contract import wire


def names(page):
    return [item.name for item in page]


def test_filters_of_deployments(deployed_sdk, there):
    """Every field that the client knows, each in its own spelling."""
    deployments = deployed_sdk.deployments
    deployed_sdk.deployment_configs.create(name="other", **wire.SPEC, **there)
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
    with pytest.raises(nemo_platform.BadRequestError):
        deployments.list(filter={"nothing": "x"}, **there)


def test_filters_of_configs(sdk, there):
    """Every field that the client knows."""
    configs = sdk.deployment_configs
    configs.create(name="a", **wire.SPEC, **there)
    second = configs.create(
        name="b", description="The one", project="p", model_entity_id="ws/m", **wire.SPEC, **there
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


def test_pages_are_followed(sdk, there):
    """All items, once each and in order, over several pages and in either direction."""
    expected = [f"n{number:02}" for number in range(23)]
    for name in expected:
        sdk.deployment_configs.create(name=name, **wire.SPEC, **there)
        sdk.deployments.create(name=name, config=name, **there)

    for resource in (sdk.deployments, sdk.deployment_configs):
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


def test_a_controllers_poll(deployed_sdk, there):
    """All versions in a status, over all workspaces, in pages of a thousand."""
    deployed_sdk.deployments.update("d", config="c", **there)
    found = deployed_sdk.deployments.list(
        workspace="-", all_versions=True, page_size=1000, filter={"status": "CREATED"}, sort="-created_at"
    )

    mine = [item for item in found if item.workspace == there["workspace"]]
    assert [("d", 1, "CREATED")] == [(item.name, item.entity_version, item.status) for item in mine]
    by_workspace = {"workspace": there["workspace"]}
    assert [2] == [
        item.entity_version for item in deployed_sdk.deployments.list(workspace="-", filter=by_workspace)
    ]
    assert ["c"] == names(deployed_sdk.deployment_configs.list(workspace="-", filter=by_workspace))
