"""HTTP for those who run the service: health and metrics."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.response.base import ASGIResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app import metrics
from app.documented import documented
from app.health import Health
from app.identity import Identity
from app.ledger import Ledger
from app.reader import Unreadable

POSITION_SECONDS_MAX: Final = 1.0


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether requests can be served; `problems` say what keeps the service from it.

    `warnings` say what is wrong though requests are served.
    """

    status: Literal["ready", "unready"]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@get("/health/live", tags=["Operations"], **documented({200: Live}))
async def live() -> ASGIResponse:
    """Whether the process answers at all."""
    return ASGIResponse(body=b'{"status":"live"}', media_type="application/json")


@get("/health/ready", tags=["Operations"], **documented({200: Ready, 503: Ready}))
async def ready(health: NamedDependency[Health], identity: NamedDependency[Identity]) -> ASGIResponse:
    """Whether the database answers, the schema is current, the projections show the whole log and callers can
    be told apart.
    """
    problems = [*await health.problems(), *identity.problems()]
    state = Ready("unready" if problems else "ready", tuple(problems), tuple(identity.warnings()))
    return ASGIResponse(
        body=msgspec.json.encode(state), status_code=503 if problems else 200, media_type="application/json"
    )


@get("/metrics", tags=["Operations"], **documented({200: str}, media_type="text/plain"))
async def metrics_of_all_workers(
    ledger: NamedDependency[Ledger], health: NamedDependency[Health]
) -> ASGIResponse:
    """Metrics of all worker processes in Prometheus' text format."""
    ledger.reader.observe_pool()
    # Metrics are wanted most when the database is away; then the position is the last one written here.
    with suppress(Unreadable):
        metrics.PROJECTION_POSITION.set(await health.projection_position(POSITION_SECONDS_MAX))
    body = await asyncio.to_thread(_exposition)
    return ASGIResponse(body=body, media_type=CONTENT_TYPE_LATEST)


def _exposition() -> bytes:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


ROUTES = (live, ready, metrics_of_all_workers)
