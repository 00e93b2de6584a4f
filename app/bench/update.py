"""Updates, beside what the database, the event library and the HTTP server can do at most."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from typing import Final

import msgspec

from app.bench import constants, library, load, pgbench
from app.bench.load import Result
from app.bench.measurements import Suite, WrongAnswer
from app.bench.scene import CONFIG, DEPLOYMENTS, Cluster, Scene
from app.bench.servers import Server
from app.bench.turns import LoadPlan, Sample, Used, sample
from app.bench.writes import CHECKED, HOW, Kind, Limit, Writes

GOAL_OF_LIBRARY: Final = 10.0


def measure(cluster: Cluster, plan: LoadPlan) -> Suite:
    """Run the suite in a database of its own."""
    with Scene.open(cluster, "update") as scene:
        writes = Writes(scene, plan, _UPDATE)
        saves = _Saves(scene, plan)
        writes.start()
        writes.turns.add("library behind HTTP", saves.behind_http)
        writes.turns.add("library", saves.alone)
        writes.turns.run()
        scene.check()
        saves.check()
        return Suite("Update", writes.sections(_HOW, _LIMITS), (*CHECKED, "so did the library"))


class _Saves:
    """What the event library saved."""

    def __init__(self, scene: Scene, plan: LoadPlan) -> None:
        library.make_schema(scene.url)
        self._scene = scene
        self._saved = 0
        self._deployments = plan.many
        self._requests = _updates(plan.many, plan.seed)
        self._server: Server = scene.start("app.bench.library:application", 1)

    def behind_http(self, seconds: float) -> Sample:
        """The library behind the service's HTTP server."""
        measured = self._scene.load(self._server, self._requests, seconds)
        self._saved += measured.answers
        return measured

    def alone(self, seconds: float) -> Sample:
        """The library in a process of its own."""
        before = self._scene.postgresql.cpu_seconds()
        done = subprocess.run(  # noqa: S603 - this program itself
            [
                sys.executable,
                "-m",
                "app.bench.library",
                self._scene.url,
                str(self._deployments),
                str(seconds),
            ],
            check=True,
            stdout=subprocess.PIPE,
        )
        result = msgspec.json.decode(done.stdout, type=Result)
        self._saved += result.answers["201"]
        used = Used(result.cpu_seconds, self._scene.postgresql.cpu_seconds() - before)
        result.cpu_seconds = 0.0
        return sample(result, seconds, used)

    def check(self) -> None:
        """`WrongAnswer` unless all of it is stored."""
        if (events := library.stored(self._scene.url)) != self._saved:
            message = f"{self._saved} events were saved by the library, {events} are stored"
            raise WrongAnswer(message)


def _updates(deployments: int, seed: int, root: str = "") -> tuple[str, ...]:
    body = msgspec.json.encode({"config": CONFIG, "config_version": 1})
    numbers = Random(seed).choices(range(deployments), k=5_000)  # noqa: S311 - a benchmark has to be repeatable
    return tuple(load.post(f"{root}{DEPLOYMENTS}/model-{number}", body) for number in numbers)


def _answer(scene: Scene, service: Server, _: int) -> constants.Answers:
    path = f"{DEPLOYMENTS}/model-0"
    return constants.Answers(update=scene.send(service, path, {"config": CONFIG, "config_version": 1}))


_UPDATE: Final = Kind("Updates", "201", _updates, _answer, pgbench.UPDATE)
_LIMITS: Final = (Limit("library behind HTTP", GOAL_OF_LIBRARY), Limit("library"))
_HOW: Final = (
    f"`POST …/deployments/{{name}}`. {HOW} Beside these: `Application.save` of one such event, from"
    f" {library.THREADS} threads and with aggregates in memory, in a process of its own and behind the same"
    " HTTP server and framework."
)
