"""Granian as this service runs it: workers share a port, are replaced when they die, and end with us."""

import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final

import psutil
import structlog
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from prometheus_client.multiprocess import mark_process_dead
from typing_extensions import override

from app.broadcaster import END_STREAMS
from app.logs import HTTP_SERVER_LOGGING, configure_logs
from app.refusals import StartRefused
from app.settings import Settings, handed_down

HEADER_BYTES_MAX: Final = 64 * 1024
BACKLOG: Final = 2048
READY_POLL_SECONDS: Final = 0.02
RESPAWN_SECONDS_MIN: Final = 0.1
RESPAWN_SECONDS_MAX: Final = 5.0
GARBAGE_OBJECTS: Final = 50_000
"""So many new objects, net, before a search for cycles: requests leave next to none."""

log = structlog.get_logger()


class PortTaken(StartRefused):
    """Nobody can listen on the address; the text says which and why."""


class HttpServer(MPServer):
    """Granian's server, but dead workers are always replaced, and `on_ready` is called when all listen.

    Granian itself ends the whole service when a worker dies twice within five seconds.
    """

    def __init__(self, settings: Settings, target: str, on_ready: Callable[[], None]) -> None:
        super().__init__(
            target,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            workers=settings.workers,
            loop=Loops.uvloop,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=settings.connections_max,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(settings.header_read_seconds * 1000),
                max_buffer_size=HEADER_BYTES_MAX,
            ),
            log_level=LogLevels.info if settings.log_level == "debug" else LogLevels.warning,
            log_dictconfig=HTTP_SERVER_LOGGING,
            respawn_failed_workers=True,
            workers_kill_timeout=settings.shutdown_grace_seconds,
        )
        self.ready = threading.Event()
        self.failed_at_start = False
        self._on_ready = on_ready
        self._respawn_seconds = RESPAWN_SECONDS_MIN

    def run(self) -> bool:
        """Serve until a signal says to stop; False if no worker ever got ready."""
        # A forked worker would inherit locks that the supervisor's threads hold at that moment.
        multiprocessing.set_start_method("spawn", force=True)
        self.on_startup(self._started)
        self.serve(target_loader=partial(load_application, self.target), wrap_loader=False)
        return not self.failed_at_start

    def _started(self) -> None:
        # A terminal that closes means stop, not Granian's "replace all workers".
        signal.signal(signal.SIGHUP, self.signal_handler_interrupt)
        threading.Thread(target=self._announce, daemon=True).start()

    def _announce(self) -> None:
        while not self.interrupt_signal and not self.failed_at_start:
            pids = [worker.inner.pid for worker in list(self.wrks)]
            if len(pids) == self.workers and all(_listens(pid, self.bind_port) for pid in pids):
                self.ready.set()
                self._on_ready()
                return
            time.sleep(READY_POLL_SECONDS)

    @override
    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait()
            self.main_loop_interrupt.clear()
            while self.interrupt_children and not self.interrupt_signal:
                index = self.interrupt_children.pop(0)
                if not self.ready.is_set():
                    self.failed_at_start = True
                    return
                self._replace(index, spawn_target, target_loader)
        # What died while all were being stopped is no fault.
        self.interrupt_children.clear()

    @override
    def _stop_workers(self) -> None:
        # Told to stop, a worker finishes its requests first, and a watch has no end of its own.
        for worker in self.wrks:
            if worker.inner.is_alive():
                os.kill(worker.inner.pid, END_STREAMS)
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _replace(self, index: int, spawn_target: Any, target_loader: Any) -> None:
        dead = self.wrks[index]
        lived_seconds = time.monotonic() - dead.birth
        again = lived_seconds < RESPAWN_SECONDS_MAX
        self._respawn_seconds = (
            min(self._respawn_seconds * 2, RESPAWN_SECONDS_MAX) if again else RESPAWN_SECONDS_MIN
        )
        log.error(
            "worker died",
            pid=dead.inner.pid,
            exit_code=dead.inner.exitcode,
            lived_seconds=round(lived_seconds),
        )
        mark_process_dead(dead.inner.pid)  # type: ignore[no-untyped-call]
        if again:
            self.main_loop_interrupt.wait(self._respawn_seconds)
        if not self.interrupt_signal:
            self._respawn_workers([index], spawn_target, target_loader)


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


def load_application(target: str) -> Any:
    """The ASGI application of `module:factory`, made inside a worker process."""
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    settings = handed_down(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    module, _, factory = target.partition(":")
    application = getattr(import_module(module), factory)()
    # What is there now stays: a search for garbage through all of it would hold up every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    return application


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        multiprocessing.connection.wait([supervisor.sentinel])
        # Killed, it could not stop us. Whatever we are doing was not acknowledged yet and rolls back.
        os.kill(os.getpid(), signal.SIGKILL)


def _listens(pid: int | None, port: int) -> bool:
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
