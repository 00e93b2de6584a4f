"""Many who watch, and what goes wrong with them."""

import time
from contextlib import ExitStack

import httpx
import psutil
import psycopg
import pytest

from tests.support.service import Service
from tests.support.watching import CONFIG, Watching, Writer, never_reading, path, seen, stored

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


@pytest.fixture
def writer(service):
    made = Writer(service.url)
    yield made
    made.client.close()


def eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def watchers_of(service):
    text = httpx.get(f"{service.url}/metrics").text
    return float(text.split("\nledger_watchers ")[1].split("\n")[0])


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
