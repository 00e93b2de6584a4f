"""The supervisor, as a process: start, stop, kill, start again, and whatever should keep it from starting."""

import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app.embedded_postgres import EmbeddedPostgres
from tests.support.service import ServiceFailed


def answers(service):
    """Whether the service says that it lives."""
    return httpx.get(f"{service.url}/health/live").status_code == 200


def is_gone(process):
    """Whether a process has ended, be it that nobody has buried it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def connected_roles(data_dir):
    """Who is connected to the embedded server that runs."""
    socket_directory = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    with psycopg.connect(host=socket_directory, user="postgres", dbname="ledger") as connection:
        return connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()


def has_replaced(service, victim):
    """Whether two workers run, `victim` not being one."""
    pids = service.worker_pids()
    return victim not in pids and len(pids) == 2


def eventually(check, seconds=30):
    """Wait for `check()` to hold; a refused or cut connection counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except (httpx.TransportError, psutil.Error, psycopg.OperationalError):
            pass
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s")


def test_it_serves_from_an_empty_directory_and_stops_cleanly(live_service, data_dir):
    """The ready line is true when it is printed; SIGTERM ends with exit code 0 and a stopped database.

    Requests are served with the run-time role only: the database's superuser did no more than to migrate.
    """
    service = live_service("--data-dir", data_dir)
    assert answers(service)
    assert [("ledger_runtime",)] == connected_roles(data_dir)
    assert "more rights" not in service.output
    children = psutil.Process(service.pid).children(recursive=True)

    assert service.stop() == 0

    assert 1 == service.output.count("listens on")
    assert "settings_off" not in service.output
    assert f"(1 worker, PostgreSQL 18.4 in {data_dir})" in service.output
    assert EmbeddedPostgres(data_dir).postmaster() is None
    eventually(lambda: all(is_gone(child) for child in children))


def test_after_a_kill_it_starts_again_on_the_same_directory(live_service, data_dir):
    """The database that was left behind is taken over, and workers do not outlive their supervisor.

    Neither do their metrics, which each of them has kept in files of its own.
    """
    first = live_service("--data-dir", data_dir, "--workers", "2")
    workers = [psutil.Process(pid) for pid in first.worker_pids()]
    postmaster = EmbeddedPostgres(data_dir).postmaster()
    left = Path(psutil.Process(workers[0].pid).environ()["PROMETHEUS_MULTIPROC_DIR"])
    own_metrics = [left / f"histogram_{worker.pid}.db" for worker in workers]
    assert own_metrics == [path for path in own_metrics if path.exists()]
    first.kill()

    eventually(lambda: all(is_gone(worker) for worker in workers))
    second = live_service("--data-dir", data_dir)

    assert answers(second)
    assert len(workers) == 2
    assert not left.exists()
    assert postmaster == EmbeddedPostgres(data_dir).postmaster()
    assert second.stop() == 0


def test_a_second_service_on_the_directory_is_refused(live_service, data_dir):
    """With exit code 1 and the process to look at."""
    first = live_service("--data-dir", data_dir)

    with pytest.raises(ServiceFailed) as caught:
        live_service("--data-dir", data_dir)

    assert caught.value.exit_code == 1
    assert f"{data_dir} is in use by process {first.pid}" in caught.value.output
    assert answers(first)


def test_a_port_in_use_is_refused(live_service, database_url):
    """Although workers share their port: another service must not slip in."""
    first = live_service("--database-url", database_url)
    port = first.url.rpartition(":")[2]

    with pytest.raises(ServiceFailed) as caught:
        live_service("--database-url", database_url, "--port", port)

    assert caught.value.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in caught.value.output


def test_a_worker_that_dies_is_replaced_again_and_again(live_service, database_url):
    """However quickly; the others go on serving."""
    service = live_service("--database-url", database_url, "--workers", "2")
    for _ in range(3):
        victim = service.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        eventually(partial(has_replaced, service, victim))
        eventually(lambda: answers(service))

    assert service.process.poll() is None


def test_a_postgres_that_dies_is_started_again(live_service, data_dir):
    """Without a person, and with the same data."""
    service = live_service("--data-dir", data_dir)
    embedded = EmbeddedPostgres(data_dir)
    victim = embedded.postmaster()
    os.kill(victim, signal.SIGKILL)

    eventually(lambda: embedded.postmaster() not in (None, victim))
    eventually(lambda: httpx.get(f"{service.url}/health/ready").status_code == 200)
    assert service.stop() == 0


def test_an_interrupt_at_the_terminal_stops_it_cleanly(live_service, data_dir):
    """Ctrl-C reaches every process of the group at once."""
    service = live_service("--data-dir", data_dir)
    for pid in (*service.worker_pids(), service.pid):
        os.kill(pid, signal.SIGINT)

    assert service.process.wait(30) == 0
    assert EmbeddedPostgres(data_dir).postmaster() is None


def test_an_unreachable_database_is_refused(live_service):
    """At start, not at the first request."""
    with pytest.raises(ServiceFailed) as caught:
        live_service("--database-url", "postgresql://u:secret@127.0.0.1:1/x")

    assert caught.value.exit_code == 1
    assert "database_url: cannot connect to" in caught.value.output
    assert "secret" not in caught.value.output


def test_a_bad_setting_is_refused(live_service):
    """With exit code 2 and its name."""
    with pytest.raises(ServiceFailed) as caught:
        live_service(environ={"DEPLOYMENT_LEDGER_WORKERS": "many"})

    assert caught.value.exit_code == 2
    assert "workers: 'many' is not allowed" in caught.value.output


@pytest.mark.both_servers
def test_it_serves_from_a_given_database(live_service, database_url):
    """Of every supported version; it warns of a superuser's address, and of a server that may lose what it acknowledged."""
    service = live_service("--database-url", database_url)

    assert answers(service)
    assert "the service runs with more rights than it needs" in service.output
    assert "is a superuser" in service.output
    assert "settings_off=['fsync', 'full_page_writes']" in service.output
    assert service.stop() == 0


def test_a_host_name_is_as_good_as_its_address(live_service, database_url):
    """The ready line shows the address that it stands for."""
    service = live_service("--database-url", database_url, "--host", "localhost")

    assert answers(service)


def test_slow_headers_do_not_hold_a_connection(live_service, database_url):
    """A client that never finishes its request is cut off in the time that the settings say."""
    service = live_service("--database-url", database_url, "--header-read-seconds", "0.5")
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
        client.settimeout(10)

        assert b"200" not in client.recv(1000)
