"""The event library used as its documentation shows: `Application.save` of one event, from threads.

Aggregates stay in memory, each with a lock of its own, so there is nothing to load and no conflict: what is
measured is one `save` in one transaction after the other, from as many threads as it gains from.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from litestar import Litestar, Request, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from psycopg.conninfo import conninfo_to_dict

from app.bench.load import Result
from app.deployments import DeploymentUpdate
from app.ledger import new_id
from app.settings import handed_down

SCHEMA: Final = "library"
THREADS: Final = 8
_PRINCIPAL: Final[dict[str, Any]] = {"id": "", "email": None, "groups": [], "on_behalf_of": None}


class Deployment(Aggregate):
    """A deployment, with events that say as much as the service's."""

    def __init__(self) -> None:
        self.number = 1

    @event("Updated")
    def update(self, number: int, facts: dict[str, Any]) -> None:
        """Add a version."""
        self.number = number
        self.config = facts["config"]


class Deployments:
    """Deployments by name."""

    def __init__(self, database_url: str) -> None:
        self._application: Application[UUID] = Application(env=_environment(database_url))
        self._deployments: dict[str, tuple[Lock, Deployment]] = {}
        self._lock = Lock()

    def update(self, name: str, update: DeploymentUpdate) -> int:
        """Add a version, and save it; its number."""
        with self._lock:
            lock, deployment = self._deployments.setdefault(name, (Lock(), Deployment()))
        with lock:
            number = deployment.number + 1
            facts = {"id": new_id("deployments"), "by": _PRINCIPAL, **msgspec.structs.asdict(update)}
            deployment.update(number, facts)
            self._application.save(deployment)
            return number


def make_schema(url: str) -> None:
    """The schema in which the library makes its tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA library")


def stored(url: str) -> int:
    """Events that say that a version was added."""
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute(
            "SELECT count(*) FROM library.application_events WHERE topic LIKE '%:Deployment.Updated'"
        )
    return int(count)


def save(url: str, deployments: int, seconds: float) -> Result:
    """Save updates of so many deployments from threads of this process, for so long."""
    saved = Deployments(url)
    update = DeploymentUpdate("model-config", 1)
    for number in range(deployments):
        saved.update(f"model-{number}", update)
    used, end = time.process_time(), time.perf_counter() + seconds

    def work(thread: int) -> list[float]:
        times, number = [], thread
        while (began := time.perf_counter()) < end:
            saved.update(f"model-{number % deployments}", update)
            times.append(time.perf_counter() - began)
            number += THREADS
        return times

    with ThreadPoolExecutor(THREADS) as threads:
        times = sorted(each for found in threads.map(work, range(THREADS)) for each in found)
    result = Result(seconds={"201": times}, cpu_seconds=time.process_time() - used)
    result.in_time["201"] = len(times)
    result.answers["201"] = len(times) + deployments
    return result


def application() -> Any:
    """The same behind the service's HTTP server and framework."""
    deployments = Deployments(handed_down(os.environ).database_url or "")
    threads = ThreadPoolExecutor(THREADS)

    @post("/apis/models/v2/workspaces/{workspace:str}/deployments/{name:str}")
    async def update(
        request: Request[Any, Any, State], workspace: FromPath[str], name: FromPath[str]
    ) -> ASGIResponse:
        body = msgspec.json.decode(await request.body(), type=DeploymentUpdate)
        loop = asyncio.get_running_loop()
        number = await loop.run_in_executor(threads, deployments.update, name, body)
        told = msgspec.json.encode({"workspace": workspace, "name": name, "entity_version": number})
        return ASGIResponse(body=told, status_code=201, media_type="application/json")

    return Litestar([update], openapi_config=None, logging_config=None)


def _environment(url: str) -> Mapping[str, str]:
    parts = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts.get("port", 5432)),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": str(parts.get("password", "")),
        "POSTGRES_SCHEMA": SCHEMA,
        "POSTGRES_POOL_SIZE": str(THREADS),
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(save(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
