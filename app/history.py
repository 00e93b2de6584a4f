"""HTTP for the past: what happened, and who gave each field its value."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.admission import admitted_of
from app.as_of import Point, position_of
from app.documented import documented
from app.ledger import AnyRequest, Ledger, as_json, query_of, sight_of
from domain.errors import (
    ConfigNotFound,
    ConfigVersionNotFound,
    DeploymentNotFound,
    DeploymentVersionNotFound,
    InvalidVersion,
    WorkspaceNotFound,
)
from domain.names import ALL_WORKSPACES, Resource, is_workspace
from domain.stream import version_asked
from domain.texts import VersionText
from projections.blame import Blame, blame
from projections.history import History, HistoryPage, Selection, Span
from projections.questions import Question, asked
from projections.references import Name, Reference
from projections.timeline import OPEN

T = TypeVar("T")

LIMIT_MAX: Final = 1000

Position = Annotated[int, msgspec.Meta(ge=0)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)]


class HistoryQuery(msgspec.Struct, frozen=True):
    """The query of a history: where to go on, how far, and from which end."""

    after: Position | None = None
    limit: Limit = 100
    order: Literal["newest", "oldest"] = "newest"


class WorkspaceHistoryQuery(HistoryQuery, frozen=True):
    """The query of a workspace's history, which may also select events."""

    since: Point | None = None
    until: Point | None = None
    resource: Resource | None = None
    name: str | None = None
    kind: str | None = None
    actor: str | None = None


class BlameQuery(msgspec.Struct, frozen=True):
    """The query of a blame: a version, the latest if it is left out or empty, now or as it was earlier."""

    version: VersionText = ""
    as_of: Point | None = None


@get("/history", **documented({200: HistoryPage}, query=WorkspaceHistoryQuery, refuses=(WorkspaceNotFound,)))
async def get_workspace_history(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """What happened to the deployments and configs of a workspace, or of all if it is `-`."""
    query = query_of(request, WorkspaceHistoryQuery)
    if workspace != ALL_WORKSPACES and not is_workspace(workspace):
        raise WorkspaceNotFound(workspace)
    low = 0 if query.since is None else await position_of(ledger.reader, query.since, "since")
    high = OPEN if query.until is None else await position_of(ledger.reader, query.until, "until")
    selection = Selection(query.resource, query.name, query.kind, query.actor)
    only = admitted_of(request.scope).access.readable
    question = _history(request).of_workspace(workspace, _span(query, low, high), selection, only)
    return await told(ledger, question)


@get(
    "/deployments/{name:str}/history",
    **documented({200: HistoryPage}, query=HistoryQuery, refuses=(DeploymentNotFound,)),
)
async def get_deployment_history(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """What happened to a deployment, also to one that was removed."""
    return await _history_of(request, Name("deployments", workspace, name), ledger)


@get(
    "/deployment-configs/{name:str}/history",
    **documented({200: HistoryPage}, query=HistoryQuery, refuses=(ConfigNotFound,)),
)
async def get_deployment_config_history(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """What happened to a config, also to one that was removed."""
    return await _history_of(request, Name("deployment-configs", workspace, name), ledger)


@get(
    "/deployments/{name:str}/blame",
    **documented(
        {200: Blame},
        query=BlameQuery,
        refuses=(InvalidVersion, DeploymentNotFound, DeploymentVersionNotFound),
    ),
)
async def get_deployment_blame(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """For each field of a version the event that gave it its value."""
    return await _blame_of(request, Name("deployments", workspace, name), ledger)


@get(
    "/deployment-configs/{name:str}/blame",
    **documented(
        {200: Blame}, query=BlameQuery, refuses=(InvalidVersion, ConfigNotFound, ConfigVersionNotFound)
    ),
)
async def get_deployment_config_blame(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """For each field of a version the event that gave it its value."""
    return await _blame_of(request, Name("deployment-configs", workspace, name), ledger)


async def told(ledger: Ledger, question: Question[Any]) -> ASGIResponse:
    """The answer to a question, as JSON."""
    async with ledger.reader.snapshot() as connection:
        answer = await asked(connection, question)
    return as_json(msgspec.json.encode(answer))


async def _history_of(request: AnyRequest, name: Name, ledger: Ledger) -> ASGIResponse:
    span = _span(query_of(request, HistoryQuery))
    return await told(ledger, _history(request).of_name(name, span))


async def _blame_of(request: AnyRequest, name: Name, ledger: Ledger) -> ASGIResponse:
    query = query_of(request, BlameQuery)
    version = version_asked(query.version) if query.version else None
    position = None if query.as_of is None else await position_of(ledger.reader, query.as_of)
    return await told(ledger, blame(name, Reference(version, position), sight_of(request)))


def _history(request: AnyRequest) -> History:
    return History(admitted_of(request.scope).access.sight)


def _span(query: HistoryQuery, low: int = 0, high: int = OPEN) -> Span:
    span = Span(low, high, query.order == "newest", query.limit)
    return span if query.after is None else span.after(query.after)


ROUTES = Router(
    "/apis/models/v2/workspaces/{workspace:str}",
    tags=["History"],
    route_handlers=[
        get_workspace_history,
        get_deployment_history,
        get_deployment_config_history,
        get_deployment_blame,
        get_deployment_config_blame,
    ],
)
