"""Overload: ten times more writes than the service can do, from a process of their own."""

from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import fmean
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


class Round(NamedTuple):
    """A surplus, and the most that was done without one just before it and just after it."""

    before: Measured
    surplus: Measured
    after: Measured
    memory_before: int
    memory_after: int

    @property
    def maximum(self):
        """What can be done in the middle of it: the log grows, and machines have other things to do."""
        return (self.before.rate + self.after.rate) / 2


@dataclass
class Report:
    """What was measured; `problems` has a sentence for every broken promise."""

    rounds: list
    lost: int
    problems: list

    def lines(self, command):
        """The figures of each round and of all, as a table in Markdown."""
        columns = [_figures(rounds) for rounds in (*([each] for each in self.rounds), self.rounds)]
        numbers = [f"Round {number}" for number, _ in enumerate(self.rounds, 1)]
        yield f"`{command}`:"
        yield ""
        yield _row("Overload", *numbers, "All")
        yield "|---" * (len(columns) + 1) + "|"
        for name in columns[0]:
            yield _row(name, *(column[name] for column in columns))
        yield _row("acknowledged writes lost", *("" for _ in self.rounds), self.lost)


def _row(*cells):
    return f"| {' | '.join(map(str, cells))} |"


def goodput(rounds):
    """What is done under surplus, as a part of what is done at most without."""
    return fmean(each.surplus.rate for each in rounds) / fmean(each.maximum for each in rounds)


def efficiency(rounds):
    """Writes for each second of the worker's CPU under surplus, as a part of those without."""
    without = [measured for each in rounds for measured in (each.before, each.after)]
    return _writes_for_cpu([each.surplus for each in rounds]) / _writes_for_cpu(without)


def memory_growth(rounds):
    """Bytes by which the worker grew from before the first surplus until after the last."""
    return rounds[-1].memory_after - rounds[0].memory_before


def _figures(rounds):
    """What is told of rounds, by name."""
    surpluses = [each.surplus.result for each in rounds]
    seconds = sum(each.surplus.order.seconds for each in rounds)
    refused, done = (sorted(t for each in surpluses for t in each.seconds.get(s, ())) for s in ("503", "201"))
    clients = [
        fmean(measured.result.cpu_seconds / measured.order.seconds for measured in kind)
        for kind in (
            [m for each in rounds for m in (each.before, each.after)],
            [each.surplus for each in rounds],
        )
    ]
    return {
        "writes done under surplus, of the most without": f"{goodput(rounds):.0%}",
        "writes for each second of the worker's CPU, of those without": f"{efficiency(rounds):.0%}",
        "writes/s without surplus, at most: before": f"{fmean(each.before.rate for each in rounds):,.0f}",
        "writes/s without surplus, at most: after": f"{fmean(each.after.rate for each in rounds):,.0f}",
        "writes/s that fell due": f"{sum(each.offered for each in surpluses) / seconds:,.0f}",
        "requests/s sent": f"{sum(each.sent for each in surpluses) / seconds:,.0f}",
        "writes/s done": f"{fmean(each.surplus.rate for each in rounds):,.0f}",
        "answered 503": f"{len(refused):,}",
        "seconds until 503: median, 99 %, longest": _quantiles(refused),
        "seconds until 201: median, 99 %, longest": _quantiles(done),
        "processors that the clients took: without, with surplus": "{:.2f}, {:.2f}".format(*clients),
        "connections broken": f"{sum(each.broken for each in surpluses):,}",
        "requests unanswered": f"{sum(each.unanswered for each in surpluses):,}",
        "growth of the worker's memory": f"{memory_growth(rounds) / 2**20:.0f} MiB",
    }


def campaign(service, database_url, *, seconds, connections, times, in_hand_max, rounds=1):
    """Find out how much the service can do, ask for so many times that, find it out again, and look.

    The maximum after one round is the one before the next. All takes little more than 5/3 of the surplus for
    one round, and 13/9 for three.
    """
    _prepare(service.url)
    worker = psutil.Process(service.worker_pids()[0])
    usual = [_order(service.url, round(in_hand_max * share), seconds / 6) for share in USUAL_SHARES]
    maxima = [[_measured(worker, order) for order in usual]]
    surpluses = []
    for _ in range(rounds):
        rate = times * max(each.rate for each in maxima[-1])
        memory = worker.memory_info().rss
        surplus = _measured(worker, _order(service.url, connections, seconds, rate))
        surpluses.append((surplus, memory, worker.memory_info().rss))
        maxima.append([_measured(worker, order) for order in usual])
    # One share for all of them: the better one of each time would be the one that had more luck.
    best = max(zip(*maxima, strict=True), key=lambda share: sum(each.rate for each in share))
    done = [
        Round(before, surplus, after, *memory)
        for (before, after), (surplus, *memory) in zip(pairwise(best), surpluses, strict=True)
    ]
    acknowledged = [
        position
        for each in (*chain(*maxima), *(each.surplus for each in done))
        for position in each.result.acknowledged
    ]
    lost = list(_lost(database_url, acknowledged))
    return Report(done, len(lost), [*lost, *(p for each in done for p in _unexpected(each.surplus.result))])


def _writes_for_cpu(measured):
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
    seconds = seconds or [0.0]
    at = [seconds[min(len(seconds) - 1, int(len(seconds) * part))] for part in (0.5, 0.99, 1)]
    return ", ".join(f"{each:.2f}" for each in at)
