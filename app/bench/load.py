"""Load from a process of its own: cheap clients on raw sockets, as many and as fast as they are told.

`offer` starts the process, which reads an `Order` and prints a `Result`. At a given rate, requests are due
whether or not earlier ones were answered, and their time counts from when they were due: one that has to
wait because every connection awaits an answer has waited, and nothing slow hides what would have come
meanwhile. Without a rate each connection sends its next request when it has the answer to the last: as much
as can be done.
"""

from __future__ import annotations

import math
import re
import select
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

DRAIN_SECONDS_MAX: Final = 40.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_POSITION: Final = re.compile(rb'\r\netag: *"(\d+)', re.IGNORECASE)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `requests` in turn, again from the first after the last unless `once`; 0 is no rate."""

    url: str
    requests: tuple[str, ...]
    connections: int
    seconds: float
    rate: float = 0.0
    once: bool = False
    patience_seconds: float | None = None
    """How long a due request waits for a connection; then its client goes away."""
    since: Literal["due", "sent"] = "due"
    """From when on a request's time counts."""
    acknowledged: str = "201"
    """The status of answers whose positions are wanted."""


class Result(msgspec.Struct, kw_only=True):
    """What became of it, by status; `seconds` are sorted, `in_time` came before the end of the order."""

    offered: int = 0
    sent: int = 0
    not_sent: int = 0
    broken: int = 0
    unanswered: int = 0
    answers: dict[str, int] = msgspec.field(default_factory=dict)
    in_time: dict[str, int] = msgspec.field(default_factory=dict)
    seconds: dict[str, list[float]] = msgspec.field(default_factory=dict)
    acknowledged: list[int] = msgspec.field(default_factory=list)
    """Positions that their ETags told."""
    cpu_seconds: float = 0.0


def offer(order: Order) -> Result:
    """What became of an order that another process sends."""
    done = subprocess.run(
        [sys.executable, "-m", "app.bench.load"],
        input=msgspec.json.encode(order),
        check=True,
        stdout=subprocess.PIPE,
    )
    return msgspec.json.decode(done.stdout, type=Result)


def post(path: str, body: bytes) -> str:
    """A request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body.decode()}"


def get(path: str) -> str:
    """A request for a path."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"


class _Client:
    __slots__ = ("due", "missing", "received", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = 0.0
        self.received = b""
        self.missing: int | None = None
        """Bytes of the answer that are still to come; unknown before its head is there."""

    @property
    def awaits(self) -> bool:
        return self.due > 0


class Load:
    """Sends an order and counts."""

    def __init__(self, order: Order) -> None:
        self._order = order
        address = urlsplit(order.url)
        self._address = (address.hostname or "", address.port or 80)
        self._requests = [request.encode() for request in order.requests]
        self._poll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._free: deque[_Client] = deque()
        self._began = 0.0
        self._taken = 0
        """Of the requests that fell due, those that wait for no client any more."""
        self._busy = 0
        self.result = Result()

    def run(self) -> Result:
        """What became of it, when all is answered or given up."""
        for _ in range(self._order.connections):
            self._connect()
        used = time.process_time()
        self._began = time.perf_counter()
        end = self._began + self._order.seconds
        while (now := time.perf_counter()) < end and not self._all_done():
            self._fall_due(now)
            self._serve(now)
            self._receive(self._pause(now), end)
        give_up = time.perf_counter() + DRAIN_SECONDS_MAX
        while (self._busy or self._waiting) and (now := time.perf_counter()) < give_up:
            self._serve(now)
            self._receive(0.1, end)
        self.result.not_sent += self._waiting
        self.result.unanswered = self._busy
        for seconds in self.result.seconds.values():
            seconds.sort()
        self.result.cpu_seconds = time.process_time() - used
        return self.result

    def _connect(self) -> None:
        try:
            client = _Client(self._address)
        except OSError:
            return
        self._clients[client.socket.fileno()] = client
        self._poll.register(client.socket, select.EPOLLIN)
        self._free.append(client)

    @property
    def _waiting(self) -> int:
        return self.result.offered - self._taken

    def _all_offered(self) -> bool:
        return self._order.once and self.result.offered >= len(self._requests)

    def _all_done(self) -> bool:
        return self._all_offered() and not self._busy and not self._waiting

    def _fall_due(self, now: float) -> None:
        # Counted and not kept: at ten times of what is answered they would take as long as the answers.
        rate, result = self._order.rate, self.result
        offered = int((now - self._began) * rate) + 1 if rate else result.offered + len(self._free)
        result.offered = min(offered, len(self._requests)) if self._order.once else offered

    def _pause(self, now: float) -> float:
        """Seconds until the next request is due, if it can be sent then."""
        if not self._order.rate or self._all_offered() or not self._free:
            return 0.1
        return max(0.0, min(self._began + self.result.offered / self._order.rate - now, 0.1))

    def _serve(self, now: float) -> None:
        """Give what is due to whoever is free."""
        rate, patience = self._order.rate, self._order.patience_seconds
        if rate and patience is not None:
            gone = min(math.ceil((now - patience - self._began) * rate), self.result.offered) - self._taken
            self.result.not_sent += max(0, gone)
            self._taken += max(0, gone)
        while self._waiting and self._free:
            due = self._began + self._taken / rate if rate else now
            self._taken += 1
            self._send(self._free.popleft(), due if self._order.since == "due" else now)

    def _send(self, client: _Client, since: float) -> None:
        try:
            client.socket.send(self._requests[self.result.sent % len(self._requests)])
        except OSError:
            self._break(client)
            return
        client.due = since
        self._busy += 1
        self.result.sent += 1

    def _receive(self, seconds: float, end: float) -> None:
        # The poll itself only knows milliseconds; the next request may be due before one has passed.
        select.select([self._poll], [], [], seconds)
        for number, _ in self._poll.poll(0):
            client = self._clients[number]
            try:
                received = client.socket.recv(262_144)
            except OSError:
                received = b""
            if not received:
                self._busy -= client.awaits
                self._break(client)
                continue
            if client.missing is None:
                client.received += received
                self._read_head(client)
            else:
                client.missing -= len(received)
            if client.missing == 0:
                self._answered(client, end)

    @staticmethod
    def _read_head(client: _Client) -> None:
        head = client.received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(client.received, 0, head + 2)
        if length is None:
            message = f"an answer without its length: {client.received[: head + 2]!r}"
            raise ValueError(message)
        client.missing = head + 4 + int(length[1]) - len(client.received)

    def _answered(self, client: _Client, end: float) -> None:
        now = time.perf_counter()
        status = client.received[9:12].decode()
        result = self.result
        result.answers[status] = result.answers.get(status, 0) + 1
        result.in_time[status] = result.in_time.get(status, 0) + (now < end)
        result.seconds.setdefault(status, []).append(now - client.due)
        if status == self._order.acknowledged and (position := _POSITION.search(client.received)):
            result.acknowledged.append(int(position[1]))
        client.received = b""
        client.missing = None
        client.due = 0.0
        self._busy -= 1
        self._free.append(client)

    def _break(self, client: _Client) -> None:
        self.result.broken += 1
        del self._clients[client.socket.fileno()]
        client.socket.close()
        if client in self._free:
            self._free.remove(client)
        self._connect()


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(Load(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)).run())
    )
