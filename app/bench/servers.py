"""HTTP servers as processes of their own: the service itself, and what it is compared with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

import psutil

from app.serve import serve
from app.settings import ENVIRONMENT_PREFIX, load_settings, variable

SERVICE: Final = "app.main:application"
READY_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 30
_LISTENS: Final = re.compile(r" listens on (http://\S+) ")


class Server:
    """A server process, and what it and its workers use."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = process
        self._log = log
        self._process = psutil.Process(process.pid)

    @cached_property
    def url(self) -> str:
        """Where it listens, as soon as it does."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline and self._popen.poll() is None:
            if found := _LISTENS.search(self._log.read_text(encoding="utf-8")):
                return found[1]
            time.sleep(0.02)
        message = f"the server did not start:\n{self._log.read_text(encoding='utf-8')}"
        raise RuntimeError(message)

    def terminate(self) -> None:
        """Ask it to end."""
        self._popen.terminate()

    def cpu_seconds(self) -> float:
        """Processor time of the supervisor and its workers so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def memory_mb(self) -> float:
        """The resident size of the largest process."""
        return max(process.memory_info().rss for process in self._processes()) / 2**20

    def _processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextmanager
def running(
    application: str, database_url: str, workers: int, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """An ASGI application behind the service's HTTP server, with default settings; it logs into a file."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    chosen = {"database_url": database_url, "workers": str(workers), "port": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "app.bench.servers", application],
            env={**inherited, **{variable(name): value for name, value in chosen.items()}, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Server(process, log)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)


if __name__ == "__main__":
    serve(load_settings({}, os.environ, None), application=sys.argv[1])
