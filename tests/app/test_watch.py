import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psutil
import psycopg
import pytest

from tests.support.service import Service
from tests.support.watching import Watching, never_reading, path

RUN = itertools.count()
CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.fixture(scope="module")
def service(module_database_url):
    running = Service("--database-url", module_database_url, "--workers", 2, "--watch-heartbeat-seconds", 0.5)
    yield running
    running.end()


@pytest.fixture
def database(module_database_url):
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


class Writer:
    """Writes in a workspace of its own; `answers` are the bodies, by the positions that made them."""

    def __init__(self, url):
        self.workspace = f"watch-{next(RUN)}"
        self.client = httpx.Client(base_url=f"{url}/apis/models/v2/workspaces/{self.workspace}", timeout=30)
        self.answers = {}
        self.post("deployment-configs", name="c", **CONFIG)

    def post(self, path, **body):
        answer = self.client.post(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        position = int(answer.headers["etag"].strip('"-r'))
        self.answers[position] = answer.json()
        return position

    def write(self, count, name="d"):
        """A deployment, updates of it and reports; the last event's position."""
        position = self.post("deployments", name=name, config="c")
        for n in range(count - 1):
            if n % 3:
                position = self.post(f"deployments/{name}/status", status="READY", status_message=f"{n}")
            else:
                position = self.post(f"deployments/{name}", config="c")
        return position


@pytest.fixture
def writer(service):
    made = Writer(service.url)
    yield made
    made.client.close()


def stored(database, workspace):
    """Positions and kinds of a workspace's events, as the log has them."""
    return database.execute(
        "SELECT notification_id, topic FROM stored_events WHERE originator_id LIKE %s ORDER BY 1",
        (f"{workspace}/%",),
    ).fetchall()


def seen(watching):
    return [(event.position, event.kind) for event in watching.events]


def eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def watchers_of(service):
    text = httpx.get(f"{service.url}/metrics").text
    return float(text.split("\nledger_watchers ")[1].split("\n")[0])


def test_everything_comes_once_and_in_order(service, writer, database):
    """While several write, whoever joins at any time sees the log from there on, with the writers' answers."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        watchings = [stack.enter_context(Watching(service.url, writer.workspace, after=0))]
        work = [pool.submit(writer.write, 40, f"d{n}") for n in range(4)]
        for _ in range(6):
            watchings.append(stack.enter_context(Watching(service.url, writer.workspace)))
            watchings.append(stack.enter_context(Watching(service.url, writer.workspace, after=0)))
            time.sleep(0.05)
        last = max(each.result() for each in work)
        log = stored(database, writer.workspace)

        assert all(watching.reaches(last) for watching in watchings)
        assert 161 == len(log)
        for watching in watchings:
            assert log[-len(watching.events) :] == seen(watching)
        for event in watchings[0].events:
            [version] = event.data["versions"]
            assert writer.answers[event.position] == version["body"]
        assert [log] * 7 == [seen(watching) for watching in (watchings[0], *watchings[2::2])]


@pytest.mark.parametrize("seed", range(3))
def test_resuming_misses_nothing(service, writer, database, seed):
    """A watcher that is cut off at random points and resumes with `Last-Event-ID` sees exactly the log."""
    chance = random.Random(seed)
    came = []
    writing = threading.Thread(target=writer.write, args=(120,))
    writing.start()
    headers = {"Last-Event-ID": "0"}
    while writing.is_alive() or len(came) < 121:
        with Watching(service.url, writer.workspace, headers, after=0) as watching:
            enough = chance.randint(0, 25)
            watching.wait(lambda w, enough=enough: len(w.events) >= enough, seconds=chance.random() / 2)
        came += seen(watching)
        if came:
            headers["Last-Event-ID"] = str(came[-1][0])
    writing.join()

    assert stored(database, writer.workspace) == came


def test_filters(service, writer):
    """Only what is asked for comes, live and replayed; a position or a time says from where on."""
    writer.post("deployment-configs", name="other", **CONFIG)
    middle = writer.write(6)
    middle_at = writer.answers[middle]["updated_at"]
    last = writer.write(6, "e")
    with Watching(service.url, writer.workspace, after=0) as watching:
        assert watching.reaches(last)
        everything = watching.events
    wanted = {
        (("resource", "deployments"),): lambda e: e.data["resource"] == "deployments",
        (("resource", "deployment-configs"),): lambda e: e.data["resource"] == "deployment-configs",
        (("name", "d"),): lambda e: e.data["name"] == "d",
        (("kind", "deployment.updated"),): lambda e: e.kind == "deployment.updated",
        (("name", "e"), ("kind", "deployment.created")): lambda e: (
            e.data["name"] == "e" and e.kind == "deployment.created"
        ),
        (("name", "nobody"),): lambda _: False,
        (("after", middle),): lambda e: e.position > middle,
        (("after", middle_at),): lambda e: e.position > middle,
    }

    assert 14 == len(everything)
    for query, matches in wanted.items():
        expected = [(event.position, event.kind) for event in everything if matches(event)]
        with Watching(service.url, writer.workspace, **{"after": 0, **dict(query)}) as watching:
            assert watching.wait(lambda w, expected=expected: len(w.events) >= len(expected))
            assert watching.wait(lambda w: w.heartbeats)
            assert expected == seen(watching)


def test_other_workspaces_do_not_show(service, writer):
    """A workspace's watcher sees nothing of another one, the one of `-` sees all."""
    with Watching(service.url, "elsewhere") as elsewhere, Watching(service.url, "-") as everywhere:
        last = writer.write(3)

        assert everywhere.reaches(last)
        assert elsewhere.wait(lambda w: w.heartbeats)
        assert {writer.workspace} == {event.data["workspace"] for event in everywhere.events}
        assert [] == elsewhere.events


def test_what_an_event_says(service, writer):
    """Who, why, on whose behalf, and the state after; identities only to those who may see them."""
    who = {"X-NMP-Principal-Id": "ann", "X-NMP-Principal-Email": "ann@a.example"}
    writer.client.headers.update({**who, "X-Change-Reason": "because"})
    first = writer.write(1)
    writer.post("deployments/d/status", status="DELETED")
    assert 204 == writer.client.delete("deployments/d").status_code
    query = {"after": first - 1, "resource": "deployments"}
    with (
        Watching(service.url, writer.workspace, who, **query) as plain,
        Watching(service.url, writer.workspace, **query) as seeing,
    ):
        assert plain.reaches(first + 2)
        assert seeing.reaches(first + 2)

    created, _, purged = [event.data for event in seeing.events]
    keys = ["position", "at", "kind", "workspace", "resource", "name", "actor", "reason", "versions"]
    assert keys == list(created)
    assert {"id": "ann", "on_behalf_of": None, "email": "ann@a.example", "groups": []} == created["actor"]
    assert "because" == created["reason"]
    assert "ann" == created["versions"][0]["body"]["auth_context"]["principal_id"]
    assert [{"version": 1, "body": None}] == purged["versions"]
    for event in plain.events:
        assert {"id": "ann", "on_behalf_of": None} == event.data["actor"]
    assert plain.events[0].data["versions"][0]["body"]["auth_context"] is None


def test_sent_as_a_stream_of_events(service):
    """With the headers that keep caches and proxies out of it, and signs of life while nothing happens."""
    with Watching(service.url, "quiet") as watching:
        assert watching.wait(lambda w: w.heartbeats >= 3)

    headers = watching.response.headers
    assert "text/event-stream; charset=utf-8" == headers["content-type"]
    assert ("no-store", "no") == (headers["cache-control"], headers["x-accel-buffering"])
    assert headers["content-length"] is None


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"after": "yesterday"}, {}, 422),
        ({"after": "-1"}, {}, 422),
        ({"after": "999999999"}, {}, 422),
        ({"after": "2999-01-01T00:00:00Z"}, {}, 422),
        ({"resource": "models"}, {}, 422),
        ({}, {"Last-Event-ID": "x"}, 400),
        ({}, {"Last-Event-ID": "1.0"}, 400),
        ({}, {"Last-Event-ID": "999999999"}, 400),
        ({"after": "0"}, {"Last-Event-ID": "-1"}, 400),
    ],
)
def test_what_cannot_be_followed_is_refused(service, query, headers, status):
    """A malformed or future `after` is 422, such a `Last-Event-ID` 400: it counts before `after`."""
    answer = httpx.get(service.url + path("default", query), headers=headers)

    assert status == answer.status_code
    assert answer.json()["detail"]


