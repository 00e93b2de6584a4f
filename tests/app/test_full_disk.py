"""No room left on the disk of the data, or of the write-ahead log."""

import base64
import os
import time
from contextlib import ExitStack

import httpx
import pytest

from app.embedded_postgres import EmbeddedPostgres
from tests.support.postgres import short_directory
from tests.support.small_disk import moved, small_disk

ROOT = "/apis/models/v2/workspaces/default/deployment-configs"
WRITES_MAX = 400
ANSWER_SECONDS_MAX = 25
RECOVERY_SECONDS_MAX = 60


@pytest.fixture
def log_disk(data_dir):
    """A data directory whose write-ahead log is on a small disk."""
    with small_disk(96) as disk:
        with EmbeddedPostgres(data_dir):
            pass
        moved(data_dir / "postgres" / "pg_wal", disk.path / "pg_wal")
        yield data_dir, disk


@pytest.fixture
def table_disk():
    """A data directory on a small disk, except its write-ahead log."""
    with small_disk(128) as disk, short_directory() as elsewhere:
        data_dir = disk.path / "data"
        with EmbeddedPostgres(data_dir):
            pass
        elsewhere.chmod(0o755)
        moved(data_dir / "postgres" / "pg_wal", elsewhere / "pg_wal")
        yield data_dir, disk


@pytest.fixture
def started(live_service):
    """Start the service on a data directory, and give a client of it."""
    with ExitStack() as stack:

        def start(data_dir):
            client = Client(live_service("--data-dir", data_dir, "--log-level", "error").url)
            stack.callback(client.http.close)
            return client

        yield start


class Client:
    """Creates configs that do not compress, and remembers which were acknowledged."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, timeout=ANSWER_SECONDS_MAX)
        self.acknowledged = {}
        self.unknown = set()
        self._number = 0

    def write(self):
        """The status of one more write."""
        self._number += 1
        name = f"c{self._number}"
        text = base64.b64encode(os.urandom(150_000)).decode()
        body = {
            "name": name,
            "engine": "nim",
            "model_spec": {"chat_template": text},
            "executor_config": {"gpu": 1},
        }
        answer = self.http.post(ROOT, json=body)
        if answer.status_code == 201:
            self.acknowledged[name] = answer.json()["id"]
        elif answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            if "outcome of this write is unknown" in answer.text:
                self.unknown.add(name)
        return answer.status_code

    def lost(self):
        """Acknowledged configs that are not there, and configs that are there without having been asked for."""
        listed = self.http.get(ROOT, params={"page_size": 10_000}).json()["data"]
        found = {config["name"]: config["id"] for config in listed}
        differing = dict(self.acknowledged.items() ^ found.items())
        return {name: each for name, each in differing.items() if name not in self.unknown}

    def write_until_refused(self):
        """Write until there is no room, and a little longer."""
        statuses = []
        while statuses[-3:] != [503] * 3:
            assert len(statuses) < WRITES_MAX
            statuses.append(self.write())
        assert set(statuses) <= {201, 503}

    def eventually_writes(self):
        """Whether a write succeeds before long."""
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while self.write() != 201:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True


def test_no_room_for_tables(started, table_disk):
    """Writes get 503, reads go on; with room again writes do too, and nothing is lost."""
    data_dir, disk = table_disk
    client = started(data_dir)
    assert client.write() == 201
    disk.fill()

    client.write_until_refused()
    assert client.http.get(f"{ROOT}/c1").status_code == 200
    assert {} == client.lost()
    assert client.http.get("/health/live").status_code == 200

    disk.free()
    assert client.eventually_writes()
    assert {} == client.lost()


def test_no_room_for_the_write_ahead_log(started, log_disk):
    """PostgreSQL itself breaks down; it is started again as soon as there is room, and nothing is lost."""
    data_dir, disk = log_disk
    client = started(data_dir)
    assert client.write() == 201
    disk.fill()

    client.write_until_refused()
    assert client.http.get(f"{ROOT}/c1").status_code in {200, 503}
    assert client.http.get("/health/live").status_code == 200

    disk.free()
    assert client.eventually_writes()
    assert {} == client.lost()
