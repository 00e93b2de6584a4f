"""Overload: ten times more writes than the service can do, from a process of their own."""

from dataclasses import dataclass, field
from typing import NamedTuple

import httpx
import psutil
import psycopg

from app.bench.load import Order, Result, offer, post

CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
USUAL_SHARES = (0.5, 1)
"""Clients that find out the maximum: as parts of the writes that the service has in hand at once."""
NAMES = 200
PATIENCE_SECONDS = 1.0
ROOT = "/apis/models/v2/workspaces/default"
WRITES = tuple(post(f"{ROOT}/deployments/d{number}", b'{"config": "c"}') for number in range(NAMES))


class Measured(NamedTuple):
    """What became of an order, and the CPU seconds that the worker spent on it."""

    order: Order
    result: Result
    cpu: float

    @property
    def done(self):
        """Writes that were done, also after the time was over."""
        return self.result.answers.get("201", 0)

    @property
    def rate(self):
        """Writes a second."""
        return self.result.in_time.get("201", 0) / self.order.seconds


@dataclass
class Report:
    """What was measured; `problems` has a sentence for every broken promise."""

    seconds: float
    before: float
    after: float
    """Writes a second without a surplus, the most that were done, before it and after it."""
    goodput: float
    """Writes a second under the surplus."""
    efficiency: float
    """Writes for each second of the worker's CPU under the surplus, as a part of those without."""
    memory_growth_bytes: int
    surplus: Result
    problems: list = field(default_factory=list)

    @property
    def maximum(self):
        """What can be done in the middle of it: the log grows, and machines have other things to do."""
        return (self.before + self.after) / 2

    def lines(self, command):
        """The figures, as a table in Markdown."""
        refused = self.surplus.seconds.get("503") or [0.0]
        done = self.surplus.seconds.get("201") or [0.0]
        yield "| Overload | Result |"
        yield "|---|---|"
        yield f"| command | `{command}` |"
        yield f"| writes done under surplus | {self.goodput / self.maximum:.0%} of the most without |"
        yield f"| writes for each second of the worker's CPU | {self.efficiency:.0%} of those without |"
        yield f"| writes/s without surplus, at most: before, after | {self.before:,.0f}, {self.after:,.0f} |"
        yield f"| writes/s that fell due for {self.seconds:g} s | {self.surplus.offered / self.seconds:,.0f} |"
        yield f"| requests/s sent | {self.surplus.sent / self.seconds:,.0f} |"
        yield f"| writes/s done | {self.goodput:,.0f} |"
        yield f"| answered 503 | {self.surplus.answers.get('503', 0):,} |"
        yield f"| seconds until 503: median, 99 %, longest | {_quantiles(refused)} |"
        yield f"| seconds until 201: median, 99 %, longest | {_quantiles(done)} |"
        yield f"| connections broken, requests unanswered | {self.surplus.broken}, {self.surplus.unanswered} |"
        yield f"| growth of the worker's memory | {self.memory_growth_bytes / 2**20:.0f} MiB |"
        yield f"| acknowledged writes lost | {len(self.problems)} |"


def campaign(service, database_url, *, seconds, connections, times, in_hand_max):
    """Find out how much the service can do, ask for so many times that, find it out again, and look."""
    _prepare(service.url)
    worker = psutil.Process(service.worker_pids()[0])
    usual = [_order(service.url, round(in_hand_max * share), seconds / 4) for share in USUAL_SHARES]
    before = [_measured(worker, order) for order in usual]
    rate = times * max(each.rate for each in before)
    memory = worker.memory_info().rss
    surplus = _measured(worker, _order(service.url, connections, seconds, rate))
    growth = worker.memory_info().rss - memory
    after = [_measured(worker, order) for order in usual]
    best = max(zip(before, after, strict=True), key=lambda pair: sum(each.rate for each in pair))
    report = Report(
        seconds=seconds,
        before=best[0].rate,
        after=best[1].rate,
        goodput=surplus.rate,
        efficiency=_writes_for_cpu(surplus) / _writes_for_cpu(*best),
        memory_growth_bytes=growth,
        surplus=surplus.result,
    )
    acknowledged = [position for each in (*before, surplus, *after) for position in each.result.acknowledged]
    report.problems += [*_lost(database_url, acknowledged), *_unexpected(surplus.result)]
    return report


def _writes_for_cpu(*measured):
    return sum(each.done for each in measured) / sum(each.cpu for each in measured)


def _unexpected(result):
    if set(result.answers) - {"201", "503", "429"}:
        yield f"answers other than 201, 429 and 503: {result.answers}"
    if result.broken or result.unanswered:
        yield f"{result.broken} connections broken, {result.unanswered} unanswered"


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
    before = worker.cpu_times()
    result = offer(order)
    after = worker.cpu_times()
    return Measured(order, result, after.user + after.system - before.user - before.system)


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
