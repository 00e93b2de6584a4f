"""A process that serves HTTP: uvicorn, with connections of our own.

One thread does everything, so that no request waits until another thread is woken.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Final, cast

import uvicorn
from typing_extensions import override

from app.http_connection import HttpConnection
from app.logs import configure_logs
from app.settings import Settings, handed_down

BACKLOG: Final = 2048
GARBAGE_OBJECTS: Final = 50_000
"""So many new objects, net, before a search for cycles: requests leave next to none."""


def work(target: str, ready: Connection) -> None:
    """Serve the ASGI application of `module:factory` until SIGTERM; tell when it listens."""
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    settings = handed_down(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    if settings.log_level != "debug":
        # It has a warning for each request that is wrong as HTTP, and anybody can send those.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    application = _application(target)
    connection = partial(
        HttpConnection,
        connections_max=settings.connections_max,
        # What is compared with the service may have none.
        fast_path=getattr(application, "fast_path", None),
    )
    config = uvicorn.Config(
        application,
        interface="asgi3",
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", connection),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
    )
    # The time for a head is also that for the next one: whoever is idle for longer is sent away.
    config.timeout_keep_alive = settings.header_read_seconds  # type: ignore[assignment]
    Server(config, ready).run([_listener(settings)])


class Server(uvicorn.Server):
    """uvicorn's server, stopped by its supervisor only, which it tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Connection) -> None:
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.send_bytes(b"ready")

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # An interrupt at the terminal reaches the supervisor too, which lets streams end first.
        if sig == signal.SIGTERM:
            self.should_exit = True


def _application(target: str) -> Any:
    """The ASGI application of `module:factory`."""
    module, _, factory = target.partition(":")
    application = getattr(import_module(module), factory)()
    # What is there now stays: a search for garbage through all of it would hold up every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    return application


def _listener(settings: Settings) -> socket.socket:
    """A socket of this process alone: the system spreads connections over those that share the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    return listener


def _end_with_the_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        multiprocessing.connection.wait([supervisor.sentinel])
        # Killed, it could not stop us. Whatever we are doing was not acknowledged yet and rolls back.
        os.kill(os.getpid(), signal.SIGKILL)
