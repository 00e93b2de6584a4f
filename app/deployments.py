"""HTTP for deployments: routes, then what their requests look like."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.documented import Page, documented
from app.ledger import (
    AnyRequest,
    DeploymentPageQuery,
    Ledger,
    PointQuery,
    Rollback,
    circumstances,
    found_response,
    new_id,
    query_of,
)
from domain.deployment import (
    ChangeDeploymentStatus,
    CreateDeployment,
    DeleteDeployment,
    DeploymentVersion,
    RollBackDeployment,
    Status,
    UpdateDeployment,
)
from domain.errors import (
    AlreadyCurrent,
    DeploymentExists,
    DeploymentIsDeleting,
    DeploymentNotFound,
    DeploymentToUpdateNotFound,
    DeploymentVersionNotFound,
    InvalidName,
    InvalidVersion,
    NothingToRollBackTo,
    ReferencedConfigNotFound,
    WorkspaceNotFound,
)
from domain.texts import GivenName, ProjectName, Text255, Text1000, VersionText
from projections.criteria import DEPLOYMENT_FIELDS
from projections.deployments import DEPLOYMENTS
from projections.sorting import DEPLOYMENT_SORTABLE


class DeploymentCreation(msgspec.Struct, frozen=True, kw_only=True):
    """The body that creates a deployment."""

    name: GivenName
    project: ProjectName | None = None
    config: Text255
    config_version: int | None = None


class DeploymentUpdate(msgspec.Struct, frozen=True):
    """The body that adds a version."""

    config: Text255
    config_version: int | None = None


class StatusReport(msgspec.Struct, frozen=True):
    """The body that reports a status."""

    status: Status
    status_message: Text1000 = ""
    model_provider_id: Text255 | None = None


class StatusQuery(msgspec.Struct, frozen=True):
    """The query of a status report: the version meant, the latest if it is left out or empty."""

    version: VersionText = ""


class DeploymentModels(msgspec.Struct, frozen=True):
    """The models a deployment serves."""

    workspace: str
    name: str
    models: tuple[dict[str, Any], ...] = ()


@get(
    "/",
    **documented(
        {200: Page[DeploymentVersion]},
        "filtered-deployments",
        query=DeploymentPageQuery,
        refuses=(WorkspaceNotFound,),
    ),
)
async def list_deployments(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """List deployments of a workspace, or of all if it is `-`: their latest versions, or all versions."""
    return await ledger.page(
        request, DEPLOYMENTS, workspace, DEPLOYMENT_FIELDS, DEPLOYMENT_SORTABLE, DeploymentPageQuery
    )


@post(
    "/",
    **documented(
        {201: DeploymentVersion},
        "write",
        body=DeploymentCreation,
        refuses=(DeploymentExists, ReferencedConfigNotFound, InvalidName),
    ),
)
async def create_deployment(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Create a deployment."""
    body = await ledger.body(request, DeploymentCreation)
    command = CreateDeployment(
        workspace=workspace,
        name=body.name,
        id=new_id("deployments"),
        project=body.project,
        config=body.config,
        config_version=body.config_version,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@get(
    "/{name:str}",
    **documented({200: DeploymentVersion}, "object", query=PointQuery, refuses=(DeploymentNotFound,)),
)
async def get_deployment(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """The latest version."""
    found = await ledger.latest(request, DEPLOYMENTS, workspace, name)
    if found is None:
        raise DeploymentNotFound(workspace, name)
    return found_response(request, found)


@post(
    "/{name:str}",
    **documented(
        {201: DeploymentVersion},
        "write",
        body=DeploymentUpdate,
        refuses=(DeploymentToUpdateNotFound, ReferencedConfigNotFound),
    ),
)
async def update_deployment(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Add a version; earlier versions stay as they are."""
    body = await ledger.body(request, DeploymentUpdate)
    command = UpdateDeployment(
        workspace=workspace,
        name=name,
        id=new_id("deployments"),
        config=body.config,
        config_version=body.config_version,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@post(
    "/{name:str}/rollback",
    **documented(
        {201: DeploymentVersion},
        "write",
        body=Rollback,
        refuses=(
            DeploymentNotFound,
            DeploymentVersionNotFound,
            NothingToRollBackTo,
            AlreadyCurrent,
            ReferencedConfigNotFound,
        ),
    ),
)
async def roll_back_deployment(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Add a version with the config and config version of an earlier one, which stays as it is."""
    body = await ledger.body(request, Rollback)
    command = RollBackDeployment(
        workspace=workspace,
        name=name,
        id=new_id("deployments"),
        version=body.version,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@delete(
    "/{name:str}",
    status_code=200,
    **documented({202: None, 204: None}, "write", refuses=(DeploymentNotFound,)),
)
async def delete_deployment(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Mark all versions for deletion; remove them if all are DELETED."""
    command = DeleteDeployment(workspace=workspace, name=name, **circumstances(request))
    return await ledger.write(request, command)


@post(
    "/{name:str}/status",
    status_code=200,
    **documented(
        {200: DeploymentVersion},
        "write",
        body=StatusReport,
        query=StatusQuery,
        refuses=(InvalidVersion, DeploymentNotFound, DeploymentVersionNotFound, DeploymentIsDeleting),
    ),
)
async def update_deployment_status(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """Report the status of a version, which changes it in place."""
    body = await ledger.body(request, StatusReport)
    command = ChangeDeploymentStatus(
        workspace=workspace,
        name=name,
        version=query_of(request, StatusQuery).version,
        status=body.status,
        status_message=body.status_message,
        model_provider_id=body.model_provider_id,
        **circumstances(request),
    )
    return await ledger.write(request, command)


@get(
    "/{name:str}/models",
    **documented({200: DeploymentModels}, "object", query=PointQuery, refuses=(DeploymentNotFound,)),
)
async def get_deployment_models(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """The models of the latest version: none are known here, they register elsewhere."""
    found = await ledger.latest(request, DEPLOYMENTS, workspace, name)
    if found is None:
        raise DeploymentNotFound(workspace, name)
    models = msgspec.json.encode(DeploymentModels(workspace, name)).decode()
    # What it says never changes, whatever happens to the deployment: so does not its ETag.
    return found_response(request, found._replace(body=models, position=0))


@get(
    "/{name:str}/versions",
    **documented({200: list[DeploymentVersion]}, query=PointQuery, refuses=(WorkspaceNotFound,)),
)
async def list_deployment_versions(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Ledger]
) -> ASGIResponse:
    """All versions, highest first; none if the name is not stored."""
    return await ledger.versions(request, DEPLOYMENTS, workspace, name)


@get(
    "/{name:str}/versions/{version:str}",
    **documented(
        {200: DeploymentVersion},
        "object",
        query=PointQuery,
        refuses=(InvalidVersion, DeploymentVersionNotFound),
    ),
)
async def get_deployment_version(
    request: AnyRequest,
    workspace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    ledger: NamedDependency[Ledger],
) -> ASGIResponse:
    """One version."""
    found = await ledger.version(request, DEPLOYMENTS, workspace, name, version)
    if found is None:
        raise DeploymentVersionNotFound(workspace, name, version)
    return found_response(request, found)


@delete(
    "/{name:str}/versions/{version:str}",
    status_code=200,
    **documented({202: None, 204: None}, "write", refuses=(InvalidVersion, DeploymentVersionNotFound)),
)
async def delete_deployment_version(
    request: AnyRequest,
    workspace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    ledger: NamedDependency[Ledger],
) -> ASGIResponse:
    """Mark one version for deletion; remove it if it is DELETED."""
    command = DeleteDeployment(workspace=workspace, name=name, version=version, **circumstances(request))
    return await ledger.write(request, command)


ROUTES = Router(
    "/apis/models/v2/workspaces/{workspace:str}/deployments",
    tags=["Deployments"],
    route_handlers=[
        list_deployments,
        create_deployment,
        get_deployment,
        update_deployment,
        roll_back_deployment,
        delete_deployment,
        update_deployment_status,
        get_deployment_models,
        list_deployment_versions,
        get_deployment_version,
        delete_deployment_version,
    ],
)
