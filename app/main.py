"""The service put together: settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, cast

from litestar import Litestar
from litestar.di import Provide

from app import (
    authorisation,
    comparison,
    deployment_configs,
    deployments,
    docs,
    history,
    operations,
    problems,
    watch,
)
from app.broadcaster import END_STREAMS, Broadcaster
from app.doorbell import Doorbell
from app.edge import Application, Edge, Receive, Scope, Send
from app.event_log import EventLog
from app.fast_path import FastPath
from app.framing import Framing
from app.health import Health
from app.identity import identity_of
from app.ledger import Ledger
from app.logs import configure_logs
from app.reader import Reader
from app.settings import Settings, handed_down
from app.watch import Watch
from app.writer import Writer
from domain.authorisation import EVERYONE
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS


class Service(NamedTuple):
    """An ASGI application, and the faster way that usual requests take."""

    layers: Application
    fast_path: FastPath

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request through all layers."""
        await self.layers(scope, receive, send)


def application() -> Service:
    """The application of a worker process, with the settings its supervisor hands down."""
    settings = handed_down(os.environ)
    configure_logs(settings.log_format, settings.log_level)
    return create_app(settings)


def create_app(settings: Settings) -> Service:
    """The whole service on the database that `settings.database_url` names."""
    if settings.database_url is None:
        msg = "database_url is not set: the supervisor gives the address of the embedded database"
        raise ValueError(msg)
    writer = Writer(
        EventLog(
            settings.database_url,
            statement_seconds=settings.statement_seconds,
            batch_seconds=settings.write_wait_seconds,
        ),
        queue_max=settings.write_queue_max,
        batch_max=settings.write_batch_max,
        wait_seconds=settings.write_wait_seconds,
        clock=lambda: datetime.now(UTC),
    )
    reader = Reader(
        settings.database_url,
        (DEPLOYMENTS, DEPLOYMENT_CONFIGS),
        connections_max=settings.read_connections_max,
        batch_max=settings.read_batch_max,
        queue_max=settings.read_queue_max,
        statement_seconds=settings.statement_seconds,
    )
    ledger = Ledger(writer, reader)
    identity = identity_of(settings)
    health = Health(settings.database_url, reader)
    broadcaster = Broadcaster(reader, watchers_max=settings.watchers_max)
    doorbell = Doorbell(settings.database_url, broadcaster.wake)
    writer.committed = doorbell.ring
    identity.policies.changed = broadcaster.recheck
    watching = Watch(broadcaster, heartbeat_seconds=settings.watch_heartbeat_seconds)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await doorbell.start()
        await writer.start()
        identity.start()
        asyncio.get_running_loop().add_signal_handler(END_STREAMS, broadcaster.end_streams)
        yield
        await identity.stop()
        await writer.stop()
        await doorbell.stop()
        await broadcaster.stop()
        await reader.stop()

    # Where everybody may do everything there is nobody to ask.
    restricted = identity.policies.current is not EVERYONE
    routes = Litestar(
        route_handlers=[
            deployments.ROUTES,
            deployment_configs.ROUTES,
            history.ROUTES,
            comparison.ROUTES,
            watch.ROUTES,
            *operations.ROUTES,
            *docs.ROUTES,
        ],
        dependencies={
            "ledger": Provide(lambda: ledger, sync_to_thread=False, use_cache=True),
            "health": Provide(lambda: health, sync_to_thread=False, use_cache=True),
            "identity": Provide(lambda: identity, sync_to_thread=False, use_cache=True),
            "watching": Provide(lambda: watching, sync_to_thread=False, use_cache=True),
        },
        middleware=[authorisation.authorising] if restricted else [],
        exception_handlers=problems.HANDLERS,
        lifespan=[lifespan],
        request_max_body_size=settings.body_bytes_max,
        openapi_config=None,
        logging_config=None,
    )
    authorisation.require_listed(routes.routes)
    routes.state.openapi = docs.serialized(routes.routes)
    edge = Edge(
        cast("Application", routes),
        identity,
        writes_max=settings.write_queue_max,
        body_bytes_max=settings.body_bytes_max,
        body_read_seconds=settings.body_read_seconds,
    )
    fast_path = FastPath(routes, ledger, edge, body_bytes_max=settings.body_bytes_max, restricted=restricted)
    return Service(Framing(edge), fast_path)
