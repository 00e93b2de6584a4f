"""Two releases with different projections on one database: neither writes into the other's tables."""

import time

import httpx
import psycopg
import pytest

from app.projection_versions import own_versions
from tests.support.audit import fill
from tests.support.builders import create, create_config, report
from tests.support.rebuild import Rebuild
from tests.support.release import Release
from tests.support.working import Working

BASE = "/apis/models/v2/workspaces/default"
UNTAKEN_SECONDS_MAX = 10
OTHER_ROWS = {"domain/deployment.py": [('"Deployment update pending"', '"Update pending"')]}
OTHER_SHAPE = {
    "projections/deployment_versions.sql": [("model_provider_id text", "provider text")],
    "projections/deployments.sql": [("model_provider_id", "provider", 3)],
    "projections/deployments.py": [("    model_provider_id: str | None", "    provider: str | None")],
}


class Clients(Working):
    """Write through whichever of the services takes it, and read from all of them, until told to stop."""

    def __init__(self, urls):
        super().__init__(2)
        self.urls = urls
        self.acknowledged = {}

    def act(self, client, number, n):
        self._write(client, f"n{number}", f"{number}.{n}")

    def _write(self, client, name, message):
        path = f"{BASE}/deployments/{name}"
        body = {"status": "READY", "status_message": message}
        deadline = time.monotonic() + UNTAKEN_SECONDS_MAX
        while self.acknowledged.get(name) != message:
            assert time.monotonic() < deadline, (name, message)
            # Which ones there are may change meanwhile: the test learns of a switch after the clients.
            for url in self.urls:
                answer = client.post(f"{url}{path}/status", json=body)
                if answer.status_code == 200:
                    self.acknowledged[name] = message
                    break
                assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
        for url in self.urls:
            assert message == client.get(f"{url}{path}").json()["status_message"]
        time.sleep(0.01)


@pytest.fixture
def database(database_url):
    """Some events, written by this release."""
    commands = [create_config()]
    for n in range(60):
        commands += [create(name=f"n{n}"), *[report("READY", str(k), name=f"n{n}") for k in range(9)]]
    fill(database_url, commands)
    return database_url


def run(release, *arguments):
    """Its exit code, and all that it prints."""
    done = release(*arguments)
    return done.returncode, done.stdout + done.stderr


def ready(url):
    """Status and problems."""
    answer = httpx.get(f"{url}/health/ready")
    return answer.status_code, " ".join(answer.json().get("problems", []))


def becomes_ready(url, seconds=60):
    deadline = time.monotonic() + seconds
    while ready(url)[0] != 200:
        assert time.monotonic() < deadline, ready(url)
        time.sleep(0.1)


def eventually_says(service, text, seconds=60):
    deadline = time.monotonic() + seconds
    while text not in service.output:
        assert time.monotonic() < deadline, service.output
        time.sleep(0.05)


def update(url, **query):
    return httpx.post(f"{url}{BASE}/deployments/n9", json={"config": "c1"}, params=query)


def test_a_rolling_deployment_and_the_way_back(database, tmp_path, live_service, capsys):
    """Each release writes while its tables are live, refuses while they are not, and reads all the while."""
    old, new = Rebuild(database, capsys), Release(tmp_path / "new", OTHER_ROWS)
    where = ("--database-url", database)
    versions = {"old": own_versions()["deployments"], "new": new.versions["deployments"]}
    assert versions["old"] != versions["new"]
    assert own_versions()["deployment-configs"] == new.versions["deployment-configs"]
    first = live_service(*where)
    assert update(first.url).status_code == 201
    second = live_service(*where, environ=new.environ)

    status, problems = ready(second.url)
    assert (503, 200) == (status, ready(first.url)[0])
    for part in (*versions.values(), "newer", "rebuild start", "deployments"):
        assert part in problems
    for refused in (update(second.url), update(second.url, dry_run="true")):
        assert 503 == refused.status_code
        assert versions["new"] in refused.json()["detail"]
    code, output = run(new, "audit", "replay", *where)
    assert (1, True) == (code, versions["old"] in output and "newer" in output), output
    with Clients([first.url, second.url]) as clients:
        code, output = run(new, "rebuild", "start", "--workers", "1", *where)
        assert (1, True) == (code, "status_message, body" in output), output
        assert 1 == old("resume")
        assert "go on with the release that began it" in old.err
        code, output = run(new, "rebuild", "resume", "--accept-differences", *where)
        assert 0 == code, output
        becomes_ready(second.url)
        status, problems = ready(first.url)
        assert (503, True) == (status, "older" in problems and "rebuild rollback" in problems), problems
        assert "Update pending" == update(second.url).json()["status_message"]
        assert 503 == update(first.url).status_code
        assert 1 == old("verify", "--workers", "1")
        assert versions["new"] in old.err
        code, output = run(new, "rebuild", "rollback", *where)
        assert (1, True) == (code, "go back with the release that made them" in output), output
    assert [] == clients.failures
    code, output = run(new, "rebuild", "verify", "--workers", "1", *where)
    assert 0 == code, output

    with Clients([first.url, second.url]) as clients:
        assert 0 == old("rollback"), old.err
        becomes_ready(first.url)
        assert 503 == ready(second.url)[0]
    second.stop()
    builder = live_service(*where, "--on-stale", "build", environ=new.environ)
    eventually_says(builder, "not built by a release that is older")
    assert (503, 200) == (ready(builder.url)[0], ready(first.url)[0])
    assert "older" in ready(builder.url)[1]

    assert [] == clients.failures
    assert 0 == old("verify", "--workers", "1"), old.out
    for name, message in clients.acknowledged.items():
        assert message == httpx.get(f"{first.url}{BASE}/deployments/{name}").json()["status_message"]
    history = old.execute(
        "SELECT version FROM projection_versions WHERE resource = 'deployments' ORDER BY number"
    )
    assert [versions["old"], versions["new"], versions["old"]] == [version for (version,) in history]


def test_a_newer_release_builds_its_tables_itself(database, tmp_path, live_service):
    """From its start to its readiness, killed on the way; tables of another shape are 503 to the older one."""
    new = Release(tmp_path / "new", OTHER_SHAPE)
    where = ("--database-url", database)
    first = live_service(*where)
    runs = Rebuild(database)
    sorted_list = f"{BASE}/deployments?sort=model_provider_id"
    with Clients([first.url]) as clients:
        with psycopg.connect(database) as reading:
            # A reader that stays puts the switch off until the kill.
            reading.execute("LOCK TABLE deployment_versions IN ACCESS SHARE MODE")
            second = live_service(*where, "--on-stale", "build", environ=new.environ)
            while not runs.execute("SELECT 1 FROM rebuild.run"):
                time.sleep(0.01)
            second.kill()
        assert 200 == httpx.get(f"{first.url}{sorted_list}").status_code
        clients.urls = [first.url]
        third = live_service(*where, "--on-stale", "build", environ=new.environ)
        clients.urls = [first.url, third.url]
        becomes_ready(third.url)
        time.sleep(0.3)

    assert [] == clients.failures
    status, problems = ready(first.url)
    assert (503, True) == (status, "older" in problems)
    listed = httpx.get(f"{first.url}{sorted_list}")
    assert (503, True) == (listed.status_code, "older" in listed.json()["detail"])
    assert 200 == httpx.get(f"{first.url}{BASE}/deployments").status_code
    code, output = run(new, "rebuild", "verify", "--workers", "1", *where)
    assert 0 == code, output
    for name, message in clients.acknowledged.items():
        assert message == httpx.get(f"{third.url}{BASE}/deployments/{name}").json()["status_message"]
    assert 0 == third.stop()
