"""A program run to its end, with the memory it and its database had, and the processor time they took."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import psutil

from app.bench.measurements import WrongAnswer

SAMPLE_SECONDS: Final = 0.1


class Ran(NamedTuple):
    """What a program printed, how long it took, and what it used.

    Memory is in MB, the most that one process had: `program` and `workers` are resident sizes, `backends` is
    without what PostgreSQL's processes share.
    """

    output: dict[str, Any]
    seconds: float
    cpu_program: float
    cpu_postgresql: float
    program: float
    workers: float
    backends: float


class DatabaseServer:
    """A running server's processes, by its postmaster."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = psutil.Process(postmaster)

    def cpu_seconds(self) -> float:
        """Processor time of all processes, those included that have ended."""
        total = sum(self._postmaster.cpu_times()[:4])
        for process in self._postmaster.children():
            try:
                total += sum(process.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total

    def largest_backend_mb(self) -> float:
        """The largest process's own memory."""
        return max((_anonymous_mb(process.pid) for process in self._postmaster.children()), default=0.0)


def ledger(server: DatabaseServer, url: str, *arguments: str) -> Ran:
    """Run `deployment-ledger` with `--json` on a database; anything but success is a wrong answer."""
    command = [sys.executable, "-c", "from app.cli import main; main()", *arguments]
    began, own, databases = time.monotonic(), _cpu_of_children(), server.cpu_seconds()
    process = subprocess.Popen(  # noqa: S603 - this program itself
        [*command, "--json", "--database-url", url], stdout=subprocess.PIPE, text=True
    )
    program = workers = backends = 0.0
    while process.poll() is None:
        program = max(program, _resident_mb(process.pid))
        workers = max([workers, *(_resident_mb(pid) for pid in _children(process.pid))])
        backends = max(backends, server.largest_backend_mb())
        time.sleep(SAMPLE_SECONDS)
    seconds = time.monotonic() - began
    printed = process.communicate()[0]
    if process.returncode != 0:
        told = f"deployment-ledger {' '.join(arguments)}"
        raise WrongAnswer(f"{told} ended with {process.returncode}: {printed}")
    return Ran(
        msgspec.json.decode(printed, type=dict[str, Any]),
        seconds,
        _cpu_of_children() - own,
        server.cpu_seconds() - databases,
        program,
        workers,
        backends,
    )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def _resident_mb(pid: int) -> float:
    return _status_mb(pid, "VmRSS:")


def _anonymous_mb(pid: int) -> float:
    return _status_mb(pid, "RssAnon:")


def _status_mb(pid: int, field: str) -> float:
    """A line of a process's status, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)
