"""A rebuild beside a service under load: no request fails or waits for it, and nothing that was written is missed."""

import itertools
import time

import httpx
import pytest

from tests.support.audit import fill
from tests.support.builders import create, create_config, report
from tests.support.rebuild import Rebuild
from tests.support.working import Working

WAIT_SECONDS_MAX = 5.0
"""Far more than the switch takes, on a machine that does other things; a request that waits for a rebuild takes longer."""


class Writers(Working):
    """Clients that write and read what they wrote, each its own deployments, and check every answer."""

    def __init__(self, url, count):
        super().__init__(count, f"{url}/apis/models/v2/workspaces/default")
        self.slowest = 0.0
        self.expected = {}
        self.requests = itertools.count()

    def act(self, client, number, n):
        self._story(client, f"w{number}-{n % 7}")

    def _story(self, client, name):
        path = f"/deployments/{name}"
        if name in self.expected:
            body = self._send(client, "POST", path, 201, {"config": "c1"})
        else:
            body = self._send(client, "POST", "/deployments", 201, {"name": name, "config": "c1"})
        self._check(client, path, body)
        message = f"request {next(self.requests)}"
        status = {"status": "READY", "status_message": message}
        body = self._send(client, "POST", f"{path}/status", 200, status)
        assert message == body["status_message"]
        self._check(client, path, body)
        self.expected[name] = body

    def _check(self, client, path, body):
        assert body == self._send(client, "GET", path, 200)
        listed = self._send(client, "GET", "/deployments?page_size=1000", 200)["data"]
        shown = {item["name"]: (item["id"], item["status_message"]) for item in listed}
        assert (body["id"], body["status_message"]) == shown[body["name"]]

    def _send(self, client, method, path, expected, body=None):
        began = time.monotonic()
        answer = client.request(method, path, json=body)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert expected == answer.status_code, (method, path, answer.status_code, answer.text)
        return answer.json()


@pytest.fixture
def rebuild(database_url, capsys):
    commands = [create_config()]
    for n in range(300):
        commands += [create(name=f"n{n}"), *[report("READY", str(k), name=f"n{n}") for k in range(9)]]
    fill(database_url, commands)
    made = Rebuild(database_url, capsys)
    # The most misleading default that a database can have: a snapshot that is older than the locks.
    [(name,)] = made.execute("SELECT current_database()")
    made.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    return made


def test_nobody_notices_a_rebuild(rebuild, live_service):
    """There and back again, three times, with writes and reads of four clients on two workers all the while."""
    service = live_service("--database-url", rebuild.database_url, "--workers", 2)
    with Writers(service.url, 4) as writers:
        for _ in range(3):
            assert 0 == rebuild("start", "--workers", 2), rebuild.out + rebuild.err
            assert "all rows are equal" in rebuild.out
            time.sleep(0.2)
            assert 0 == rebuild("rollback"), rebuild.err
            assert 0 == rebuild("verify", "--workers", 1), rebuild.out
            assert 0 == rebuild("resume", "--workers", 2), rebuild.out + rebuild.err
            assert 0 == rebuild("clean")
            assert [] == writers.failures

    assert [] == writers.failures
    assert next(writers.requests) > 100
    assert writers.slowest < WAIT_SECONDS_MAX
    assert 0 == rebuild("verify", "--workers", 1), rebuild.out
    with httpx.Client(base_url=writers.base_url) as client:
        assert writers.expected == {
            name: client.get(f"/deployments/{name}").json() for name in writers.expected
        }
    assert 200 == httpx.get(f"{service.url}/health/ready").status_code
