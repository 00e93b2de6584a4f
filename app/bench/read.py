"""Reads: single ones beside constant answers and `pgbench`, pages with the time they take in the database."""

from __future__ import annotations

import time
from functools import partial
from random import Random
from typing import Final

import msgspec
import psycopg
from psycopg import ClientCursor

from app.bench import constants, load, pgbench
from app.bench.fleet import Fleet
from app.bench.measurements import Measurement, Section, Suite, WrongAnswer, ratio
from app.bench.pages import Page
from app.bench.scene import CONFIG, CONNECTIONS, HERE, WORKSPACE, Cluster, Scene
from app.bench.servers import SERVICE, Server
from app.bench.turns import LoadPlan, Sample, Turns
from app.bench.writes import COSTS, workers_told
from app.reader import READER_SESSION
from domain.names import ALL_WORKSPACES

DEPLOYMENTS_MAX: Final = 100_000
PENDING: Final = 200
PAGE: Final = 100
READERS: Final = 8
"""Connections that ask for pages."""
GOAL_OF_CONSTANT: Final = 0.85
GOAL_CPU_MS: Final = 0.15
_CONSTANTS: Final = {constants.TITLES[name]: constants.ROOTS[name] for name in ("framework", "whole")}
_POLL: Final = "poll of a controller"
GOALS_MS: Final = {
    "first page": 10.0,
    "page 100": 10.0,
    "first page, filtered": 10.0,
    "page 100, filtered": 10.0,
    _POLL: 20.0,
}
_SELECT: Final = {
    "latest version": "",
    "given version": " AND version = 1",
}
_SCRIPT: Final = """\
\\set number random(0, {deployments} - 1)
SELECT body, changed_position FROM deployment_versions
 WHERE workspace = '{workspace}' AND name = 'model-' || :number
   AND valid_until = 9223372036854775807{condition} ORDER BY version DESC LIMIT 1;
"""


def measure(cluster: Cluster, plan: LoadPlan) -> Suite:
    """Run the suite in a database of its own."""
    deployments = 2_000 if plan.quick else min(DEPLOYMENTS_MAX, plan.deployments_max)
    fleet = Fleet(WORKSPACE, CONFIG, deployments, pending=PENDING)
    with Scene.open(cluster, "read") as scene:
        plan.say(f"storing {fleet.events:,} events")
        scene.store(fleet, plan.seed)
        return _Reads(scene, plan, fleet).suite()


