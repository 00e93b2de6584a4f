"""The supervisor of the HTTP workers: they share a port, are replaced when they die, and end with it."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Final, NamedTuple, cast

import structlog
from prometheus_client.multiprocess import mark_process_dead

from app.broadcaster import END_STREAMS
from app.refusals import StartRefused
from app.settings import Settings

REPLACE_SECONDS_MIN: Final = 0.1
REPLACE_SECONDS_MAX: Final = 5.0
END_SECONDS_MAX: Final = 5.0
"""How long a worker may take to stop after its requests had their time."""
_STOPPED_BY: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger()


class PortTaken(StartRefused):
    """Nobody can listen on the address; the text says which and why."""


class Worker(NamedTuple):
    """A process that serves HTTP, and says so on `ready` when it listens."""

    process: SpawnProcess
    ready: Connection
    began: float


class HttpServer:
    """So many workers as the settings say; `on_ready` is called once all of them listen."""

    def __init__(self, settings: Settings, target: str, on_ready: Callable[[], None]) -> None:
        self._settings = settings
        self._target = target
        self._on_ready = on_ready
        self._workers: list[Worker] = []
        self._stop_asked, self._ask_to_stop = Pipe(duplex=False)
        self._replace_seconds = REPLACE_SECONDS_MIN

    def run(self) -> bool:
        """Serve until a signal says to stop; False if a worker ended before all were ready."""
        for number in _STOPPED_BY:
            signal.signal(number, self._stop)
        try:
            for _ in range(self._settings.workers):
                self._workers.append(self._started())
            if not self._all_ready():
                return self._stop_asked.poll()
            self._on_ready()
            self._keep_serving()
        finally:
            self._end_workers()
        return True

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._ask_to_stop.send_bytes(b"stop")

    def _started(self) -> Worker:
        # A forked worker would inherit locks that other threads hold at that moment.
        ready, tell = Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(self._target, tell))
        process.start()
        tell.close()
        return Worker(process, ready, time.monotonic())

    def _all_ready(self) -> bool:
        starting = [worker.ready for worker in self._workers]
        while starting:
            for found in cast("list[Connection]", wait([*starting, self._stop_asked])):
                if found is self._stop_asked:
                    return False
                try:
                    found.recv_bytes()
                except EOFError:
                    return False
                starting.remove(found)
        return True

    def _keep_serving(self) -> None:
        while not self._stop_asked.poll():
            wait([self._stop_asked, *(worker.process.sentinel for worker in self._workers)])
            for index, worker in enumerate(self._workers):
                if not worker.process.is_alive() and not self._stop_asked.poll():
                    self._replace(index, worker)

    def _replace(self, index: int, dead: Worker) -> None:
        lived_seconds = time.monotonic() - dead.began
        again = lived_seconds < REPLACE_SECONDS_MAX
        self._replace_seconds = (
            min(self._replace_seconds * 2, REPLACE_SECONDS_MAX) if again else REPLACE_SECONDS_MIN
        )
        log.error(
            "worker died",
            pid=dead.process.pid,
            exit_code=dead.process.exitcode,
            lived_seconds=round(lived_seconds),
        )
        dead.ready.close()
        mark_process_dead(dead.process.pid)  # type: ignore[no-untyped-call]
        if not (again and self._stop_asked.poll(self._replace_seconds)):
            self._workers[index] = self._started()

    def _end_workers(self) -> None:
        alive = [worker.process for worker in self._workers if worker.process.is_alive()]
        for process in alive:
            # Told to stop, a worker finishes its requests first, and a watch has no end of its own.
            os.kill(cast("int", process.pid), END_STREAMS)
            process.terminate()
        end = time.monotonic() + self._settings.shutdown_grace_seconds + END_SECONDS_MAX
        for process in alive:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                log.error("worker killed", pid=process.pid, why="it did not stop in time")
                process.kill()
                process.join()


def _work(target: str, ready: Connection) -> None:
    """A worker process begins here. The supervisor itself needs nothing of the web framework."""
    import_module("app.http_worker").work(target, ready)


@contextmanager
def reserved_address(host: str, port: int) -> Iterator[tuple[str, int]]:
    """Keep a port for this process and its workers; gives the numbers behind a host name and port 0.

    Workers share it by SO_REUSEPORT, which a second service would as well: hence the first, exclusive try.
    """
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0]) as exclusive:
            exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            exclusive.bind(address[4])
            exclusive.listen(1)
            number: int = exclusive.getsockname()[1]
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot listen on {host}:{port}: {reason}; choose another with --host and --port"
        raise PortTaken(message) from error
    with socket.socket(address[0]) as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Bound but not listening: the port stays ours, and no connection is ever given to this socket.
        reservation.bind((address[4][0], number, *address[4][2:]))
        yield str(address[4][0]), number
