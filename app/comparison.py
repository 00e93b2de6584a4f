"""HTTP for comparing states of a deployment or config."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.as_of import POINT_FORMS, position_of
from app.documented import documented
from app.history import told
from app.ledger import AnyRequest, Ledger, query_of, sight_of
from app.reader import Reader
from app.reading import InvalidRequest
from domain.errors import (
    ConfigNotFound,
    ConfigVersionNotFound,
    DeploymentNotFound,
    DeploymentVersionNotFound,
)
from domain.names import version_number
from projections.comparison import Comparison, compare
from projections.references import Name, Reference

_POSITION: Final = re.compile(r"@[0-9]{1,19}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-.*", re.ASCII | re.DOTALL)
_MALFORMED: Final = (
    "Input should be a version, @ and a position of the log, or an RFC 3339 time such as 2026-11-17T14:00:00Z"
)


State = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [{"type": "string", "pattern": "^([-+]?[0-9]+|@[0-9]{1,19})$"}, POINT_FORMS[1]]
        }
    ),
]
"""A state to compare, as a query names it."""


class DiffQuery(msgspec.Struct, frozen=True):
    """The query of a comparison: two states, the second one what is the latest version now if left out.

    A state is named by a version, or as the latest version at a position, written `@` and the position, or at
    a time.
    """

    origin: State = msgspec.field(name="from")
    to: State | None = None


@get(
    "/deployments/{name:str}/diff",
    **documented({200: Comparison}, query=DiffQuery, refuses=(DeploymentNotFound, DeploymentVersionNotFound)),
)
async def get_deployment_diff(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """How two versions differ, or two times, also in the configs that they refer to."""
    return await _comparison(request, Name("deployments", workspace, name), ledger)


@get(
    "/deployment-configs/{name:str}/diff",
    **documented({200: Comparison}, query=DiffQuery, refuses=(ConfigNotFound, ConfigVersionNotFound)),
)
async def get_deployment_config_diff(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """How two versions differ, or two times."""
    return await _comparison(request, Name("deployment-configs", workspace, name), ledger)


async def _comparison(request: AnyRequest, name: Name, ledger: Ledger) -> ASGIResponse:
    query = query_of(request, DiffQuery)
    origin = await reference_of(ledger.reader, query.origin, "from")
    to = Reference() if query.to is None else await reference_of(ledger.reader, query.to, "to")
    return await told(ledger, compare(name, origin, to, sight_of(request)))


async def reference_of(reader: Reader, text: str, parameter: str) -> Reference:
    """The state that a version, `@` and a position, or a time names; InvalidRequest if it is none of them."""
    if _POSITION.fullmatch(text) is not None:
        return Reference(position=await position_of(reader, text[1:], parameter))
    if _TIME.fullmatch(text) is not None:
        return Reference(position=await position_of(reader, text, parameter))
    version = version_number(text)
    if version is None:
        item = {"type": "state_parsing", "loc": ["query", parameter], "msg": _MALFORMED, "input": text}
        raise InvalidRequest([item])
    return Reference(version)


ROUTES = Router(
    "/apis/models/v2/workspaces/{workspace:str}",
    tags=["History"],
    route_handlers=[get_deployment_diff, get_deployment_config_diff],
)
