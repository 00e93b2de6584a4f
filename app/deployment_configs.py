"""HTTP for deployment configs: what requests look like, then routes."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.admission import Denied, admitted_of
from app.documented import Page, documented
from app.ledger import (
    AnyRequest,
    Ledger,
    PageQuery,
    PointQuery,
    Rollback,
    circumstances,
    found_response,
    new_id,
)
from domain.deployment_config import (
    CreateDeploymentConfig,
    DeleteDeploymentConfig,
    DeploymentConfigVersion,
    Engine,
    ExecutorConfig,
    ModelSpec,
    RollBackDeploymentConfig,
    UpdateDeploymentConfig,
)
from domain.errors import (
    ConfigAlreadyCurrent,
    ConfigExists,
    ConfigInUse,
    ConfigNotFound,
    ConfigToUpdateNotFound,
    ConfigVersionNotFound,
    GenericEngineBlanks,
    GenericEngineLacks,
    GenericEngineLora,
    InvalidEntityReference,
    InvalidName,
    InvalidVersion,
    NoEarlierConfigVersion,
    PluginDisabled,
    TwoRevisions,
    WorkspaceCannotExist,
    WorkspaceNotFound,
)
from domain.texts import GivenName, ProjectName, Text255, Text1000
from projections.criteria import DEPLOYMENT_CONFIG_FIELDS
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.sorting import DEPLOYMENT_CONFIG_SORTABLE


class DeploymentConfigCreation(msgspec.Struct, frozen=True, kw_only=True):
    """The body that creates a config."""

    name: GivenName
    project: ProjectName | None = None
    description: Text1000 | None = None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: Text255 | None = None


class DeploymentConfigUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The body that adds a version; what it leaves out is unset, not inherited."""

    description: Text1000 | None = None
    engine: Engine
    model_spec: ModelSpec
    executor_config: ExecutorConfig
    model_entity_id: Text255 | None = None


_QUALIFIED: Final = 2  # workspace and name
_CONTENT_REFUSALS = (
    InvalidEntityReference,
    PluginDisabled,
    GenericEngineLacks,
    GenericEngineBlanks,
    GenericEngineLora,
)


