"""Rows of deployment versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from domain import deployment
from domain.deployment import DeploymentVersion
from domain.deployment_config import Referrer
from projections.sql import Session, statements
from projections.timeline import Row
from projections.versions import VersionsTable

_STATEMENT = statements("deployments.sql")


class DeploymentColumns(msgspec.Struct, frozen=True):
    """A row as it is inserted; see the migration that creates the table."""

    workspace: str
    name: str
    version: int
    valid_from: int
    valid_until: int
    latest_until: int
    changed_position: int
    created_position: int
    created_at: datetime
    updated_at: datetime
    config_version: int
    id: str
    project: str | None
    config: str
    status: str
    status_message: str
    model_provider_id: str | None
    body: str


def columns(workspace: str, name: str, row: Row[DeploymentVersion], body: str) -> DeploymentColumns:
    """A row as it is inserted."""
    state = row.snapshot.state
    return DeploymentColumns(
        workspace,
        name,
        row.version,
        row.valid_from,
        row.valid_until,
        row.latest_until,
        row.snapshot.position,
        row.created_position,
        state.created_at,
        state.updated_at,
        state.config_version,
        state.id,
        state.project,
        state.config,
        state.status,
        state.status_message,
        state.model_provider_id,
        body,
    )


DEPLOYMENTS = VersionsTable(
    "deployments",
    "deployment_versions",
    state=DeploymentVersion,
    fold=deployment.changes,
    columns=columns,
    insert=_STATEMENT["insert"],
)


def referrers(session: Session, workspace: str, config: str) -> Callable[[], list[Referrer]]:
    """Ask for the deployments of a workspace that refer to a config, see `domain.deployment_config.Referrer`.

    Call what this returns when they are there.
    """
    rows = session.execute(_STATEMENT["referrers"], {"workspace": workspace, "config": config})
    return lambda: [Referrer(*row) for row in rows]


def newest_to_restore(session: Session, workspace: str, name: str) -> Callable[[], int | None]:
    """Ask for the newest stored version before the latest one that was ever READY; None if there is none.

    Call what this returns when it is there.
    """
    rows = session.execute(_STATEMENT["newest_to_restore"], {"workspace": workspace, "name": name})
    return lambda: next((version for (version,) in rows), None)
