"""Configs are rolled back like deployments, to what an earlier version says."""

import itertools

import httpx
import pytest

RUN = itertools.count()
EXECUTORS = (
    {"gpu": 1},
    {"gpu": 2},
    {"gpu": 2, "override_config": {"x": 1}},
    {"gpu": 2, "override_config": {"x": 1.0}},
)


@pytest.fixture
def configs(service_url):
    base = f"{service_url}/apis/models/v2/workspaces/rollback-{next(RUN)}/deployment-configs"
    with httpx.Client(base_url=base) as client:
        for number, executor in enumerate(EXECUTORS):
            body = {
                "name": "c",
                "engine": "nim",
                "model_spec": {},
                "executor_config": executor,
                "description": str(number),
            }
            assert 201 == client.post("/c" if number else "", json=body).status_code
        yield client


def test_by_default_the_version_before_the_latest_comes_back(configs):
    """As a new version; what is there stays as it is, and doing it again goes forth again."""
    before = configs.get("/c/versions/4").content

    restored = configs.post("/c/rollback", json={})

    assert (201, 5, "2") == (
        restored.status_code,
        restored.json()["entity_version"],
        restored.json()["description"],
    )
    assert configs.get("/c/versions/3").json()["executor_config"] == restored.json()["executor_config"]
    assert before == configs.get("/c/versions/4").content
    assert "3" == configs.post("/c/rollback", json={}).json()["description"]


def test_a_named_version_comes_back(configs):
    """Whichever is stored, on the conditions of any write."""
    stale = {"if-match": '"1"'}

    assert 412 == configs.post("/c/rollback", json={"version": 1}, headers=stale).status_code
    rehearsed = configs.post("/c/rollback?dry_run=true", json={"version": 1})
    assert (201, "true") == (rehearsed.status_code, rehearsed.headers["dry-run"])
    assert 4 == configs.get("/c").json()["entity_version"]
    assert {"gpu": 1, "description": "0"} == {
        "gpu": configs.post("/c/rollback", json={"version": 1}).json()["executor_config"]["gpu"],
        "description": configs.get("/c").json()["description"],
    }


@pytest.mark.parametrize(
    ("version", "status", "detail"),
    [
        (4, 409, "already says what version 4 does"),
        (9, 404, "version '9' not found"),
        (-1, 404, "version '-1' not found"),
    ],
)
def test_what_cannot_come_back_is_refused(configs, version, status, detail):
    """What is current, and what is not stored."""
    refused = configs.post("/c/rollback", json={"version": version})

    assert status == refused.status_code
    assert detail in refused.json()["detail"]


def test_there_may_be_nothing_to_go_back_to(configs):
    """A config of one version, and none at all."""
    body = {"name": "single", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
    configs.post("", json=body)

    single = configs.post("/single/rollback", json={})
    assert 409 == single.status_code
    assert "has no version before version 1 to restore" in single.json()["detail"]
    assert 404 == configs.post("/unknown/rollback", json={}).status_code


def test_removed_versions_are_passed_over(configs):
    """The version before the latest is the next one still stored."""
    configs.delete("/c/versions/3")

    assert "1" == configs.post("/c/rollback", json={}).json()["description"]