def test_workspace_that_cannot_be(service):
    """Nothing can ever happen in it."""
    assert 404 == httpx.get(service.url + path("Not A Workspace")).status_code


def test_who_never_reads_holds_up_nobody(service, writer):
    """Its part of the events waits in the log, not in memory; others get theirs, and it can leave."""
    began = writer.post("deployment-configs", name="big", **CONFIG)
    workers = [psutil.Process(pid) for pid in service.worker_pids()]
    before = sum(worker.memory_info().rss for worker in workers)
    stuck = [never_reading(service.url, after=began) for _ in range(20)]
    with Watching(service.url, writer.workspace) as watching:
        for _ in range(60):
            last = writer.post(
                "deployment-configs/big",
                engine="nim",
                model_spec={"chat_template": "x" * 250_000},
                executor_config={"gpu": 1},
            )
        assert watching.reaches(last)
        lags = [event.came_at for event in watching.events]

    after = sum(worker.memory_info().rss for worker in workers)
    assert sorted(lags) == lags
    # 20 readers times 15 MB of events would be 300 MB in each process.
    assert after - before < 150_000_000
    for client in stuck:
        client.close()
    eventually(lambda: watchers_of(service) == 0)


def test_who_leaves_leaves_nothing_behind(service, writer):
    """Thousands may come and go: watchers, connections and memory are as before."""
    workers = [psutil.Process(pid) for pid in service.worker_pids()]

    def come_and_go(count):
        for n in range(count):
            client = never_reading(service.url, **({"after": 0} if n % 2 else {}))
            if n % 3:
                client.recv(100)
            client.close()
        eventually(lambda: watchers_of(service) == 0)
        return sum(worker.num_fds() for worker in workers), sum(w.memory_info().rss for w in workers)

    come_and_go(300)
    writer.write(3)
    descriptors, memory = come_and_go(300)
    descriptors_then, memory_then = come_and_go(1500)

    assert descriptors_then <= descriptors + 8
    assert memory_then - memory < 15_000_000


