"""Load from a process of its own: cheap clients on raw sockets, as many and as fast as they are told.

`python -m tests.torture.load '{"url": …}'` sends one kind of write and prints what became of it. Requests are due
at a steady rate, whether or not earlier ones were answered. One that is due while every connection awaits an
answer waits for the first that is free; after `PATIENCE_SECONDS` its client goes away.
"""

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE_SECONDS = 1.0
DRAIN_SECONDS_MAX = 40.0
NAMES = 200


@dataclass
class Order:
    """What to send: `rate` a second, or without pause if it is 0."""

    url: str
    connections: int
    seconds: float
    rate: float = 0.0


@dataclass
class Result:
    """What became of it; seconds are sorted, by status."""

    offered: int = 0
    sent: int = 0
    not_sent: int = 0
    broken: int = 0
    unanswered: int = 0
    answers: Counter = field(default_factory=Counter)
    in_time: Counter = field(default_factory=Counter)
    seconds: dict = field(default_factory=dict)
    acknowledged: list = field(default_factory=list)


class _Client:
    def __init__(self, address, number):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.request = _request(number % NAMES)
        self.sent_at = 0.0
        self.received = b""


class Load:
    """Sends an order and counts."""

    def __init__(self, order):
        self._order = order
        address = urlsplit(order.url)
        self._address = (address.hostname, address.port)
        self._poll = select.epoll()
        self._clients = {}
        self._free = deque()
        self._due = deque()
        self._busy = 0
        self.result = Result()

    def run(self):
        """What became of it, when all is answered or given up."""
        for number in range(self._order.connections):
            self._connect(number)
        begin = time.perf_counter()
        end = begin + self._order.seconds
        while (now := time.perf_counter()) < end:
            self._fall_due(now - begin, now)
            self._receive(0.002, end)
        give_up = time.perf_counter() + DRAIN_SECONDS_MAX
        self.result.not_sent += len(self._due)
        while self._busy and time.perf_counter() < give_up:
            self._receive(0.1, end)
        self.result.unanswered = self._busy
        for seconds in self.result.seconds.values():
            seconds.sort()
        return self.result

    def _connect(self, number):
        with suppress(OSError):
            client = _Client(self._address, number)
            self._clients[client.socket.fileno()] = client
            self._poll.register(client.socket, select.EPOLLIN)
            self._free.append(client)

    def _fall_due(self, elapsed, now):
        result = self.result
        if not self._order.rate:
            while self._free:
                result.offered += 1
                self._send(self._free.popleft(), now)
            return
        while result.offered < elapsed * self._order.rate:
            result.offered += 1
            self._due.append(now)
        while self._due and self._due[0] < now - PATIENCE_SECONDS:
            self._due.popleft()
            result.not_sent += 1
        while self._due and self._free:
            self._due.popleft()
            self._send(self._free.popleft(), now)

    def _send(self, client, now):
        client.sent_at = now
        try:
            client.socket.send(client.request)
        except OSError:
            self._broken(client)
            return
        self._busy += 1
        self.result.sent += 1

    def _receive(self, seconds, end):
        for number, _ in self._poll.poll(seconds):
            client = self._clients[number]
            try:
                received = client.socket.recv(65536)
            except OSError:
                received = b""
            if not received:
                self._busy -= client.sent_at > 0
                self._broken(client)
                continue
            client.received += received
            if _is_whole(client.received):
                self._answered(client, end)

    def _answered(self, client, end):
        now = time.perf_counter()
        status = client.received[9:12].decode()
        result = self.result
        result.answers[status] += 1
        result.in_time[status] += now < end
        result.seconds.setdefault(status, []).append(now - client.sent_at)
        if status == "201":
            etag = client.received.split(b'etag: "', 1)[1].split(b'"', 1)[0]
            result.acknowledged.append(int(etag.split(b".")[0]))
        client.received = b""
        client.sent_at = 0.0
        self._busy -= 1
        self._free.append(client)

    def _broken(self, client):
        self.result.broken += 1
        del self._clients[client.socket.fileno()]
        client.socket.close()
        with suppress(ValueError):
            self._free.remove(client)
        self._connect(self.result.broken)


def _request(number):
    body = b'{"config": "c"}'
    return (
        b"POST /apis/models/v2/workspaces/default/deployments/d%d HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (number, len(body), body)
    )


def _is_whole(received):
    head, _, body = received.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(length) and len(body) >= int(length)


if __name__ == "__main__":
    json.dump(vars(Load(Order(**json.loads(sys.argv[1]))).run()), sys.stdout)
