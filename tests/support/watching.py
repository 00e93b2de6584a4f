"""Clients that watch: one that reads along, and one that never reads."""

import itertools
import json
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx

WAIT_SECONDS_MAX = 30
CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
RUN = itertools.count()


class Event(NamedTuple):
    """An event as it came, and when."""

    position: int
    kind: str
    data: dict
    came_at: float


class Watching:
    """A watch whose `events` and number of `heartbeats` grow until it is closed, or the service ends it."""

    def __init__(self, url, workspace="-", headers=None, **query):
        self.events = []
        self.heartbeats = 0
        self.farewell = None
        self.ended = threading.Event()
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._connection.request("GET", path(workspace, query), headers=headers or {})
        self.response = self._connection.getresponse()
        assert 200 == self.response.status, self.response.read()
        # What is read here makes sure that it has begun.
        assert [b"retry: 1000\n", b": watching\n"] == [self.response.readline(), self.response.readline()]
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def positions(self):
        return [event.position for event in self.events]

    def wait(self, condition, seconds=WAIT_SECONDS_MAX):
        """Whether the condition on this watch holds before long."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def reaches(self, position):
        """Whether the event at a position comes, or a later one."""
        return self.wait(lambda watching: watching.events and watching.events[-1].position >= position)

    def close(self):
        """Leave without a word."""
        with suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def _read(self):
        fields = {}
        with suppress(OSError, HTTPException, ValueError):
            while line := self.response.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if line == b"\n" and "id" not in fields:
                    self.farewell = fields["event"], json.loads(fields["data"])["detail"]
                elif line == b"\n":
                    position = int(fields["id"])
                    self.events.append(
                        Event(position, fields["event"], json.loads(fields["data"]), time.time())
                    )
                    fields = {}
                elif line == b": heartbeat\n":
                    self.heartbeats += 1
                else:
                    fields[name] = value
        self.ended.set()


def path(workspace="-", query=None):
    """The path of a watch."""
    return f"/apis/models/v2/workspaces/{workspace}/watch?{urlencode(query or {})}"


def never_reading(url, **query):
    """A socket that asks for a watch and takes as little as it can of what comes."""
    address = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((address.hostname, address.port))
    client.sendall(f"GET {path(query=query)} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return client


class Writer:
    """Writes in a workspace of its own; `answers` are the bodies, by the positions that made them."""

    def __init__(self, url):
        self.workspace = f"watch-{next(RUN)}"
        self.client = httpx.Client(base_url=f"{url}/apis/models/v2/workspaces/{self.workspace}", timeout=30)
        self.answers = {}
        self.post("deployment-configs", name="c", **CONFIG)

    def post(self, path, **body):
        answer = self.client.post(path, json=body)
        assert answer.status_code in {200, 201}, answer.text
        position = int(answer.headers["etag"].strip('"').split(".")[0])
        self.answers[position] = answer.json()
        return position

    def write(self, count, name="d"):
        """A deployment, updates of it and reports; the last event's position."""
        position = self.post("deployments", name=name, config="c")
        for n in range(count - 1):
            if n % 3:
                position = self.post(f"deployments/{name}/status", status="READY", status_message=f"{n}")
            else:
                position = self.post(f"deployments/{name}", config="c")
        return position


def stored(database, workspace):
    """Positions and kinds of a workspace's events, as the log has them."""
    return database.execute(
        "SELECT notification_id, topic FROM stored_events WHERE originator_id LIKE %s ORDER BY 1",
        (f"{workspace}/%",),
    ).fetchall()


def seen(watching):
    return [(event.position, event.kind) for event in watching.events]
