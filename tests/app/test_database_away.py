"""The database away, hung, slow or locked: bounded answers, bounded memory, and back to work by itself."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from tests.support.postgres_proxy import HANG_AFTER, HANG_BEFORE, PostgresProxy
from tests.support.service import Service

ROOT = "/apis/models/v2/workspaces/default"
CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
WAIT_SECONDS = 1.0
CONNECT_SECONDS = 2.0
SETTLE_SECONDS = 5.0
LEEWAY_SECONDS = 3.0
"""For this machine, which does other things as well."""

WRITE_SECONDS_MAX = 2 * WAIT_SECONDS + CONNECT_SECONDS + LEEWAY_SECONDS
READ_SECONDS_MAX = 2 * (WAIT_SECONDS + 1.0) + CONNECT_SECONDS + LEEWAY_SECONDS
MEANWHILE_MIN = 5
"""Two or three are answered before and after, even if everything stands still as long as a write waits."""

QUEUE_MAX = 500
NAMES = (f"n{number}" for number in count())


@pytest.fixture(scope="module")
def proxy(module_database_url):
    with PostgresProxy(module_database_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(proxy):
    running = Service(
        *("--database-url", f"{proxy.url} connect_timeout={CONNECT_SECONDS:g}", "--log-level", "error"),
        *("--write-wait-seconds", WAIT_SECONDS, "--statement-seconds", WAIT_SECONDS),
        *("--write-queue-max", QUEUE_MAX),
    )
    yield running
    running.end()


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service.url, timeout=60) as client:
        assert client.post(f"{ROOT}/deployment-configs", json={"name": "c", **CONFIG}).status_code == 201
        yield client


def write(http, name=None, **headers):
    body = {"name": name or next(NAMES), **CONFIG}
    return http.post(f"{ROOT}/deployment-configs", json=body, headers=headers)


def read(http):
    return http.get(f"{ROOT}/deployment-configs/c")


@contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def refused(answer):
    """Whether it says that nothing was done, and when to come back."""
    return (answer.status_code, answer.headers.get("retry-after")) == (503, "1")


def check_all_refused(http, write_seconds=WRITE_SECONDS_MAX, read_seconds=READ_SECONDS_MAX):
    """Whoever asks is told before long; what needs no database is answered."""
    with within(write_seconds):
        assert refused(write(http))
    with within(read_seconds):
        assert refused(read(http))
    with within(read_seconds):
        assert refused(http.get(f"{ROOT}/deployments"))
    with within(5):
        assert http.get("/health/ready").status_code == 503
    with within(5):
        assert http.get("/metrics").status_code == 200
    with within(LEEWAY_SECONDS):
        assert http.get("/health/live").status_code == 200


def answered_while_a_write_is_refused(http, ask):
    """How many other requests are answered from when a write is sent until it is refused in time."""
    answered = 0
    with ThreadPoolExecutor(1) as clients, within(WRITE_SECONDS_MAX):
        waiting = clients.submit(write, http)
        while not waiting.done():
            assert ask().status_code == 200
            answered += 1
    assert refused(waiting.result())
    return answered


def check_it_works(http):
    """At once, the first time."""
    with within(LEEWAY_SECONDS):
        assert write(http).status_code == 201
        assert read(http).status_code == 200
        assert http.get("/health/ready").status_code == 200


def test_a_database_that_is_down_is_found_again_at_once(http, proxy):
    """However long it was away: nobody waits for a next try that is due some time."""
    proxy.refuse()
    for _ in range(3):
        check_all_refused(http, LEEWAY_SECONDS, LEEWAY_SECONDS)
        time.sleep(0.5)

    proxy.accept()
    check_it_works(http)


def test_connections_that_were_cut_are_not_used(http, proxy):
    """A restart of the database between two requests is noticed by nobody."""
    for _ in range(3):
        proxy.cut()
        time.sleep(0.05)
        check_it_works(http)


def test_a_network_that_swallows_everything_keeps_nobody_waiting(http, proxy):
    """Neither on connections that were open nor on those that are tried."""
    proxy.freeze()
    check_all_refused(http)
    assert answered_while_a_write_is_refused(http, lambda: http.get("/health/live")) > MEANWHILE_MIN

    proxy.thaw()
    check_it_works(http)


@pytest.mark.parametrize("kind", [HANG_BEFORE, HANG_AFTER])
def test_a_statement_that_is_never_answered(http, proxy, module_database_url, kind):
    """503, or what became of it where only the answer of the commit was missing; asking again gives the same."""
    for n in (1, 3, 5, 7, 9):
        name = next(NAMES)
        proxy.plant("writes", n, kind)
        with within(2 * WAIT_SECONDS + CONNECT_SECONDS + SETTLE_SECONDS + LEEWAY_SECONDS):
            answer = write(http, name, **{"Idempotency-Key": name})
        proxy.plant("nobody", 0, kind)
        assert answer.status_code == 201 or refused(answer)
        release_locks(module_database_url)
        again = write(http, name, **{"Idempotency-Key": name})

        assert again.status_code == 201
        if answer.status_code == 201:
            assert answer.content == again.content


def release_locks(database_url):
    """What the server would do by itself after its time for idle transactions."""
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        )


def test_a_slow_database_is_slow_or_refuses(http, proxy):
    """A write that would take longer than its time is given up; one that does not is done."""
    proxy.delay_seconds = 1.2
    with within(WRITE_SECONDS_MAX):
        assert refused(write(http))
    proxy.delay_seconds = 0.02
    assert write(http).status_code == 201
    proxy.delay_seconds = 0.0

    check_it_works(http)


@pytest.mark.parametrize(
    "lock",
    ["SELECT pg_advisory_xact_lock(7239001104823357761)", "LOCK TABLE stored_events IN EXCLUSIVE MODE"],
)
def test_a_lock_in_other_hands_stops_writes_only(http, module_database_url, lock):
    """They get 503 in time; reads of what is stored go on."""
    with psycopg.connect(module_database_url) as holder:
        holder.execute(lock)
        assert answered_while_a_write_is_refused(http, lambda: read(http)) > MEANWHILE_MIN
        assert http.get(f"{ROOT}/deployment-configs").status_code == 200

    check_it_works(http)


def test_thousands_who_wait_are_bounded(service, http, proxy):
    """The queue takes so many, the others are told at once; memory does not grow with the time it lasts."""
    worker = psutil.Process(service.worker_pids()[0])
    body = b'{"name": "%s", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}'
    proxy.freeze()
    before = worker.memory_info().rss
    answers = []
    with ExitStack() as stack:
        for _ in range(2):
            clients = [stack.enter_context(client_of(service.url)) for _ in range(1500)]
            for number, client in enumerate(clients):
                client.sendall(request(body % f"m{number}".encode()))
            answers += statuses_of(clients)
        grown = worker.memory_info().rss - before
    proxy.thaw()

    assert {b"503"} == set(answers)
    assert grown < 120_000_000
    check_it_works(http)


def client_of(url):
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def request(body):
    return (
        b"POST %s/deployment-configs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (ROOT.encode(), len(body), body)
    )


def statuses_of(clients):
    return [client.recv(65536).split(b" ")[1] for client in clients]
