"""Overload: ten times more writes than the service can do, from a process of their own."""

from dataclasses import dataclass, field

import httpx
import psutil
import psycopg

from app.bench.load import Order, Result, offer, post

CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
USUAL_CONNECTIONS = (64, 256)
NAMES = 200
PATIENCE_SECONDS = 1.0
ROOT = "/apis/models/v2/workspaces/default"
WRITES = tuple(post(f"{ROOT}/deployments/d{number}", b'{"config": "c"}') for number in range(NAMES))


@dataclass
class Report:
    """What was measured; `problems` has a sentence for every broken promise."""

    seconds: float
    maximum: float
    """Writes a second, the most that were done without a surplus."""
    goodput: float
    """Writes a second under the surplus."""
    efficiency: float
    """Writes for each second of CPU under the surplus, as a part of those without: no other load disturbs it."""
    memory_growth_bytes: int
    surplus: Result
    problems: list = field(default_factory=list)

    def lines(self, command):
        """The figures, as a table in Markdown."""
        refused = self.surplus.seconds.get("503") or [0.0]
        done = self.surplus.seconds.get("201") or [0.0]
        yield "| Overload | Result |"
        yield "|---|---|"
        yield f"| command | `{command}` |"
        yield f"| writes/s without surplus, at most | {self.maximum:,.0f} |"
        yield f"| writes/s that fell due for {self.seconds:g} s | {self.surplus.offered / self.seconds:,.0f} |"
        yield f"| requests/s sent | {self.surplus.sent / self.seconds:,.0f} |"
        yield f"| writes/s done | {self.goodput:,.0f}, {self.goodput / self.maximum:.0%} of the most |"
        yield f"| writes for each second of CPU | {self.efficiency:.0%} of those without surplus |"
        yield f"| answered 503 | {self.surplus.answers.get('503', 0):,} |"
        yield f"| seconds until 503: median, 99 %, longest | {_quantiles(refused)} |"
        yield f"| seconds until 201: median, 99 %, longest | {_quantiles(done)} |"
        yield f"| connections broken, requests unanswered | {self.surplus.broken}, {self.surplus.unanswered} |"
        yield f"| growth of the worker's memory | {self.memory_growth_bytes / 2**20:.0f} MiB |"
        yield f"| acknowledged writes lost | {len(self.problems)} |"


def campaign(service, database_url, *, seconds, connections, times):
    """Find out how much the service can do, ask for so many times that, and look at what it did."""
    _prepare(service.url)
    worker = psutil.Process(service.worker_pids()[0])
    acknowledged, best = [], (0.0, 1.0)
    for usual in USUAL_CONNECTIONS:
        result, cpu = _measured(worker, _order(service.url, usual, seconds / 2))
        acknowledged += result.acknowledged
        best = max(
            best, (result.in_time.get("201", 0) / seconds * 2, cpu / max(1, result.answers.get("201", 0)))
        )
    maximum, usual_cost = best
    before = worker.memory_info().rss
    surplus, cpu = _measured(worker, _order(service.url, connections, seconds, times * maximum))
    cost = cpu / max(1, surplus.answers.get("201", 0))
    goodput = surplus.in_time.get("201", 0) / seconds
    growth = worker.memory_info().rss - before
    report = Report(seconds, maximum, goodput, usual_cost / cost, growth, surplus)
    report.problems += _lost(database_url, acknowledged + surplus.acknowledged)
    if set(surplus.answers) - {"201", "503", "429"}:
        report.problems.append(f"answers other than 201, 429 and 503: {surplus.answers}")
    if surplus.broken or surplus.unanswered:
        report.problems.append(f"{surplus.broken} connections broken, {surplus.unanswered} unanswered")
    return report


def _prepare(url):
    with httpx.Client(base_url=f"{url}{ROOT}", timeout=30) as client:
        client.post("deployment-configs", json={"name": "c", **CONFIG})
        for number in range(NAMES):
            client.post("deployments", json={"name": f"d{number}", "config": "c"})


def _order(url, connections, seconds, rate=0.0):
    """Writes from clients that go away when they cannot send for a while; an answer's time is the service's."""
    return Order(
        url=url,
        requests=WRITES,
        connections=connections,
        seconds=seconds,
        rate=rate,
        patience_seconds=PATIENCE_SECONDS,
        since="sent",
    )


def _measured(worker, order):
    """The result, and the CPU seconds that the worker spent on it."""
    before = worker.cpu_times()
    result = offer(order)
    after = worker.cpu_times()
    return result, after.user + after.system - before.user - before.system


def _lost(database_url, positions):
    """A sentence for each acknowledged write that the log does not have, or that shares its position."""
    if len(set(positions)) != len(positions):
        yield "two writes were acknowledged with the same position"
    with psycopg.connect(database_url) as database:
        rows = database.execute(
            "SELECT p FROM unnest(%s::bigint[]) p WHERE NOT EXISTS"
            " (SELECT FROM stored_events WHERE notification_id = p AND topic = 'deployment.updated')",
            (positions,),
        )
        yield from (f"the write acknowledged at position {position} is lost" for (position,) in rows)


def _quantiles(seconds):
    at = [seconds[min(len(seconds) - 1, int(len(seconds) * part))] for part in (0.5, 0.99, 1)]
    return ", ".join(f"{each:.2f}" for each in at)
