"""Watchers in a process of their own: all events that each of them gets, and how long after their time.

`Watchers` starts the process, which connects all, tells that they watch, and counts until it is told the last
position that they will get.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import time
from datetime import datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec

from app.bench.measurements import WrongAnswer

GIVE_UP_SECONDS: Final = 20.0
_WATCHING: Final = b": watching\n"
_EVENT: Final = re.compile(rb'id: (\d+)\nevent: [^\n]*\ndata: [^\n]*"at":"([^"]+)"[^\n]*\n\n')


class Watched(msgspec.Struct):
    """The positions that the first got, how many got others, and how late each event came, sorted."""

    positions: list[int]
    differing: int
    seconds: list[float]
    cpu_seconds: float


class Watchers:
    """`with Watchers(url, path, number) as watchers:` and all of them watch."""

    def __init__(self, url: str, path: str, number: int) -> None:
        self._arguments = (url, path, str(number))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "app.bench.watching", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if self._process.stdout.readline() != b"watching\n":
            message = f"not all of {self._arguments[2]} watchers could watch"
            raise WrongAnswer(message)
        return self

    def until(self, position: int) -> Watched:
        """What they got, when all have got this one or have waited long enough."""
        printed, _ = self._process.communicate(b"%d\n" % position)
        if self._process.returncode != 0:
            message = f"one of {self._arguments[2]} watchers was cut off"
            raise WrongAnswer(message)
        return msgspec.json.decode(printed, type=Watched)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


class _Watcher:
    __slots__ = ("positions", "received", "socket", "watches")

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self.received = b""
        self.positions: list[int] = []
        self.watches = False


class _Counting:
    def __init__(self, url: str, path: str, number: int) -> None:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 80)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._poll = select.epoll()
        self._watchers: dict[int, _Watcher] = {}
        self._times: dict[int, float] = {}
        self._seconds: list[float] = []
        for _ in range(number):
            watcher = _Watcher(address, request)
            self._watchers[watcher.socket.fileno()] = watcher
            self._poll.register(watcher.socket, select.EPOLLIN)

    def run(self) -> Watched:
        """Say when all watch, and count until standard input says up to which position."""
        while not all(watcher.watches for watcher in self._watchers.values()):
            self._receive(1.0)
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        used = time.process_time()
        told = select.poll()
        told.register(sys.stdin, select.POLLIN)
        while not told.poll(0):
            self._receive(0.05)
        last, give_up = int(sys.stdin.readline()), time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up and not self._have(last):
            self._receive(0.05)
        first, *others = [watcher.positions for watcher in self._watchers.values()]
        differing = sum(positions != first for positions in others)
        return Watched(first, differing, sorted(self._seconds), time.process_time() - used)

    def _have(self, position: int) -> bool:
        return all(watcher.positions[-1:] == [position] for watcher in self._watchers.values())

    def _receive(self, seconds: float) -> None:
        for number, _ in self._poll.poll(seconds):
            watcher = self._watchers[number]
            received = watcher.socket.recv(262_144)
            if not received:
                message = f"a watcher was cut off after {watcher.received[-500:]!r}"
                raise RuntimeError(message)
            watcher.received += received
            if not watcher.watches:
                watcher.watches = _WATCHING in watcher.received
            end = 0
            for event in _EVENT.finditer(watcher.received):
                self._take(watcher, int(event[1]), event[2])
                end = event.end()
            watcher.received = watcher.received[end:]

    def _take(self, watcher: _Watcher, position: int, at: bytes) -> None:
        # Others have seen it first, mostly: its time is read once.
        began = self._times.get(position)
        if began is None:
            began = self._times[position] = datetime.fromisoformat(at.decode()).timestamp()
        watcher.positions.append(position)
        self._seconds.append(time.time() - began)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_Counting(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()))
