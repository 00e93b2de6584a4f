"""What suites of the service have in common: a database, servers on it, and load on one of them at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, LiteralString, Self
from urllib.request import Request, urlopen

import msgspec
import psycopg

from app.bench import load
from app.bench.load import Order
from app.bench.measurements import WrongAnswer
from app.bench.processes import DatabaseServer
from app.bench.servers import Server, running
from app.bench.turns import Sample, Used, sample
from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate

CONNECTIONS: Final = 64
CONFIG: Final = "model-config"
WORKSPACE: Final = "/apis/models/v2/workspaces/default"
DEPLOYMENTS: Final = f"{WORKSPACE}/deployments"

_EVENTS: Final[LiteralString] = "SELECT count(*), max(notification_id) FROM stored_events"
_WRONG: Final[LiteralString] = """
    SELECT stream
      FROM (SELECT originator_id, count(*), count(DISTINCT convert_from(state, 'UTF8')::json->>'version'),
                   max((convert_from(state, 'UTF8')::json->>'version')::bigint)
              FROM stored_events
             WHERE topic IN ('deployment.created', 'deployment.updated')
             GROUP BY originator_id) e (stream, events, versions, highest)
      LEFT JOIN deployment_versions v ON v.workspace = split_part(stream, '/', 1)
            AND v.name = split_part(stream, '/', 3) AND v.latest_until = 9223372036854775807
     WHERE versions <> events OR highest <> events OR v.version IS DISTINCT FROM highest
"""


class Scene:
    """A database in a temporary directory, and servers on it that end with it."""

    def __init__(self, directory: Path, embedded: EmbeddedPostgres, stack: ExitStack) -> None:
        self.directory = directory
        self.url = embedded.url
        self.postgresql = DatabaseServer(embedded.postmaster() or 0)
        self._stack = stack
        self._logs = 0
        self._written = 0
        self._acknowledged: list[int] = []

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """An empty database with the schema of this program."""
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledger-bench-")))
            embedded = stack.enter_context(EmbeddedPostgres(directory / "data"))
            migrate(embedded.url)
            yield cls(directory, embedded, stack)

    def start(self, application: str, workers: int, environ: Mapping[str, str] | None = None) -> Server:
        """A server that runs until the scene ends."""
        self._logs += 1
        log = self.directory / f"{self._logs}.log"
        return self._stack.enter_context(running(application, self.url, workers, log, environ))

    def measure(self, server: Server, order: Order, *, writes: bool = False) -> Sample:
        """One load on a server; `writes` are remembered, to be looked for in the log."""
        own, database = server.cpu_seconds(), self.postgresql.cpu_seconds()
        result = load.offer(order)
        used = Used(server.cpu_seconds() - own, self.postgresql.cpu_seconds() - database, server.memory_mb())
        measured = sample(result, order.seconds, used)
        if writes:
            self._written += measured.answers
            self._acknowledged += result.acknowledged
        return measured

    def fill(self, server: Server, deployments: int) -> None:
        """A config, and so many deployments of it: `model-0` and so on."""
        config = {"name": CONFIG, "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
        self.send(server, f"{WORKSPACE}/deployment-configs", config)
        bodies = ({"name": f"model-{number}", "config": CONFIG} for number in range(deployments))
        requests = tuple(load.post(DEPLOYMENTS, msgspec.json.encode(body)) for body in bodies)
        order = Order(url=server.url, requests=requests, connections=CONNECTIONS, seconds=600, once=True)
        self.measure(server, order, writes=True)

    def send(self, server: Server, path: str, body: Mapping[str, Any] | None = None) -> str:
        """One answer's body, of a request that succeeds; one with a body is a write."""
        data = None if body is None else msgspec.json.encode(body)
        request = Request(server.url + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            text: str = answer.read().decode()
        self._written += body is not None
        return text

    def check(self) -> None:
        """The log has exactly the acknowledged events, versions have no gap, and the highest are shown."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute(_EVENTS).fetchone()
            wrong = connection.execute(_WRONG).fetchall()
        if found != (self._written, self._written):
            message = f"{self._written} writes were acknowledged; events and the last position are {found}"
            raise WrongAnswer(message)
        if len(set(self._acknowledged)) != len(self._acknowledged):
            message = "two writes were acknowledged with the same position"
            raise WrongAnswer(message)
        if wrong:
            message = f"{len(wrong)} deployments have gaps in their versions, or show another: {wrong[0]}"
            raise WrongAnswer(message)


def updates(deployments: int, seed: int, root: str = "") -> tuple[str, ...]:
    """Updates of so many deployments in random order, their paths beginning with a root."""
    body = msgspec.json.encode({"config": CONFIG, "config_version": 1})
    numbers = Random(seed).choices(range(deployments), k=5_000)  # noqa: S311 - a benchmark has to be repeatable
    return tuple(load.post(f"{root}{DEPLOYMENTS}/model-{number}", body) for number in numbers)
