"""What an operator sees: health, metrics, log lines, and that a fault tells no internals."""

import json
import re

import httpx
import psycopg
import pytest

ROOT = "/apis/models/v2/workspaces/default"
CONFIG = {"name": "c", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}


@pytest.fixture
def service(live_service, database_url):
    return live_service("--database-url", database_url, "--log-format", "json")


@pytest.fixture
def http(service):
    with httpx.Client(base_url=service.url) as client:
        yield client


def execute(database_url, statement):
    with psycopg.connect(database_url) as connection:
        connection.execute(statement)


def test_ready_means_that_the_projections_show_the_log(http, database_url):
    """Readiness says how far they are, if they are behind; liveness does not care."""
    http.post(f"{ROOT}/deployment-configs", json=CONFIG)
    assert {"status": "ready"} == http.get("/health/ready").json()

    execute(database_url, "UPDATE projection_position SET position = 0")

    unready = http.get("/health/ready")
    assert 503 == unready.status_code
    assert ["the projections show the log up to position 0, but it ends at 1"] == unready.json()["problems"]
    assert {"status": "live"} == http.get("/health/live").json()


def test_ready_means_that_the_schema_is_that_of_the_code(http, database_url):
    """A migration that is missing, or one that the code does not know, is named."""
    execute(database_url, "DELETE FROM schema_migrations WHERE version = 2")
    assert "0002_projections" in http.get("/health/ready").json()["problems"][0]

    execute(database_url, "UPDATE schema_migrations SET version = 9999 WHERE version = 1")
    unready = http.get("/health/ready")
    assert 503 == unready.status_code
    assert "9999" in unready.json()["problems"][0]


def test_metrics_count_what_happens(http):
    """Requests by route and status, events by kind, batches, latencies, the pool, the projections' position."""
    http.post(f"{ROOT}/deployment-configs", json=CONFIG)
    http.post(f"{ROOT}/deployments", json={"name": "d", "config": "c"})
    http.get(f"{ROOT}/deployments/d")
    http.get(f"{ROOT}/deployments/unknown")
    http.get(f"{ROOT}/deployments")

    text = http.get("/metrics").text

    route = f"{ROOT.replace('default', '{workspace}')}/deployments/{{name}}"
    assert f'ledger_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in text
    assert f'ledger_requests_total{{method="GET",route="{route}",status="404"}} 1.0' in text
    assert f'ledger_request_duration_seconds_count{{method="GET",route="{route}"}} 2.0' in text
    assert 'ledger_events_appended_total{kind="deployment.created"} 1.0' in text
    assert "ledger_batch_writes_sum 2.0" in text
    assert "ledger_append_duration_seconds_count 2.0" in text
    assert "ledger_projection_position 2.0" in text
    assert re.search(r'ledger_read_pool_connections\{state="pool_size"\} [1-9]', text)


def test_each_request_is_one_line_with_its_id(http, service):
    """The caller's id where it sends one, else a new one, in the answer and in the log."""
    given = http.get(f"{ROOT}/deployments/d", headers={"x-request-id": "abc123", "x-nmp-principal-id": "ann"})
    made = http.get("/nothing", headers={"x-request-id": "not usable!"})
    service.stop()

    lines = [json.loads(line) for line in service.output.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert [("abc123", 404, "ann"), (made.headers["x-request-id"], 404, "")] == [
        (line["request_id"], line["status"], line["principal"]) for line in requests
    ]
    assert "abc123" == given.headers["x-request-id"]
    assert requests[0]["route"].endswith("/deployments/{name}")
    assert requests[0]["milliseconds"] >= 0


def test_a_fault_tells_no_internals(http, service, database_url):
    """The caller gets a fixed sentence; the log has the cause."""
    execute(database_url, "ALTER TABLE deployment_versions RENAME TO elsewhere")

    read = http.get(f"{ROOT}/deployments/d")
    listed = http.get(f"{ROOT}/deployments")
    written = http.post(f"{ROOT}/deployments/d", json={"config": "c"})
    service.stop()

    assert [
        (500, "Failed to get deployment"),
        (500, "Failed to list deployments"),
        (500, "Failed to update deployment"),
    ] == [(answer.status_code, answer.json()["detail"]) for answer in (read, listed, written)]
    assert "UndefinedTable" in service.output or "does not exist" in service.output


def test_the_database_away_is_503_and_comes_back(http, database_url):
    """Connections that were cut are replaced; nobody gets a 500."""
    http.post(f"{ROOT}/deployment-configs", json=CONFIG)
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    statuses = {http.get(f"{ROOT}/deployment-configs/c").status_code for _ in range(5)}
    statuses |= {http.post(f"{ROOT}/deployment-configs/c", json=CONFIG).status_code for _ in range(5)}

    assert statuses <= {200, 201, 503}
    assert 200 == http.get(f"{ROOT}/deployment-configs/c").status_code
    assert 201 == http.post(f"{ROOT}/deployment-configs/c", json=CONFIG).status_code
