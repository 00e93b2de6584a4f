"""What suites of the service have in common: databases, servers on them, and load on one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple, Self
from urllib.request import Request, urlopen

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.bench import constants, load, loading
from app.bench.fleet import Fleet
from app.bench.load import Order, Result
from app.bench.measurements import WrongAnswer
from app.bench.processes import DatabaseServer
from app.bench.servers import Server, running
from app.bench.turns import Sample, Used, sample
from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate

CONNECTIONS: Final = 64
CONFIG: Final = "model-config"
WORKSPACE: Final = "default"
ALL: Final = "/apis/models/v2/workspaces/-"
HERE: Final = f"/apis/models/v2/workspaces/{WORKSPACE}"
DEPLOYMENTS: Final = f"{HERE}/deployments"

_EVENTS: Final[LiteralString] = "SELECT count(*), max(notification_id) FROM stored_events"
_WRONG: Final[LiteralString] = """
    SELECT stream
      FROM (SELECT originator_id, count(*), max(originator_version), max(notification_id), count(version),
                   count(DISTINCT version), max(version)
              FROM (SELECT *, CASE WHEN topic IN ('deployment.created', 'deployment.updated')
                                   THEN (convert_from(state, 'UTF8')::json->>'version')::bigint END AS version
                      FROM stored_events) numbered
             WHERE split_part(originator_id, '/', 2) = 'deployments'
             GROUP BY originator_id) e (stream, events, last_event, last_position, added, versions, highest)
      LEFT JOIN deployment_versions v ON v.workspace = split_part(stream, '/', 1)
            AND v.name = split_part(stream, '/', 3) AND v.latest_until = 9223372036854775807
     WHERE events <> last_event OR versions <> added OR highest <> added
        OR v.version IS DISTINCT FROM highest OR v.changed_position <> last_position
"""


class Cluster(NamedTuple):
    """A PostgreSQL server in a temporary directory, for the databases of all suites."""

    directory: Path
    url: str
    postgresql: DatabaseServer

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """A server that runs until this ends."""
        with (
            tempfile.TemporaryDirectory(prefix="ledger-bench-") as directory,
            EmbeddedPostgres(Path(directory) / "data") as embedded,
        ):
            yield cls(Path(directory), embedded.url, DatabaseServer(embedded.postmaster() or 0))


class Scene:
    """A database, servers on it that end with it, and what was written to it through them."""

    def __init__(self, cluster: Cluster, url: str, stack: ExitStack) -> None:
        self.directory = cluster.directory
        self.url = url
        self.postgresql = cluster.postgresql
        self._stack = stack
        self._servers: list[Server] = []
        self._written = 0
        self._acknowledged: list[int] = []

    @classmethod
    @contextmanager
    def open(cls, cluster: Cluster, database: str) -> Iterator[Self]:
        """An empty database of this name with the schema of this program; it is dropped again."""
        url, name = make_conninfo(cluster.url, dbname=database), sql.Identifier(database)
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
            migrate(url)
            with ExitStack() as stack:
                scene = cls(cluster, url, stack)
                yield scene
                for server in scene._servers:
                    server.terminate()
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def start(self, application: str, workers: int, environ: Mapping[str, str] | None = None) -> Server:
        """A server that runs until the scene ends; several start at the same time."""
        log = Path(tempfile.mkdtemp(dir=self.directory)) / "log"
        server = self._stack.enter_context(running(application, self.url, workers, log, environ))
        self._servers.append(server)
        return server

    def acknowledged(self, order: Order) -> list[int]:
        """The positions of an order's writes, sorted, which have to be in the log."""
        result = load.offer(order)
        self._remember(sample(result, order.seconds, Used(0.0, 0.0)), result)
        return sorted(result.acknowledged)

    def measure(self, server: Server, order: Order, *, writes: bool = False) -> Sample:
        """One load on a server; `writes` are remembered, to be looked for in the log."""
        own, database = server.cpu_seconds(), self.postgresql.cpu_seconds()
        result = load.offer(order)
        used = Used(server.cpu_seconds() - own, self.postgresql.cpu_seconds() - database, server.memory_mb())
        measured = sample(result, order.seconds, used)
        if writes:
            self._remember(measured, result)
        return measured

    def _remember(self, measured: Sample, result: Result) -> None:
        self._written += measured.answers
        self._acknowledged += result.acknowledged

    def start_constants(self, workers: Iterable[int], answers: constants.Answers) -> dict[int, Server]:
        """Servers with so many workers that give these answers without any work."""
        environ = constants.recorded(self.directory / "answers.json", answers)
        return {number: self.start("app.bench.constants:application", number, environ) for number in workers}

    def load(
        self,
        server: Server,
        requests: tuple[str, ...],
        seconds: float,
        rate: float = 0.0,
        *,
        connections: int = CONNECTIONS,
        acknowledged: str = "",
    ) -> Sample:
        """Requests for so long; if a status is said to acknowledge writes, they have to be in the log."""
        order = Order(
            url=server.url,
            requests=requests,
            connections=connections,
            seconds=seconds,
            rate=rate,
            acknowledged=acknowledged,
        )
        return self.measure(server, order, writes=bool(acknowledged))

    def store(self, fleet: Fleet, seed: int) -> None:
        """A made-up log, and the tables that endpoints read, while no server runs here."""
        loading.load(self.url, fleet.log(seed), fleet.events)
        loading.show(self.postgresql, self.url)
        with psycopg.connect(self.url, autocommit=True) as connection:
            # What is left to do after so many writes shall not be done while something is measured.
            connection.execute("VACUUM (ANALYZE) deployment_versions")
            connection.execute("CHECKPOINT")
        self._written += fleet.events

    def fill(self, server: Server, deployments: int) -> None:
        """A config, and so many deployments of it: `model-0` and so on."""
        config = {"name": CONFIG, "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
        self.send(server, f"{HERE}/deployment-configs", config)
        bodies = ({"name": f"model-{number}", "config": CONFIG} for number in range(deployments))
        self.write(server, tuple(load.post(DEPLOYMENTS, msgspec.json.encode(body)) for body in bodies))

    def write(self, server: Server, requests: tuple[str, ...]) -> None:
        """Each of them once."""
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
        """`WrongAnswer` unless the log has what was acknowledged, and readers see what it adds up to."""
        check_log(self.url, self._written, self._acknowledged)


def check_log(url: str, written: int, acknowledged: list[int]) -> None:
    """`WrongAnswer` unless there are so many events, versions have no gap, and the highest are shown."""
    with psycopg.connect(url) as connection:
        found = connection.execute(_EVENTS).fetchone()
        wrong = connection.execute(_WRONG).fetchall()
    if found != (written, written):
        message = f"{written} writes were acknowledged; events and the last position are {found}"
        raise WrongAnswer(message)
    if len(set(acknowledged)) != len(acknowledged) or not all(1 <= each <= written for each in acknowledged):
        message = "two writes were acknowledged with the same position, or one with none of the log"
        raise WrongAnswer(message)
    if wrong:
        message = f"{len(wrong)} deployments have gaps in their versions, or show another: {wrong[0]}"
        raise WrongAnswer(message)
