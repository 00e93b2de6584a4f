"""Updates and reads in databases of different sizes, side by side, and what an event takes on disk."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Final, LiteralString, NamedTuple

import msgspec
import psycopg
from typing_extensions import override

from app.bench import load
from app.bench.fleet import Fleet
from app.bench.measurements import Measurement, Section, Suite, ratio
from app.bench.scene import CONFIG, DEPLOYMENTS, WORKSPACE, Cluster, Scene
from app.bench.servers import SERVICE, Server
from app.bench.turns import LoadPlan, Sample, Turns

KINDS: Final = ("update", "get")
GOAL: Final = 1.1
GOAL_OF_DISK: Final = 3.0
_SIZES: Final[LiteralString] = """
    SELECT (SELECT sum(pg_total_relation_size(c.oid))
              FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE relkind = 'r' AND nspname !~ '^pg_|^information_schema'),
           (SELECT sum(octet_length(state)) FROM stored_events),
           (SELECT sum(pg_column_size(v.*)) FROM deployment_versions v)
           + (SELECT sum(pg_column_size(v.*)) FROM deployment_config_versions v),
           (SELECT count(*) FROM stored_events)
"""


class _Size(NamedTuple):
    """So many deployments, with so many versions each."""

    deployments: int
    versions: int

    @override
    def __str__(self) -> str:
        each = "1 version" if self.versions == 1 else f"{self.versions:,} versions"
        return f"{self.deployments:,} of {each}"


_SMALL: Final = _Size(1_000, 10)
_VERSIONS: Final = (_SMALL, _Size(100, 1_000), _Size(1, 100_000))
_DEPLOYMENTS: Final = (_SMALL, _Size(100_000, 1), _Size(1_000_000, 1))
_QUICK: Final = (_Size(20, 5), _Size(1, 200))


def measure(cluster: Cluster, plan: LoadPlan) -> Suite:
    """Run the suite in databases of its own, each with a server."""
    with ExitStack() as stack:
        return _Growth(cluster, plan, stack).suite()


class _Growth:
    def __init__(self, cluster: Cluster, plan: LoadPlan, stack: ExitStack) -> None:
        self._plan = plan
        self._turns = Turns(plan)
        self._axes: dict[str, tuple[_Size, ...]]
        if plan.quick:
            self._axes = {"versions of one deployment": _QUICK}
        else:
            fitting = tuple(size for size in _DEPLOYMENTS if size.deployments <= plan.deployments_max)
            self._axes = {"versions of one deployment": _VERSIONS, "deployments": fitting}
        self._small, *_ = next(iter(self._axes.values()))
        self._scenes: dict[_Size, Scene] = {}
        for size in dict.fromkeys(size for sizes in self._axes.values() for size in sizes):
            plan.say(f"storing {size}")
            scene = stack.enter_context(Scene.open(cluster, f"growth_{size.deployments}_{size.versions}"))
            scene.store(Fleet(WORKSPACE, CONFIG, size.deployments, size.versions), plan.seed)
            self._scenes[size] = scene

    def suite(self) -> Suite:
        disk = self._disk()
        servers = {size: scene.start(SERVICE, 1) for size, scene in self._scenes.items()}
        for kind in KINDS:
            for size, server in servers.items():
                self._turns.add(f"{kind}, {size}", partial(self._load, kind, size, server))
        self._turns.run()
        for scene in self._scenes.values():
            scene.check()
        sections = [self._ratios()]
        for axis, sizes in self._axes.items():
            sections += [self._times(axis, sizes), self._costs(axis, sizes)]
        return Suite("Growth", (*sections, disk), _CHECKED)

    def _load(self, kind: str, size: _Size, server: Server, seconds: float) -> Sample:
        random = Random(self._plan.seed)  # noqa: S311 - a benchmark has to be repeatable
        numbers = random.sample(range(size.deployments), min(self._plan.many, size.deployments))
        paths = [f"{DEPLOYMENTS}/model-{number}" for number in numbers]
        if kind == "get":
            requests = tuple(load.get(path) for path in paths)
        else:
            body = msgspec.json.encode({"config": CONFIG, "config_version": 1})
            requests = tuple(load.post(path, body) for path in paths)
        acknowledged = "201" if kind == "update" else ""
        # One after the other: nothing waits for a neighbour, so what is timed is the work for one.
        return self._scenes[size].load(server, requests, seconds, connections=1, acknowledged=acknowledged)

    def _ratios(self) -> Section:
        found = []
        for size in [size for size in self._scenes if size != self._small]:
            for kind in KINDS:
                small, large = (self._turns.samples[f"{kind}, {each}"] for each in (self._small, size))
                for told, times, to in (
                    ("median time", _medians(large), _medians(small)),
                    ("processor time", _costs(large), _costs(small)),
                ):
                    name = f"{kind}, {size}: {told} / smallest"
                    found.append(ratio(name, times, to, GOAL, at_most=True))
        return Section("Ratios", _HOW, tuple(found), chart="bars")

    def _times(self, axis: str, sizes: tuple[_Size, ...]) -> Section:
        found = tuple(
            Measurement(
                f"{kind}, {size}: {told}",
                "ms",
                tuple(each.quantile_ms(part) for each in self._turns.samples[f"{kind}, {size}"]),
                curve=f"{kind}, {told}",
                at=_at(axis, size),
            )
            for kind in KINDS
            for told, part in (("median", 0.5), ("99 %", 0.99))
            for size in sizes
        )
        return Section(f"Time to answer by {axis}", _TIMES, found, chart="curves", axis=axis)

    def _costs(self, axis: str, sizes: tuple[_Size, ...]) -> Section:
        found = tuple(
            Measurement(
                f"{kind}, {size}: {whose}",
                "ms/request",
                tuple(getattr(each, field) for each in self._turns.samples[f"{kind}, {size}"]),
                curve=f"{kind}, {whose}",
                at=_at(axis, size),
            )
            for kind in KINDS
            for whose, field in (("server", "cpu_server_ms"), ("PostgreSQL", "cpu_postgresql_ms"))
            for size in sizes
        )
        return Section(
            f"Processor time by {axis}",
            "Of one request after the other; neighbours that share a transaction cost less.",
            found,
            chart="curves",
            axis=axis,
        )

    def _disk(self) -> Section:
        found = []
        for size, scene in self._scenes.items():
            with psycopg.connect(scene.url) as connection:
                disk, events, rows, count = map(int, connection.execute(_SIZES).fetchone() or (0, 0, 0, 1))
            found += [
                ratio(
                    f"{size}: on disk / JSON and rows", (disk,), (events + rows,), GOAL_OF_DISK, at_most=True
                ),
                Measurement(f"{size}: on disk", "bytes/event", (disk / count,)),
                Measurement(f"{size}: JSON of the event", "bytes/event", (events / count,)),
                Measurement(f"{size}: its row", "bytes/event", (rows / count,)),
            ]
        return Section("Disk", _DISK, tuple(found))


def _at(axis: str, size: _Size) -> int:
    return size.deployments if axis == "deployments" else size.versions


def _medians(samples: list[Sample]) -> tuple[float, ...]:
    return tuple(each.quantile_ms(0.5) for each in samples)


def _costs(samples: list[Sample]) -> tuple[float, ...]:
    return tuple(each.cpu_server_ms + each.cpu_postgresql_ms for each in samples)


_CHECKED: Final = (
    "each log has exactly the events that were stored and acknowledged, each with a position of its own",
    "of every deployment the versions have no gap and no repetition, and the highest is the one shown",
)
_HOW: Final = (
    "A database and a server with one worker for each size, so many deployments of so many versions each; all"
    f" are there at the same time, and take turns. The smallest has {_SMALL}."
    " Updates, or reads of the latest version, one after the other, over 1,000 deployments at random or"
    " all where there are fewer. Processor time is that of the server and of PostgreSQL together."
)
_TIMES: Final = "From when a request was sent."
_DISK: Final = (
    "All tables with all their indexes, without the write-ahead log, after the database was filled, over the"
    " JSON of the events and the rows that they made."
)
