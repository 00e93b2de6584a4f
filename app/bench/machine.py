"""Where figures were measured: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import psycopg
from psycopg import Connection

_SETTINGS: Final = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "data_checksums",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "maintenance_work_mem",
    "jit",
)


class Machine(msgspec.Struct, frozen=True):
    """The machine, the programs, and how busy it was before the run began."""

    date: datetime
    processor: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    postgresql: str
    settings: dict[str, str]
    load_average: float


def load_average() -> float:
    """How many processes wanted a processor in the last minute."""
    return os.getloadavg()[0]


def commit() -> str:
    """The commit that this program was checked out at, "-dirty" behind it if files differ; "" if none."""
    command = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10")
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""


def describe(url: str, load: float) -> Machine:
    """The machine that this runs on, and the database at `url`."""
    with psycopg.connect(url) as connection:
        found = {name: _setting(connection, name) for name in _SETTINGS}
        version = str(connection.info.server_version // 10_000)
    return Machine(
        date=datetime.now(UTC).replace(microsecond=0),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=version,
        settings=found,
        load_average=round(load, 2),
    )


def _setting(connection: Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return "" if row is None else str(row[0])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
