"""What Prometheus can scrape of this process."""

from __future__ import annotations

import os
from collections import Counter as Counts
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram, values

from domain.kinds import kind_of, stored_name
from domain.stream import Recorded

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # Otherwise each count asks the system for the process's number, in case it was forked: workers are not.
    values.ValueClass = values.MultiProcessValue(partial(int, os.getpid()))  # type: ignore[no-untyped-call]

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS: Final = Counter("ledger_requests_total", "Requests answered.", ("method", "route", "status"))
DENIED: Final = Counter("ledger_denied_total", "Requests turned away, by what was lacking.", ("kind",))
REQUEST_SECONDS: Final = Histogram(
    "ledger_request_duration_seconds", "Time to answer a request.", ("method", "route"), buckets=_SECONDS
)
EVENTS: Final = Counter("ledger_events_appended_total", "Events appended to the log.", ("kind",))
BATCH_WRITES: Final = Histogram(
    "ledger_batch_writes", "Writes committed in one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
APPEND_SECONDS: Final = Histogram(
    "ledger_append_duration_seconds", "Time from a write's arrival to its commit.", buckets=_SECONDS
)
PROJECTION_POSITION: Final = Gauge(
    "ledger_projection_position",
    "Position of the last event the projections show.",
    multiprocess_mode="max",
)
WRITES_WAITING: Final = Gauge(
    "ledger_writes_waiting", "Writes waiting for their batch.", multiprocess_mode="livesum"
)
TURNED_AWAY: Final = Counter(
    "ledger_writes_turned_away_total", "Writes answered 503 because too many were in hand.", ("method",)
)
POOL_CONNECTIONS: Final = Gauge(
    "ledger_read_pool_connections", "Connections of the read pool.", ("state",), multiprocess_mode="livesum"
)
WATCHERS: Final = Gauge("ledger_watchers", "Clients that watch.", multiprocess_mode="livesum")
WATCH_DELIVERY_SECONDS: Final = Histogram(
    "ledger_watch_delivery_seconds",
    "Time from an event to its hand-over to a watcher that was up to date; of events that are handed over "
    "together, the first one's.",
    buckets=_SECONDS,
)


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    requests, durations = _of_route(method, route, status)
    requests.inc()
    durations.observe(seconds)


@lru_cache(maxsize=1024)
def _of_route(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), REQUEST_SECONDS.labels(method, route)


def committed(events: Sequence[Recorded[Any]], writes: int) -> None:
    """Count a batch after its commit."""
    BATCH_WRITES.observe(writes)
    for kind, number in Counts(kind_of(stored_name(recorded.event)) for recorded in events).items():
        EVENTS.labels(kind).inc(number)
    if events:
        PROJECTION_POSITION.set(events[-1].position)
