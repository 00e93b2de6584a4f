"""The service and its embedded database as processes that are killed, and started again as systemd would."""

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from app.postgres_programs import SUPERUSER
from tests.support.service import Service, ServiceFailed

START_SECONDS_MAX = 120
AGAIN_SECONDS = 0.2
FREEZE_SECONDS_MAX = 2.0


class Machine:
    """One service on one directory and one port. Only processes that it started are ever signalled."""

    def __init__(self, directory: Path, workers):
        self.directory = directory
        self._flags = ("--data-dir", directory, "--workers", workers, "--log-level", "error")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.outputs = []
        self.service = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    @property
    def database_url(self):
        """The address of the embedded database, for a look past the service."""
        sockets = (self.directory / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://{SUPERUSER}@/ledger?host={quote(sockets, safe='')}"

    def start(self):
        """Start until it stays: right after a kill the port or the data may still be held for a moment."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.service = Service(*self._flags, "--port", self._port)
            except ServiceFailed as failed:
                self.outputs.append(failed.output)
                if time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)
            else:
                return

    def inject(self, fault):
        """Do it; whatever only a supervisor outside the service can mend is mended."""
        kinds = {
            "worker": self._worker,
            "service": self._service,
            "backend": self._backend,
            "postmaster": self._postmaster,
            "everything": self._everything,
            "sessions": self._sessions,
            "freeze": self._freeze,
            "restart": self._restart,
        }
        kinds[fault.kind](fault.pick)

    def end(self):
        """Stop it, as an operator would; the exit code."""
        code = self.service.stop()
        self.service.end()
        self.outputs.append(self.service.output)
        return code

    def _worker(self, pick):
        _kill(_picked(self.service.worker_pids(), pick))

    def _service(self, _):
        self.service.kill()
        self._start_again()

    def _backend(self, pick):
        backends = [child.pid for child in _children(self._postmaster_pid()) if _serves_a_client(child)]
        _kill(_picked(backends, pick))

    def _postmaster(self, _):
        _kill(self._postmaster_pid())

    def _everything(self, _):
        postmaster = self._postmaster_pid()
        self.service.process.kill()
        _kill(postmaster)
        self.service.kill()
        self._start_again()

    def _sessions(self, _):
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'"
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(f"{terminate} AND pid <> pg_backend_pid()")

    def _freeze(self, pick):
        worker = _picked(self.service.worker_pids(), pick)
        if worker is not None:
            os.kill(worker, signal.SIGSTOP)
            time.sleep(FREEZE_SECONDS_MAX * pick)
            os.kill(worker, signal.SIGCONT)

    def _restart(self, _):
        self.service.stop()
        self._start_again()

    def _start_again(self):
        self.service.end()
        self.outputs.append(self.service.output)
        self.start()

    def _postmaster_pid(self):
        """None while there is none, or while it is on its way up."""
        try:
            pid = int((self.directory / "postgres" / "postmaster.pid").read_text().split()[0])
            at_home = psutil.Process(pid).cwd() == str((self.directory / "postgres").resolve())
        except (FileNotFoundError, IndexError, psutil.Error):
            return None
        return pid if at_home else None


def _picked(pids, pick):
    return sorted(pids)[int(pick * len(pids))] if pids else None


def _kill(pid):
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def _children(pid):
    try:
        return psutil.Process(pid).children() if pid else []
    except psutil.NoSuchProcess:
        return []


def _serves_a_client(process):
    try:
        return "[local]" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
