"""Defects 6, 12 and 13: many clients at once, on two processes, and more than a thousand of everything."""

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract import wire
from tests.support.service import Service

CLIENTS = 20


@pytest.fixture(scope="module")
def two_processes(postgres_servers):
    """A client of a service that answers with two processes on one database."""
    with contextlib.ExitStack() as stack:
        database_url = stack.enter_context(postgres_servers("18").new_database())
        service = Service("--database-url", database_url, "--workers", "2")
        stack.callback(service.end)
        yield stack.enter_context(wire.client(service.url))


@pytest.fixture
def workspace(two_processes):
    return wire.Workspace(two_processes, wire.unique("w"))


def at_once(work, items, clients=CLIENTS):
    """The outcomes of `work` on each of the items, as many at a time as there are clients."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(work, items))


def test_simultaneous_updates_all_succeed(workspace):
    """Distinct, consecutive versions, each with its own id."""
    workspace.config()
    workspace.deployment()
    updated = at_once(lambda _: workspace.update(), range(CLIENTS))

    assert list(range(2, CLIENTS + 2)) == sorted(version["entity_version"] for version in updated)
    versions = workspace.read("deployments/d/versions")
    assert list(range(CLIENTS + 1, 0, -1)) == [version["entity_version"] for version in versions]
    stored = {version["id"]: version for version in versions}
    assert [stored[version["id"]] for version in updated] == updated


def test_simultaneous_config_updates_all_succeed(workspace):
    """As of deployments."""
    workspace.config()
    updated = at_once(lambda gpu: workspace.update_config(executor_config={"gpu": gpu}), range(CLIENTS))

    assert list(range(2, CLIENTS + 2)) == sorted(version["entity_version"] for version in updated)
    assert list(range(CLIENTS)) == [version["executor_config"]["gpu"] for version in updated]


def test_simultaneous_reports_are_put_in_order(workspace):
    """Each finds the one before it in the history, and none is lost."""
    workspace.config()
    workspace.deployment()
    reported = at_once(lambda number: workspace.report("PENDING", f"{number}"), range(CLIENTS))

    lengths = sorted(len(version["status_history"]) for version in reported)
    assert list(range(2, CLIENTS + 2)) == lengths
    history = workspace.read()["status_history"]
    assert {"Deployment created", *map(str, range(CLIENTS))} == {entry["status_message"] for entry in history}
    times = [entry["timestamp"] for entry in history]
    assert sorted(times) == times
    for version in reported:
        assert history[: len(version["status_history"])] == version["status_history"]


def test_one_of_many_creations_wins(workspace):
    """The others are told that the name is taken."""
    workspace.config()
    body = {"name": "d", "config": "c"}
    responses = at_once(lambda _: workspace.post("deployments", body), range(CLIENTS))

    assert {201: 1, 409: CLIENTS - 1} == Counter(response.status_code for response in responses)


def test_one_of_many_conditional_updates_wins(workspace):
    """What all have read can be built on once."""
    workspace.config()
    workspace.deployment()
    headers = {"If-Match": workspace.get("deployments/d").headers["etag"]}
    responses = at_once(
        lambda _: workspace.post("deployments/d", {"config": "c"}, headers=headers), range(CLIENTS)
    )

    assert {201: 1, 412: CLIENTS - 1} == Counter(response.status_code for response in responses)
    assert 2 == workspace.read()["entity_version"]


def test_simultaneous_repetitions_write_once(workspace):
    """One key, one version, one answer."""
    workspace.config()
    workspace.deployment()
    headers = {"Idempotency-Key": wire.unique("key")}
    responses = at_once(
        lambda _: workspace.post("deployments/d", {"config": "c"}, headers=headers), range(CLIENTS)
    )

    assert 1 == len({response.content for response in responses})
    assert CLIENTS - 1 == sum("idempotency-replayed" in response.headers for response in responses)
    assert 2 == workspace.read()["entity_version"]


def test_a_config_is_not_removed_under_a_creation(workspace):
    """Of a removal and a creation at the same time, one is refused."""
    for number in range(5):
        workspace.config(f"c{number}")
        calls = [
            lambda number=number: workspace.delete(f"deployment-configs/c{number}"),
            lambda number=number: workspace.post(
                "deployments", {"name": f"d{number}", "config": f"c{number}"}
            ),
        ]
        removed, created = at_once(lambda call: call(), calls)

        assert (removed.status_code, created.status_code) in {(204, 400), (409, 201)}


def test_answered_writes_are_seen_by_every_process(workspace):
    """Whichever process reads."""
    workspace.config()
    workspace.deployment()
    for number in range(CLIENTS):
        workspace.report("PENDING", f"{number}")
        seen = at_once(lambda _: workspace.read()["status_message"], range(4), clients=4)

        assert [f"{number}"] * 4 == seen


def test_lists_have_no_limit(workspace):
    """Every one of 1,040 deployments is listed, counted, and found on its page."""
    workspace.config()
    created = at_once(lambda number: workspace.deployment(f"d{number}")["name"], range(1_040))

    pages = [workspace.read(f"deployments?page_size=1000&page={number}") for number in (1, 2, 3)]
    assert [1_000, 40, 0] == [page["pagination"]["current_page_size"] for page in pages]
    assert {(2, 1_040)} == {
        (page["pagination"]["total_pages"], page["pagination"]["total_results"]) for page in pages
    }
    assert sorted(created) == sorted(item["name"] for page in pages for item in page["data"])
    assert 1_040 == len(workspace.names(page_size=5_000, all_versions=True))
    assert ["d1039"] == workspace.names(**{"filter[name]": "d1039"})
    refused = workspace.delete("deployment-configs/c")
    assert 409 == refused.status_code
    assert "because 1040 ModelDeployment(s) still reference it" in refused.json()["detail"]