class _Reads:
    def __init__(self, scene: Scene, plan: LoadPlan, fleet: Fleet) -> None:
        self._scene = scene
        self._plan = plan
        self._fleet = fleet
        self._turns = Turns(plan)
        page, last = (
            f"page_size={PAGE}&page=1",
            f"page_size={PAGE}&page={min(100, fleet.deployments // PAGE)}",
        )
        ready = "&filter[status]=READY"
        self._pages = {
            "first page": Page(WORKSPACE, page),
            "page 100": Page(WORKSPACE, last),
            "first page, filtered": Page(WORKSPACE, page + ready),
            "page 100, filtered": Page(WORKSPACE, last + ready),
            "first page, as of before": Page(WORKSPACE, page, fleet.versions_end),
            _POLL: Page(ALL_WORKSPACES, "all_versions=true&page_size=1000&filter[status]=PENDING"),
        }
        self._single = {
            "latest version": "",
            "given version": "/versions/1",
            "as of before": f"?as_of={fleet.versions_end}",
        }

    def suite(self) -> Suite:
        services = {workers: self._scene.start(SERVICE, workers) for workers in self._plan.workers}
        first = services[self._plan.workers[0]]
        answers = self._check(first)
        for workers, constant in self._scene.start_constants(self._plan.workers, answers).items():
            for name in self._single:
                told = f"{name}, {workers_told(workers)}"
                for limit, root in _CONSTANTS.items() if name in _SELECT else ():
                    requests = self._requests(name, root)
                    self._turns.add(f"{limit}: {told}", partial(self._scene.load, constant, requests))
                self._turns.add(told, partial(self._scene.load, services[workers], self._requests(name)))
        if pgbench.is_there():
            for name in _SELECT:
                self._turns.add(f"pgbench: {name}", partial(self._pgbench, name))
        for name, page in self._pages.items():
            self._turns.add(name, partial(self._load_page, first, page))
            self._turns.add(f"database: {name}", partial(self._select, page))
        self._turns.run()
        self._check(first)
        self._scene.check()
        return Suite("Reads", (self._ratios(), self._rates(), self._database(), *self._times()), _CHECKED)

    def _requests(self, name: str, root: str = "") -> tuple[str, ...]:
        random = Random(self._plan.seed)  # noqa: S311 - a benchmark has to be repeatable
        numbers = random.sample(range(self._fleet.deployments), self._plan.many)
        return tuple(load.get(f"{root}{HERE}/deployments/model-{n}{self._single[name]}") for n in numbers)

    def _load_page(self, server: Server, page: Page, seconds: float) -> Sample:
        return self._scene.load(server, (load.get(page.path),), seconds / 2, connections=READERS)

    def _pgbench(self, name: str, seconds: float) -> Sample:
        text = _SCRIPT.format(
            deployments=self._fleet.deployments, workspace=WORKSPACE, condition=_SELECT[name]
        )
        ran = pgbench.run(self._scene.url, self._scene.directory, text, clients=CONNECTIONS, seconds=seconds)
        return Sample(ran.rate, ran.transactions, [], 0.0, 0.0, 0.0, 0.0)

    def _select(self, page: Page, seconds: float) -> Sample:
        """One connection that plans, runs and reads the page's statement again and again."""
        times: list[float] = []
        with psycopg.connect(self._scene.url, autocommit=True) as connection:
            connection.execute(READER_SESSION)
            statement = page.statement(ClientCursor(connection)).encode()
            end = time.perf_counter() + seconds / 4
            while (began := time.perf_counter()) < end or not times:
                connection.execute(statement, prepare=False).fetchall()
                times.append(time.perf_counter() - began)
        return Sample(len(times) / sum(times), len(times), sorted(times), 0.0, 0.0, 0.0, 0.0)

    def _check(self, server: Server) -> constants.Answers:
        """`WrongAnswer` unless answers are what the log adds up to; else some of them."""
        found = [self._checked_single(server, name) for name in self._single]
        pages = {
            name: page.checked(self._scene.send(server, page.path), self._fleet)
            for name, page in self._pages.items()
        }
        return constants.Answers(get=found[0], version=found[1], page=pages["first page"], poll=pages[_POLL])

    def _checked_single(self, server: Server, name: str) -> str:
        number = self._fleet.deployments - 1
        text = self._scene.send(server, f"{HERE}/deployments/model-{number}{self._single[name]}")
        found = msgspec.json.decode(text)
        status = "CREATED" if "as_of" in self._single[name] else "READY"
        if (found["name"], found["entity_version"], found["status"]) != (f"model-{number}", 1, status):
            raise WrongAnswer(f"{name} of model-{number}, which should be {status}: {text}")
        return text

    def _ratios(self) -> Section:
        rates = self._turns.rates()
        found = []
        for workers in self._plan.workers:
            for name in _SELECT:
                told = f"{name}, {workers_told(workers)}"
                for constant in _CONSTANTS:
                    goal = GOAL_OF_CONSTANT if constant == constants.TITLES["framework"] else None
                    found.append(
                        ratio(f"{told} / {constant}", rates[told], rates[f"{constant}: {told}"], goal)
                    )
                if (limit := rates.get(f"pgbench: {name}")) is not None:
                    found.append(ratio(f"{told} / pgbench", rates[told], limit))
        return Section("Ratios", _HOW, tuple(found), chart="bars")

    def _rates(self) -> Section:
        found = tuple(
            Measurement(name, "requests/s", values)
            for name, values in self._turns.rates().items()
            if not name.startswith("database: ")
        )
        return Section("Reads a second", "Pages are asked for by 1 worker's service.", found, chart="bars")

    def _database(self) -> Section:
        found = tuple(
            Measurement(
                name,
                "ms",
                tuple(each.quantile_ms(0.5) for each in self._turns.samples[f"database: {name}"]),
                GOALS_MS.get(name),
                at_most=True,
            )
            for name in self._pages
        )
        return Section("Pages in the database", _DATABASE, found, chart="bars")

    def _times(self) -> tuple[Section, Section]:
        names = [
            name for name in self._turns.samples if not name.startswith(("constant", "pgbench", "database"))
        ]
        return (
            Section(
                "Time to answer",
                f"From when a request was sent, {CONNECTIONS} connections without pause, {READERS} for"
                " pages.",
                tuple(found for name in names for found in self._turns.latencies(name, name)),
            ),
            Section(
                "Processor time",
                COSTS,
                tuple(
                    found
                    for name in names
                    for found in self._turns.costs(
                        name,
                        name,
                        GOAL_CPU_MS if name.startswith(tuple(_SELECT)) else None,
                    )
                ),
            ),
        )


_CHECKED: Final = (
    "before and after the load, single reads and pages have what the made-up log adds up to: names in order,"
    " totals, statuses now and before",
    "the log has exactly the events that were stored",
)
_HOW: Final = (
    f"`GET …/deployments/{{name}}`, its version 1, and as of a position before its last event: 1,000"
    f" deployments at random out of those that are stored, from {CONNECTIONS} connections without pause. In"
    " turns with the answer itself, given again by a route of the framework's own, behind the same HTTP"
    f" server, and by one inside the service's own layers; {constants.GOAL} And with `pgbench`, which selects"
    " the same row, one statement after the other."
)
_DATABASE: Final = (
    f"The service's own statement for a page of {PAGE}, count of all matches included, planned, run and read"
    f" by one connection; the poll is of all workspaces and versions, by status, {PENDING} match. As of"
    " before, every deployment has another state than now. The table has just been vacuumed: counts look at"
    " the rows of each page of the table that has changed since, and take longer the more there are, which"
    " `autovacuum_vacuum_scale_factor` limits."
)
