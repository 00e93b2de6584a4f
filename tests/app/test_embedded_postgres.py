"""The embedded server: durable, taken over after a kill, guarded against a second user, stopped cleanly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.postgres_programs import PostgresUnavailable
from tests.support.postgres import SERVER_BINS


def one(url, query):
    """The first column of the query's first row."""
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()[0]


def wait_until_gone(pid):
    """Wait for a process that somebody else has to bury."""
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_data_stay_from_one_run_to_the_next(data_dir):
    """The directory is all there is to keep."""
    with EmbeddedPostgres(data_dir) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'here' AS word")
    with EmbeddedPostgres(data_dir) as server:
        assert one(server.url, "SELECT word FROM kept") == "here"


def test_what_is_committed_is_on_disk(data_dir):
    """No setting trades durability for speed."""
    with EmbeddedPostgres(data_dir) as server:
        settings = {
            name: one(server.url, f"SHOW {name}")
            for name in (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "data_checksums",
                "server_encoding",
            )
        }

    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }


def test_only_its_own_account_reaches_it(data_dir):
    """No network port, and a socket in a private directory."""
    with EmbeddedPostgres(data_dir) as server:
        assert one(server.url, "SHOW listen_addresses") == ""
        socket_dir = Path(one(server.url, "SHOW unix_socket_directories"))
        assert socket_dir.stat().st_mode & 0o077 == 0


def test_leaving_stops_the_server(data_dir):
    """No process stays behind, and the shutdown is a clean one."""
    with EmbeddedPostgres(data_dir) as server:
        pid = server.postmaster()

    assert pid is not None
    assert server.postmaster() is None
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


def test_a_path_too_long_for_a_socket_works_all_the_same(data_dir):
    """The socket then goes elsewhere, and away at the end."""
    with EmbeddedPostgres(data_dir / ("x" * 100)) as server:
        socket_dir = Path(one(server.url, "SHOW unix_socket_directories"))
        assert one(server.url, "SELECT 1") == 1

    assert not socket_dir.exists()


def test_a_second_user_of_the_directory_is_refused(data_dir):
    """The message says who has it and what to do."""
    with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(PostgresUnavailable) as caught:
            EmbeddedPostgres(data_dir).__enter__()

        assert f"{data_dir} is in use by process {os.getpid()}: stop that one" in str(caught.value)
        assert one(server.url, "SELECT 1") == 1


def test_a_server_left_by_a_killed_supervisor_is_taken_over(data_dir):
    """Without a restart, so nothing in it is disturbed."""
    supervisor = (
        "import os, pathlib, sys; from app.embedded_postgres import EmbeddedPostgres;"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", supervisor, data_dir], check=False)
    left = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    with EmbeddedPostgres(data_dir) as server:
        assert left == server.postmaster()
        assert one(server.url, "SELECT 1") == 1


def test_after_a_kill_of_postgres_itself_committed_data_are_there(data_dir):
    """Crash recovery, with the pid file of the dead server in the way."""
    with EmbeddedPostgres(data_dir) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
            postmaster = server.postmaster()
            os.kill(postmaster, signal.SIGKILL)
            wait_until_gone(postmaster)
        while True:
            try:
                server.start()
                break
            except PostgresUnavailable:
                time.sleep(0.1)

        assert one(server.url, "SELECT count(*) FROM kept") == 1000


def test_a_pid_file_that_names_a_foreign_process_is_no_server(data_dir):
    """Process ids are used again: ours must not be taken for a postmaster, nor be signalled."""
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n/tmp\n\n\n"
    )

    with EmbeddedPostgres(data_dir) as server:
        assert server.postmaster() not in (None, os.getpid())
        assert one(server.url, "SELECT 1") == 1


def test_data_of_another_major_version_are_refused(data_dir):
    """They need a dump and restore, which the message says."""
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")

    with pytest.raises(PostgresUnavailable, match="was written by PostgreSQL 16, this release embeds 18"):
        EmbeddedPostgres(data_dir).__enter__()


def test_a_server_that_cannot_start_shows_its_own_words(data_dir):
    """The operator sees PostgreSQL's reason, not only that it failed."""
    with pytest.raises(PostgresUnavailable, match="max_connections"):
        EmbeddedPostgres(data_dir, options={"max_connections": "none"}).__enter__()


@pytest.mark.skipif(SERVER_BINS["15"] is None, reason="no binaries of PostgreSQL 15 on this machine")
def test_it_runs_older_binaries_too(data_dir):
    """The suites' PostgreSQL 15 is started by the same code."""
    with EmbeddedPostgres(data_dir, bin_dir=SERVER_BINS["15"]) as server:
        assert one(server.url, "SHOW server_version_num").startswith("15")
