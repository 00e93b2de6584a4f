"""Updates, beside what the database, the event library and the HTTP server can do at most."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Final

import msgspec

from app.bench import constants, library, pgbench
from app.bench.load import Order, Result
from app.bench.machine import Machine, describe
from app.bench.measurements import Measurement, Section, Suite, WrongAnswer, ratio
from app.bench.scene import CONFIG, CONNECTIONS, DEPLOYMENTS, Scene, updates
from app.bench.servers import SERVICE, Server
from app.bench.turns import LoadPlan, Sample, Turns, Used, sample

MANY: Final = 1_000
FEW: Final = 16
"""Clients of pgbench with whom it does more than with many."""
GOAL_OF_DATABASE: Final = 0.6
GOAL_OF_CONSTANT: Final = 0.85
GOAL_OF_MANY: Final = 0.9
GOAL_OF_LIBRARY: Final = 10.0
GOAL_P99_MS: Final = 10.0
GOAL_CPU_MS: Final = 0.20


def measure(plan: LoadPlan, load_average: float) -> tuple[Machine, Suite]:
    """Run the suite in a temporary directory."""
    with Scene.open() as scene:
        return describe(scene.url, load_average), _Updates(scene, plan).suite()


class _Updates:
    def __init__(self, scene: Scene, plan: LoadPlan) -> None:
        self._scene = scene
        self._plan = plan
        self._turns = Turns(plan)
        self._saved = 0
        self._idle_mb: dict[int, float] = {}

    def suite(self) -> Suite:
        self._plan.say("starting servers")
        services = {workers: self._scene.start(SERVICE, workers) for workers in self._plan.workers}
        first = services[self._plan.workers[0]]
        self._scene.fill(first, MANY)
        answer = self._scene.send(first, f"{DEPLOYMENTS}/model-0", {"config": CONFIG, "config_version": 1})
        environ = constants.recorded(self._scene.directory / "answers.json", constants.Answers(update=answer))
        for workers, service in services.items():
            self._idle_mb[workers] = service.memory_mb()
            constant = self._scene.start("app.bench.constants:application", workers, environ)
            for name, root in (("whole", ""), ("framework", constants.FRAMEWORK), ("bare", constants.BARE)):
                self._turns.add(f"{name} {workers}", partial(self._limit, constant, root))
            self._turns.add(f"service {workers}", partial(self._service, service, MANY))
            self._turns.add(f"one {workers}", partial(self._service, service, 1))
            self._turns.add(f"half {workers}", partial(self._half, service, workers))
        if pgbench.is_there():
            pgbench.make_tables(self._scene.url)
            for clients in (CONNECTIONS, FEW):
                self._turns.add(f"pgbench, {clients} clients", partial(self._pgbench, clients))
        library.make_schema(self._scene.url)
        server = self._scene.start("app.bench.library:application", 1)
        self._turns.add("library behind HTTP", partial(self._library_server, server))
        self._turns.add("library", self._library)
        self._turns.run()
        self._scene.check()
        if (events := library.stored(self._scene.url)) != self._saved:
            message = f"{self._saved} events were saved by the library, {events} are stored"
            raise WrongAnswer(message)
        return Suite("Update", (self._ratios(), self._rates(), self._latencies(), self._costs()), _CHECKED)

    def _order(self, server: Server, requests: tuple[str, ...], seconds: float, rate: float = 0.0) -> Order:
        return Order(url=server.url, requests=requests, connections=CONNECTIONS, seconds=seconds, rate=rate)

    def _service(self, server: Server, deployments: int, seconds: float, rate: float = 0.0) -> Sample:
        order = self._order(server, updates(deployments, self._plan.seed), seconds, rate)
        return self._scene.measure(server, order, writes=True)

    def _half(self, server: Server, workers: int, seconds: float) -> Sample:
        """Half of what it could do at most just before."""
        return self._service(server, MANY, seconds, self._turns.last(f"service {workers}").rate / 2)

    def _limit(self, server: Server, root: str, seconds: float) -> Sample:
        requests = updates(MANY, self._plan.seed, root)
        return self._scene.measure(server, self._order(server, requests, seconds))

    def _pgbench(self, clients: int, seconds: float) -> Sample:
        before = self._scene.postgresql.cpu_seconds()
        ran = pgbench.update(
            self._scene.url,
            self._scene.directory,
            deployments=MANY,
            clients=clients,
            seconds=seconds,
        )
        used = (self._scene.postgresql.cpu_seconds() - before) / ran.transactions
        return Sample(ran.rate, ran.transactions, [], 0.0, used * 1000, 0.0, 0.0)

    def _library_server(self, server: Server, seconds: float) -> Sample:
        measured = self._limit(server, "", seconds)
        self._saved += measured.answers
        return measured

    def _library(self, seconds: float) -> Sample:
        before = self._scene.postgresql.cpu_seconds()
        done = subprocess.run(  # noqa: S603 - this program itself
            [sys.executable, "-m", "app.bench.library", self._scene.url, str(MANY), str(seconds)],
            check=True,
            stdout=subprocess.PIPE,
        )
        result = msgspec.json.decode(done.stdout, type=Result)
        self._saved += result.answers["201"]
        used = Used(result.cpu_seconds, self._scene.postgresql.cpu_seconds() - before)
        result.cpu_seconds = 0.0
        return sample(result, seconds, used)

    def _ratios(self) -> Section:
        rates = self._turns.rates()
        found = []
        for workers in self._plan.workers:
            told, service = _workers(workers), rates[f"service {workers}"]
            found += [
                ratio(f"service, {told} / {title}", service, rates[name], goal)
                for name, title, goal in (
                    (f"pgbench, {CONNECTIONS} clients", f"pgbench, {CONNECTIONS} clients", GOAL_OF_DATABASE),
                    (f"pgbench, {FEW} clients", f"pgbench, {FEW} clients", None),
                    (f"whole {workers}", "constant inside the service's layers", GOAL_OF_CONSTANT),
                    (f"framework {workers}", "constant from the framework", None),
                    (f"bare {workers}", "constant from the HTTP server", None),
                    ("library behind HTTP", "library behind HTTP", GOAL_OF_LIBRARY),
                    ("library", "library", None),
                )
                if name in rates
            ]
            one = rates[f"one {workers}"]
            found.append(ratio(f"all on one deployment / on {MANY:,}, {told}", one, service, GOAL_OF_MANY))
        return Section("Ratios", _HOW, tuple(found))

    def _rates(self) -> Section:
        names = [name for name in self._turns.samples if not name.startswith("half")]
        return Section(
            "Updates a second",
            f"From {CONNECTIONS} connections without pause.",
            tuple(Measurement(_title(name), "requests/s", self._turns.rates()[name]) for name in names),
        )

    def _latencies(self) -> Section:
        names = [name for name in self._turns.samples if name.split()[0] in {"half", "service", "one"}]
        return Section(
            "Time to answer",
            _TIMES,
            tuple(
                measurement
                for name in names
                for measurement in self._turns.latencies(
                    name, _title(name), GOAL_P99_MS if name.startswith("half") else None
                )
            ),
        )

    def _costs(self) -> Section:
        found: list[Measurement] = []
        for name in self._turns.samples:
            goal = GOAL_CPU_MS if name.startswith("service") else None
            found += self._turns.costs(name, _title(name), goal)
        for workers, idle in self._idle_mb.items():
            loaded = self._turns.samples[f"service {workers}"]
            found += [
                Measurement(f"service, {_workers(workers)}: memory, idle", "MB", (idle,)),
                Measurement(
                    f"service, {_workers(workers)}: memory, after load",
                    "MB",
                    tuple(each.memory_mb for each in loaded),
                ),
            ]
        return Section("Processor time and memory", _COSTS, tuple(found))


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def _title(name: str) -> str:
    kind, _, workers = name.partition(" ")
    titles = {
        "service": "service",
        "one": "service, all on one deployment",
        "half": "service at half of its maximum",
        "whole": "constant inside the service's layers",
        "framework": "constant from the framework",
        "bare": "constant from the HTTP server",
    }
    return f"{titles[kind]}, {_workers(int(workers))}" if kind in titles else name


_CHECKED: Final = (
    "the log has exactly the events that were acknowledged, each with a position of its own, without a gap",
    "of every deployment the versions have no gap and no repetition, and the highest is the one shown",
    "pgbench and the library stored as many events as they told",
)
_HOW: Final = (
    f"`POST …/deployments/{{name}}` from {CONNECTIONS} connections without pause, over {MANY:,} deployments"
    " in random order, each update committed to disk before it is answered. In turns with it: `pgbench`, each"
    " transaction one statement that inserts the same event and the same row and ends the row before it, on"
    " tables with the same indexes, no two clients on one deployment; `Application.save` of one such event,"
    f" from {library.THREADS} threads and with aggregates in memory, in a process of its own and behind the"
    " same HTTP server and framework; and a recorded answer, given again by routes of the same framework that"
    " decode the same body, inside the service's own layers (who calls, log line, metrics) and without them,"
    " and by a bare function behind the same HTTP server."
)
_TIMES: Final = (
    "At half of the maximum, requests are due at a steady rate, and the time counts from when they were due."
    " Without pause it counts from when they were sent."
)
_COSTS: Final = (
    "Processor time of all processes of the server, and of all of PostgreSQL's, for each answer; that of the"
    " load generator comes on top. Memory is the resident size of the largest process."
)
