"""A rebuild that is ended anywhere goes on, and ends with the same tables."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

import psutil
import psycopg
import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate
from app.rebuild import run
from app.rebuild.registry import existing
from tests.support.audit import fill
from tests.support.builders import create, create_config, delete, report, update
from tests.support.postgres import FAST
from tests.support.rebuild import SILENT, Rebuild
from tests.support.service import PROGRAM

STORY = [
    create_config(),
    create(name="a"),
    create(name="b"),
    update(name="a"),
    report("READY", name="b"),
    delete(name="a"),
]
LATER = [create(name="c"), report("READY", name="a"), update(name="b")]


class Cut:
    """The n-th call of the database fails, before or after the server has done it, and the connection is gone."""

    def __init__(self, monkeypatch):
        self.left = None
        self.late = False
        self._turn = threading.Lock()
        for owner, name in (
            (psycopg.Cursor, "execute"),
            (psycopg.ServerCursor, "execute"),
            (psycopg.ServerCursor, "fetchmany"),
            (psycopg.Cursor, "copy"),
        ):
            monkeypatch.setattr(owner, name, self._call(getattr(owner, name)))
        command = psycopg.Connection._exec_command

        def exec_command(connection, *arguments, **options):
            hit = self._hit()
            self._end(connection, hit and not self.late)
            result = yield from command(connection, *arguments, **options)
            self._end(connection, hit and self.late)
            return result

        monkeypatch.setattr(psycopg.Connection, "_exec_command", exec_command)

    def at(self, n, *, late):
        self.left, self.late = n, late

    def _call(self, original):
        def call(cursor, *arguments, **options):
            hit = self._hit()
            self._end(cursor.connection, hit and not self.late)
            result = original(cursor, *arguments, **options)
            self._end(cursor.connection, hit and self.late)
            return result

        return call

    def _hit(self):
        """Whether this call is the one: indexes are built by several threads."""
        with self._turn:
            if self.left is None:
                return False
            self.left = self.left - 1 or None
            return self.left is None

    @staticmethod
    def _end(connection, hit):
        if hit:
            connection.close()
            raise psycopg.OperationalError("the connection is lost")


@pytest.fixture
def rebuild(database_url, capsys):
    return Rebuild(database_url, capsys)


# Cursors of a connection that is gone cannot be closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("late", "step"), [(False, 1), (True, 4)], ids=["before", "after"])
def test_the_database_lost_at_any_call(rebuild, monkeypatch, late, step):
    """Of a whole rebuild with something to catch up with, and of the way back: going on ends the same.

    Lost after a call, the database has what it has if lost before the next one: some of these will do.
    """
    fill(rebuild.database_url, STORY)
    with rebuild.turn() as connection:
        run.start(connection, ["deployments", "deployment-configs"], 2)
    fill(rebuild.database_url, LATER)
    rows, shape = rebuild.rows(), rebuild.shape()
    cut = Cut(monkeypatch)
    n, lost = 1 - step, True
    while lost:
        n += step
        cut.at(n, late=late)
        try:
            rebuild.finish(slice_events=2)
            lost = False
        except psycopg.OperationalError:
            lost = cut.left is None
        cut.left = None
        rebuild.finish(slice_events=2)
        assert rows == rebuild.rows()
        assert shape == rebuild.shape()
        with rebuild.turn() as connection:
            run.end(connection, switched=True)
        assert [] == rebuild.left_over()

    assert n > 80


# Cursors of a connection that is gone cannot be closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("late", [False, True])
def test_the_database_lost_at_any_call_of_the_way_back(rebuild, monkeypatch, late):
    """Tables are switched back as a whole or not at all."""
    fill(rebuild.database_url, STORY)
    rebuild.finish()
    fill(rebuild.database_url, LATER)
    rows = rebuild.rows()
    cut = Cut(monkeypatch)
    n, lost = 0, True
    while lost:
        n += 1
        lost = False
        cut.at(n, late=late)
        try:
            with rebuild.turn() as connection:
                run.roll_back(connection, SILENT)
        except psycopg.OperationalError:
            lost = True
        cut.left = None
        assert rows == rebuild.rows()
        with rebuild.turn() as connection:
            if existing(connection).state == "switched":
                run.roll_back(connection, SILENT)
        assert rows == rebuild.rows()
        assert rebuild.finish().switched
        assert rows == rebuild.rows()

    assert n > 15


LOADED = "SELECT (SELECT count(*) FROM rebuild.deployment_versions) + (SELECT count(*) FROM rebuild.deployment_config_versions)"
DONE = "SELECT coalesce(sum(events), 0)::bigint FROM rebuild.slices WHERE done_at IS NOT NULL"
"""Each event of that log makes one row."""


@pytest.fixture
def big(database_url, capsys):
    return begun(database_url, capsys)


def begun(database_url, capsys):
    """A rebuild of a log of some thousand events, so that there is a while to kill something in."""
    commands = [create_config()]
    for n in range(400):
        commands += [create(name=f"n{n}"), *[report("READY", str(k), name=f"n{n}") for k in range(12)]]
    fill(database_url, commands)
    rebuild = Rebuild(database_url, capsys)
    with rebuild.turn() as connection:
        run.start(connection, ["deployments", "deployment-configs"], 20)
    return rebuild


def resume(rebuild):
    """The real program, in a process group of its own."""
    return subprocess.Popen(
        [PROGRAM, "rebuild", "resume", "--workers", "2", "--database-url", rebuild.database_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def workers_of(process):
    return [c for c in psutil.Process(process.pid).children() if any("spawn_main" in a for a in c.cmdline())]


def wait_for_slices(rebuild, count):
    """Until so many slices are done."""
    deadline = time.monotonic() + 60
    statement = "SELECT count(*) FROM rebuild.slices WHERE done_at IS NOT NULL"
    while rebuild.execute(statement)[0][0] < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("slices", [1, 150])
def test_a_killed_worker_leaves_its_slice_to_others(big, slices):
    """The rebuild goes on without it and ends the same."""
    rows = big.rows()
    process = resume(big)
    wait_for_slices(big, slices)
    for worker in workers_of(process)[:1]:
        worker.kill()
    output, _ = process.communicate(timeout=60)

    assert 0 == process.returncode, output
    assert "all rows are equal" in output
    assert rows == big.rows()


@pytest.mark.parametrize("slices", [1, 60, 200])
def test_all_killed(big, slices):
    """`kill -9` of the program and of its workers: `resume` goes on from the slices that are done."""
    rows = big.rows()
    process = resume(big)
    wait_for_slices(big, slices)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)

    assert rows == big.rows()
    assert 0 == big("status", "--json")
    assert slices <= (5201 - big.json["events_left"]) / 13
    again = resume(big)
    output, _ = again.communicate(timeout=60)
    assert 0 == again.returncode, output
    assert rows == big.rows()
    assert 0 == big("clean")
    assert [] == big.left_over()


@pytest.mark.parametrize("slices", [1, 100])
def test_the_program_killed_alone(big, slices):
    """Its workers end by themselves, and are in nobody's way."""
    rows = big.rows()
    process = resume(big)
    wait_for_slices(big, slices)
    orphans = workers_of(process)
    process.kill()
    process.wait(60)
    again = resume(big)
    output, _ = again.communicate(timeout=60)
    process.stdout.close()

    assert 0 == again.returncode, output
    assert rows == big.rows()
    _gone, alive = psutil.wait_procs(orphans, timeout=30)
    assert [] == alive