def test_one_listener_for_each_process(service, writer, database):
    """However many watch. What is written through one process reaches those of the other before they poll."""
    with ExitStack() as stack:
        watchings = [stack.enter_context(Watching(service.url, writer.workspace)) for _ in range(50)]
        listeners = database.execute(LISTENERS).fetchall()
        delays = []
        for n in range(5):
            began = time.time()
            last = writer.write(1, f"e{n}")
            assert all(watching.reaches(last) for watching in watchings)
            delays.append(max(watching.events[-1].came_at for watching in watchings) - began)
        connections = [
            sum(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process(pid).net_connections("tcp"))
            for pid in service.worker_pids()
        ]

    assert 2 == len(listeners)
    assert all(connections)
    # One in five may meet a busy moment of the machine.
    assert sorted(delays)[2] < 0.9


def test_a_lost_listener_loses_no_event(service, writer, database):
    """Meanwhile the log is looked at from time to time, and the listeners come back."""
    with Watching(service.url, writer.workspace, after=0) as watching:
        writer.write(5)
        old = database.execute(LISTENERS).fetchall()
        database.execute("SELECT pg_terminate_backend(pid) FROM (" + LISTENERS + ") AS listeners")
        last = writer.write(20, "e")

        assert watching.reaches(last)
        assert stored(database, writer.workspace) == seen(watching)
        eventually(lambda: len(set(database.execute(LISTENERS).fetchall()) - set(old)) == len(old))


def test_a_process_has_room_for_so_many(database_url, live_service):
    """More are told to come back later; when the service stops, all are sent home at once."""
    service = live_service("--database-url", database_url, "--watchers-max", 2)
    with Watching(service.url) as one, Watching(service.url) as two:
        refused = httpx.get(service.url + path())

        assert (503, "1") == (refused.status_code, refused.headers["retry-after"])
        began = time.monotonic()
        assert 0 == service.stop()
        assert time.monotonic() - began < 8
        assert one.ended.wait(5)
        assert two.ended.wait(5)
