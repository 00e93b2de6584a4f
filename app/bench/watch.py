"""From an event's time to its arrival at those who watch."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

import msgspec

from app.bench import load
from app.bench.load import Order
from app.bench.measurements import Measurement, Section, Suite, WrongAnswer
from app.bench.scene import ALL, CONFIG, DEPLOYMENTS, Cluster, Scene
from app.bench.servers import SERVICE, Server
from app.bench.turns import LoadPlan, Sample, Turns
from app.bench.watching import Watchers
from app.bench.writes import workers_told

WATCHERS: Final = (100, 1_000)
QUICK_WATCHERS: Final = (5,)
RATE: Final = 5.0
NAMES: Final = 100
GOAL_P99_MS: Final = 100.0


def measure(cluster: Cluster, plan: LoadPlan) -> Suite:
    """Run the suite in a database of its own."""
    with Scene.open(cluster, "watch") as scene:
        return _Deliveries(scene, plan).suite()


class _Deliveries:
    def __init__(self, scene: Scene, plan: LoadPlan) -> None:
        self._scene = scene
        self._plan = plan
        self._turns = Turns(plan)
        self._numbers = QUICK_WATCHERS if plan.quick else WATCHERS

    def suite(self) -> Suite:
        services = {workers: self._scene.start(SERVICE, workers) for workers in self._plan.workers}
        self._scene.fill(services[self._plan.workers[0]], NAMES)
        for workers, server in services.items():
            for number in self._numbers:
                name = f"{number:,} watchers, {workers_told(workers)}"
                self._turns.add(name, partial(self._deliver, server, number))
        self._turns.run()
        self._scene.check()
        return Suite("Watch", (self._times(), self._costs()), _CHECKED)

    def _deliver(self, server: Server, number: int, seconds: float) -> Sample:
        random = Random(self._plan.seed)  # noqa: S311 - a benchmark has to be repeatable
        body = msgspec.json.encode({"config": CONFIG, "config_version": 1})
        paths = (f"{DEPLOYMENTS}/model-{random.randrange(NAMES)}" for _ in range(1_000))
        order = Order(
            url=server.url,
            requests=tuple(load.post(path, body) for path in paths),
            connections=5,
            seconds=max(seconds, 2 / RATE),
            rate=RATE,
        )
        with Watchers(server.url, f"{ALL}/watch", number) as watchers:
            used = server.cpu_seconds(), self._scene.postgresql.cpu_seconds()
            acknowledged = self._scene.acknowledged(order)
            watched = watchers.until(acknowledged[-1])
            own, database = server.cpu_seconds() - used[0], self._scene.postgresql.cpu_seconds() - used[1]
        if watched.differing or watched.positions != acknowledged:
            message = (
                f"{number} watchers should have got the events {acknowledged}, the first one got"
                f" {watched.positions}, {watched.differing} got others than it did"
            )
            raise WrongAnswer(message)
        count = len(watched.seconds)
        return Sample(
            rate=count / order.seconds,
            answers=count,
            seconds=watched.seconds,
            cpu_server_ms=own / count * 1000,
            cpu_postgresql_ms=database / count * 1000,
            cpu_load_ms=watched.cpu_seconds / count * 1000,
            memory_mb=server.memory_mb(),
        )

    def _times(self) -> Section:
        found: list[Measurement] = []
        for name in self._turns.samples:
            goal = GOAL_P99_MS if name.startswith(f"{WATCHERS[-1]:,} ") else None
            found += self._turns.latencies(name, name, goal)
        return Section("Time to delivery", _HOW, tuple(found), chart="bars")

    def _costs(self) -> Section:
        found: list[Measurement] = []
        for name, samples in self._turns.samples.items():
            found += self._turns.costs(name, name)
            found.append(Measurement(f"{name}: memory", "MB", tuple(each.memory_mb for each in samples)))
        return Section("Processor time and memory", _COSTS, tuple(found))


_CHECKED: Final = (
    "every watcher got every event that was acknowledged, once and in order, and nothing else",
    "the log has exactly the events that were acknowledged, each with a position of its own, without a gap",
)
_HOW: Final = (
    f"{RATE:g} updates a second, and all watchers want all events. Each arrival counts, from the time of the"
    " event, which is just before its commit. Watchers and updates come from processes of their own."
)
_COSTS: Final = (
    "Processor time for each delivery to one watcher, the update included; the load generator is the process"
    " of the watchers. Memory is the resident size of the server's largest process."
)