@pytest.mark.parametrize("slices", [1, 100, 250])
def test_every_connection_terminated(big, slices):
    """What the server does when an operator ends sessions, or when it crashes."""
    rows = big.rows()
    process = resume(big)
    wait_for_slices(big, slices)
    big.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    output, _ = process.communicate(timeout=60)

    if process.returncode:
        assert "deployment-ledger" in output
        again = resume(big)
        output, _ = again.communicate(timeout=60)
        assert 0 == again.returncode, output
    assert rows == big.rows()
    assert 0 == big("verify", "--workers", 1)


def test_the_server_killed(data_dir, capsys):
    """`kill -9` of PostgreSQL itself, again and again: what was committed is there, and `resume` goes on from it."""
    with EmbeddedPostgres(data_dir, options=FAST) as server:
        migrate(server.url)
        rebuild = begun(server.url, capsys)
        rows, shape = rebuild.rows(), rebuild.shape()
        for slices in (1, 150):
            process = resume(rebuild)
            wait_for_slices(rebuild, slices)
            kill_all(server)
            output, _ = process.communicate(timeout=60)
            assert 1 == process.returncode, output
            assert "deployment-ledger" in output
            server.start()
            # Of the last moment's commits, which nobody waited for, some may be lost: with all that was in them.
            assert rebuild.execute(LOADED) == rebuild.execute(DONE)

        last = resume(rebuild)
        output, _ = last.communicate(timeout=60)
        assert 0 == last.returncode, output
        assert rows == rebuild.rows()
        assert shape == rebuild.shape()
        assert 0 == rebuild("verify", "--workers", 1)


def kill_all(server):
    """End all processes of a PostgreSQL server."""
    postmaster = psutil.Process(server.postmaster())
    # First of all the one that would start others anew.
    ended = [postmaster, *postmaster.children()]
    for process in ended:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(ended, timeout=30)
