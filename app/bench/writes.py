"""Writes of one kind: without pause, all on one deployment, at half of the maximum, and the limits beside."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from app.bench import constants, pgbench
from app.bench.measurements import Measurement, Section, ratio
from app.bench.scene import CONNECTIONS, Scene
from app.bench.servers import SERVICE, Server
from app.bench.turns import LoadPlan, Sample, Turns

FEW: Final = 16
"""Clients of pgbench with whom it does more than with many."""
GOAL_OF_DATABASE: Final = 0.6
GOAL_OF_CONSTANT: Final = 0.85
GOAL_OF_MANY: Final = 0.9
GOAL_P99_MS: Final = 10.0
GOAL_CPU_MS: Final = 0.20


class Kind(NamedTuple):
    """A kind of write: requests to so many deployments, paths beginning with a root, and an answer to one."""

    title: str
    acknowledged: str
    requests: Callable[[int, int, str], tuple[str, ...]]
    answer: Callable[[Scene, Server, int], constants.Answers]
    pgbench: pgbench.Write


class Limit(NamedTuple):
    """Another subject that the service is compared with, and how many times as fast it shall be."""

    name: str
    goal: float | None = None


class Writes:
    """Subjects that take turns, and the sections that tell of them."""

    def __init__(self, scene: Scene, plan: LoadPlan, kind: Kind) -> None:
        self._scene = scene
        self._plan = plan
        self._kind = kind
        self._idle_mb: dict[int, float] = {}
        self._loads = 0
        self.turns = Turns(plan)

    def start(self) -> None:
        """Start servers, write what there has to be, and take up all subjects."""
        self._plan.say("starting servers")
        services = {workers: self._scene.start(SERVICE, workers) for workers in self._plan.workers}
        first = services[self._plan.workers[0]]
        self._scene.fill(first, self._plan.many)
        answers = self._kind.answer(self._scene, first, self._plan.many)
        constant = self._scene.start_constants(self._plan.workers, answers)
        for workers, service in services.items():
            self._idle_mb[workers] = service.memory_mb()
            for name, root in constants.ROOTS.items():
                self.turns.add(f"{name} {workers}", partial(self._limit, constant[workers], root))
            self.turns.add(f"service {workers}", partial(self._service, service, self._plan.many))
            self.turns.add(f"one {workers}", partial(self._service, service, 1))
            self.turns.add(f"half {workers}", partial(self._half, service, workers))
        if pgbench.is_there():
            pgbench.make_tables(self._scene.url)
            for clients in (CONNECTIONS, FEW):
                self.turns.add(f"pgbench, {clients} clients", partial(self._pgbench, clients))
            for workers in services:
                self.turns.add(f"limit {workers}", partial(self._limit_at_half, workers))

    def _service(self, server: Server, deployments: int, seconds: float, rate: float = 0.0) -> Sample:
        # No load says again what the one before it has said, which would write nothing.
        self._loads += 1
        requests = self._kind.requests(deployments, self._plan.seed + self._loads, "")
        return self._scene.load(server, requests, seconds, rate, acknowledged=self._kind.acknowledged)

    def _half(self, server: Server, workers: int, seconds: float) -> Sample:
        """Half of what it could do at most just before."""
        return self._service(server, self._plan.many, seconds, self.turns.last(f"service {workers}").rate / 2)

    def _limit(self, server: Server, root: str, seconds: float) -> Sample:
        return self._scene.load(server, self._kind.requests(self._plan.many, self._plan.seed, root), seconds)

    def _limit_at_half(self, workers: int, seconds: float) -> Sample:
        return self._pgbench(FEW, seconds, self.turns.last(f"service {workers}").rate / 2)

    def _pgbench(self, clients: int, seconds: float, rate: float = 0.0) -> Sample:
        before = self._scene.postgresql.cpu_seconds()
        ran = pgbench.write(
            self._kind.pgbench,
            self._scene.url,
            self._scene.directory,
            deployments=self._plan.many,
            clients=clients,
            seconds=seconds,
            rate=rate,
        )
        used = (self._scene.postgresql.cpu_seconds() - before) / ran.transactions
        return Sample(ran.rate, ran.transactions, ran.seconds, 0.0, used * 1000, 0.0, 0.0)

    def sections(self, how: str, limits: tuple[Limit, ...] = ()) -> tuple[Section, ...]:
        """What was found; the service is compared with further limits too."""
        return (self._ratios(how, limits), self._rates(), self._latencies(), self._costs())

    def _ratios(self, how: str, limits: tuple[Limit, ...]) -> Section:
        rates = self.turns.rates()
        found = []
        for workers in self._plan.workers:
            told, service = workers_told(workers), rates[f"service {workers}"]
            all_limits = (
                Limit(f"pgbench, {CONNECTIONS} clients", GOAL_OF_DATABASE),
                Limit(f"pgbench, {FEW} clients"),
                Limit(f"framework {workers}", GOAL_OF_CONSTANT),
                Limit(f"whole {workers}"),
                Limit(f"bare {workers}"),
                *limits,
            )
            found += [
                ratio(f"service, {told} / {_short_title(name)}", service, rates[name], goal)
                for name, goal in all_limits
                if name in rates
            ]
            if f"limit {workers}" in rates:
                name = f"service at half of its maximum, {told} / pgbench at the same rate: 99 %"
                found.append(ratio(name, self._p99(f"half {workers}"), self._p99(f"limit {workers}")))
            one = rates[f"one {workers}"]
            found.append(
                ratio(f"all on one deployment / on {self._plan.many:,}, {told}", one, service, GOAL_OF_MANY)
            )
        return Section("Ratios", how, tuple(found), chart="bars")

    def _p99(self, name: str) -> tuple[float, ...]:
        return tuple(each.quantile_ms(0.99) for each in self.turns.samples[name])

    def _rates(self) -> Section:
        names = [name for name in self.turns.samples if not name.startswith(("half", "limit"))]
        return Section(
            f"{self._kind.title} a second",
            f"From {CONNECTIONS} connections without pause.",
            tuple(Measurement(_title(name), "requests/s", self.turns.rates()[name]) for name in names),
            chart="bars",
        )

    def _latencies(self) -> Section:
        names = [
            name for name in self.turns.samples if name.split()[0] in {"half", "limit", "service", "one"}
        ]
        return Section(
            "Time to answer",
            _TIMES,
            tuple(
                measurement
                for name in names
                for measurement in self.turns.latencies(
                    name, _title(name), GOAL_P99_MS if name.startswith("half") else None
                )
            ),
            chart="bars",
        )

    def _costs(self) -> Section:
        found: list[Measurement] = []
        for name in self.turns.samples:
            goal = GOAL_CPU_MS if name.startswith("service") else None
            found += self.turns.costs(name, _title(name), goal)
        for workers, idle in self._idle_mb.items():
            loaded = tuple(each.memory_mb for each in self.turns.samples[f"service {workers}"])
            title = f"service, {workers_told(workers)}: memory"
            found += [
                Measurement(f"{title}, idle", "MB", (idle,)),
                Measurement(f"{title}, after load", "MB", loaded),
            ]
        return Section("Processor time and memory", COSTS, tuple(found))


def workers_told(number: int) -> str:
    """A number of worker processes, in words."""
    return "1 worker" if number == 1 else f"{number} workers"


def _title(name: str) -> str:
    kind, _, workers = name.partition(" ")
    return f"{_TITLES[kind]}, {workers_told(int(workers))}" if kind in _TITLES else name


def _short_title(name: str) -> str:
    return _TITLES.get(name.partition(" ")[0], name)


_TITLES: Final = {
    "service": "service",
    "one": "service, all on one deployment",
    "half": "service at half of its maximum",
    "limit": f"pgbench, {FEW} clients, at that rate",
    **constants.TITLES,
}
CHECKED: Final = (
    "the log has exactly the events that were acknowledged, each with a position of its own, without a gap",
    "of every deployment the versions have no gap and no repetition, and the highest is the one shown, as of"
    " its last event",
    "pgbench stored as many events as it told",
)
HOW: Final = (
    f"From {CONNECTIONS} connections without pause, over all deployments in random order, each write"
    " committed to disk before it is answered. In turns with it: `pgbench`, each transaction one statement"
    " that inserts the same event and the same row and ends the row before it, on tables with the same"
    " indexes, no two clients on one deployment; and a recorded answer, given again by routes of the"
    " framework that decode the same body, as the framework itself calls them and inside the service's own"
    f" layers (who calls, log line, metrics); {constants.GOAL} And by a bare function behind the same HTTP"
    " server."
)
_TIMES: Final = (
    "At half of the maximum, requests are due at a steady rate, those of `pgbench` at random times with the"
    " same mean, and the time counts from when they were due. Without pause it counts from when they were"
    " sent."
)
COSTS: Final = (
    "Processor time of all processes of the server, and of all of PostgreSQL's, for each answer; that of the"
    " load generator comes on top. Memory is the resident size of the largest process."
)
