"""Far more than the service can do, and clients that take their time."""

import json
import re
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from app.bodies import LARGE_BYTES_MAX, SMALL_BYTES_MAX
from tests.support.service import Service
from tests.torture.overload import campaign, efficiency, memory_growth

ROOT = "/apis/models/v2/workspaces/default"
CONFIG = {"name": "c", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
READ_SECONDS = 2.0
MANY = 1500
LARGE = 900_000


@pytest.fixture(scope="module")
def service(module_database_url):
    running = Service(
        *("--database-url", module_database_url, "--log-level", "error", "--write-queue-max", 128),
        *("--header-read-seconds", READ_SECONDS, "--body-read-seconds", READ_SECONDS),
    )
    yield running
    running.end()


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service.url, timeout=30) as client:
        client.post(f"{ROOT}/deployment-configs", json=CONFIG)
        yield client


def slow_clients(service, sent, count=MANY):
    """Connections that have sent so much and then stop."""
    address = urlsplit(service.url)
    clients = []
    for _ in range(count):
        client = socket.create_connection((address.hostname, address.port), timeout=30)
        client.sendall(sent)
        clients.append(client)
    return clients


def check_service(http, number):
    """Reads and writes are served as if nothing were."""
    began = time.monotonic()
    body = {**CONFIG, "name": f"s{number}"}
    assert http.post(f"{ROOT}/deployment-configs", json=body).status_code == 201
    assert http.get(f"{ROOT}/deployment-configs/c").status_code == 200
    assert time.monotonic() - began < 5


def turned_away(service):
    """Writes that found no room."""
    text = httpx.get(f"{service.url}/metrics").text
    found = re.search(r'^ledger_writes_turned_away_total{method="POST"} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(
    ("number", "sent", "status"),
    [
        (1, b"POST %s/deployment-configs HTTP/1.1\r\nHost: x\r\n", b""),
        (2, b"POST %s/deployment-configs HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{", b"408"),
    ],
    ids=["headers", "bodies"],
)
def test_clients_that_never_finish_take_nobody_s_place(service, http, number, sent, status):
    """Thousands of them: others are served meanwhile, and they are sent away in time."""
    clients = slow_clients(service, sent % ROOT.encode())
    check_service(http, number)
    for client in clients:
        answer = b""
        with suppress(ConnectionResetError):
            answer = client.recv(1000)
        assert answer[9:12] in {status, b"408"}
        client.close()

    worker = psutil.Process(service.worker_pids()[0])
    assert len(worker.net_connections("tcp")) < 100


def test_large_bodies_that_never_end_use_up_no_memory(service, http):
    """So many find room; others are told to come back, and small writes are served as if nothing were."""
    worker = psutil.Process(service.worker_pids()[0])
    before = worker.memory_info().rss
    head = b"POST %s/deployment-configs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    clients = slow_clients(service, head % ROOT.encode() + b" " * LARGE, 200)
    check_service(http, 4)

    statuses = [client.recv(1000)[9:12] for client in clients]
    assert {b"408", b"503"} == set(statuses)
    assert statuses.count(b"408") == LARGE_BYTES_MAX // (LARGE - SMALL_BYTES_MAX)
    assert worker.memory_info().rss - before < 3 * LARGE_BYTES_MAX
    for client in clients:
        client.close()
    large = json.dumps({**CONFIG, "name": "large"}).encode() + b" " * LARGE
    headers = {"content-type": "application/json"}
    assert http.post(f"{ROOT}/deployment-configs", content=large, headers=headers).status_code == 201


def test_clients_that_read_nothing_take_nobody_s_place(service, http):
    """Their answers wait, but nobody waits for them."""
    asking = b"GET %s/history HTTP/1.1\r\nHost: x\r\n\r\n" % ROOT.encode()
    clients = slow_clients(service, asking * 2, 200)

    check_service(http, 3)
    for client in clients:
        client.close()


def test_ten_times_more_than_it_can_do(live_service, database_url):
    """It goes on doing what it can; the surplus is told to come back, and nothing acknowledged is lost."""
    flags = ("--log-level", "error", "--write-queue-max", 128)
    service = live_service("--database-url", database_url, *flags)
    report = campaign(service, database_url, seconds=4, connections=600, times=10, in_hand_max=128)

    assert [] == report.problems
    # Other programs of the machine cost as well, so this is not the whole promise: the long form measures that.
    assert efficiency(report.rounds) > 0.3
    # By the outermost layer, before anything is done for them; the writer's own queue is full now and then.
    assert turned_away(service) > 0.8 * report.rounds[0].surplus.result.answers.get("503", 0) > 0
    assert memory_growth(report.rounds) < 100_000_000