@get(
    "/",
    **documented(
        {200: Page[DeploymentConfigVersion]},
        "filtered-configs",
        query=PageQuery,
        refuses=(WorkspaceNotFound,),
    ),
)
async def list_deployment_configs(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """List the latest versions of the configs of a workspace, of all workspaces if it is `-`."""
    return await ledger.page(
        request, DEPLOYMENT_CONFIGS, workspace, DEPLOYMENT_CONFIG_FIELDS, DEPLOYMENT_CONFIG_SORTABLE
    )


@post(
    "/",
    **documented(
        {201: DeploymentConfigVersion},
        "write",
        body=DeploymentConfigCreation,
        refuses=(*_CONTENT_REFUSALS, ConfigExists, TwoRevisions, InvalidName, WorkspaceCannotExist),
    ),
)
async def create_deployment_config(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Create a config."""
    body = await ledger.body(request, DeploymentConfigCreation)
    _require_readable(request, body.model_entity_id)
    command = CreateDeploymentConfig(
        workspace=workspace,
        name=body.name,
        id=new_id("deployment-configs"),
        project=body.project,
        description=body.description,
        engine=body.engine,
        model_spec=body.model_spec,
        executor_config=body.executor_config,
        model_entity_id=body.model_entity_id,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@get(
    "/{name:str}",
    **documented({200: DeploymentConfigVersion}, "object", query=PointQuery, refuses=(ConfigNotFound,)),
)
async def get_deployment_config(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """The latest version."""
    found = await ledger.latest(request, DEPLOYMENT_CONFIGS, workspace, name)
    if found is None:
        raise ConfigNotFound(workspace, name)
    return found_response(request, found)


@post(
    "/{name:str}",
    **documented(
        {201: DeploymentConfigVersion},
        "write",
        body=DeploymentConfigUpdate,
        refuses=(*_CONTENT_REFUSALS, ConfigToUpdateNotFound),
    ),
)
async def update_deployment_config(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Add a version; earlier versions, and deployments that refer to them, stay as they are."""
    body = await ledger.body(request, DeploymentConfigUpdate)
    _require_readable(request, body.model_entity_id)
    command = UpdateDeploymentConfig(
        workspace=workspace,
        name=name,
        id=new_id("deployment-configs"),
        description=body.description,
        engine=body.engine,
        model_spec=body.model_spec,
        executor_config=body.executor_config,
        model_entity_id=body.model_entity_id,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@post(
    "/{name:str}/rollback",
    **documented(
        {201: DeploymentConfigVersion},
        "write",
        body=Rollback,
        refuses=(ConfigNotFound, ConfigVersionNotFound, NoEarlierConfigVersion, ConfigAlreadyCurrent),
    ),
)
async def roll_back_deployment_config(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Add a version with what an earlier one says; deployments refer to the versions they did before."""
    body = await ledger.body(request, Rollback)
    command = RollBackDeploymentConfig(
        workspace=workspace,
        name=name,
        id=new_id("deployment-configs"),
        version=body.version,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@delete(
    "/{name:str}", status_code=200, **documented({204: None}, "write", refuses=(ConfigInUse, ConfigNotFound))
)
async def delete_deployment_config(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Remove all versions, if no deployment needs one."""
    command = DeleteDeploymentConfig(workspace=workspace, name=name, **circumstances(request))
    return await ledger.write(request, command)


@get(
    "/{name:str}/versions",
    **documented({200: list[DeploymentConfigVersion]}, query=PointQuery, refuses=(WorkspaceNotFound,)),
)
async def list_deployment_config_versions(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """All versions, highest first; none if the name is not stored."""
    return await ledger.versions(request, DEPLOYMENT_CONFIGS, workspace, name)


@get(
    "/{name:str}/versions/{version:str}",
    **documented(
        {200: DeploymentConfigVersion},
        "object",
        query=PointQuery,
        refuses=(InvalidVersion, ConfigVersionNotFound),
    ),
)
async def get_deployment_config_version(
    request: AnyRequest,
    workspace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    ledger: NamedDependency[Ledger],
) -> ASGIResponse:
    """One version."""
    found = await ledger.version(request, DEPLOYMENT_CONFIGS, workspace, name, version)
    if found is None:
        raise ConfigVersionNotFound(workspace, name, version)
    return found_response(request, found)


@delete(
    "/{name:str}/versions/{version:str}",
    status_code=200,
    **documented({204: None}, "write", refuses=(InvalidVersion, ConfigInUse, ConfigVersionNotFound)),
)
async def delete_deployment_config_version(
    request: AnyRequest,
    workspace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    ledger: NamedDependency[Ledger],
) -> ASGIResponse:
    """Remove one version, if no deployment needs it."""
    command = DeleteDeploymentConfig(
        workspace=workspace, name=name, version=version, **circumstances(request)
    )
    return await ledger.write(request, command)


def _require_readable(request: AnyRequest, reference: str | None) -> None:
    """`Denied` if the model entity that a config refers to is in a workspace that the caller may not read.

    What is no reference at all is refused later, for being none.
    """
    parts = (reference or "").split("/")
    workspace = parts[0]
    if (
        len(parts) == _QUALIFIED
        and all(map(str.strip, parts))
        and "read" not in admitted_of(request.scope).access.rights(workspace)
    ):
        raise Denied(
            f"This needs the role viewer in workspace '{workspace}'",
            f"Access denied to model entity '{reference}'",
        )


ROUTES = Router(
    "/apis/models/v2/workspaces/{workspace:str}/deployment-configs",
    tags=["Deployment configs"],
    route_handlers=[
        list_deployment_configs,
        create_deployment_config,
        get_deployment_config,
        update_deployment_config,
        roll_back_deployment_config,
        delete_deployment_config,
        list_deployment_config_versions,
        get_deployment_config_version,
        delete_deployment_config_version,
    ],
)
