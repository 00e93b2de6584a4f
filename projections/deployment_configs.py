"""Rows of deployment config versions, and what config references resolve to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from domain import deployment_config
from domain.deployment_config import DeploymentConfigVersion
from projections.sql import Session, statements
from projections.timeline import Row
from projections.versions import Key, VersionsTable

_STATEMENT = statements("deployment_configs.sql")
_encode = msgspec.json.Encoder().encode


class DeploymentConfigColumns(msgspec.Struct, frozen=True):
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
    id: str
    project: str | None
    description: str | None
    engine: str
    model_entity_id: str | None
    body: str


def columns(
    workspace: str, name: str, row: Row[DeploymentConfigVersion], body: str
) -> DeploymentConfigColumns:
    """A row as it is inserted."""
    state = row.snapshot.state
    return DeploymentConfigColumns(
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
        state.id,
        state.project,
        state.description,
        state.engine,
        state.model_entity_id,
        body,
    )


DEPLOYMENT_CONFIGS = VersionsTable(
    "deployment-configs",
    "deployment_config_versions",
    state=DeploymentConfigVersion,
    fold=deployment_config.changes,
    columns=columns,
    insert=_STATEMENT["insert"],
)


def pin(session: Session, references: Sequence[Key]) -> Callable[[], list[int | None]]:
    """Ask for the version that each reference resolves to; call what this returns when they are there.

    That is the latest where none is named, and None if it is not stored.
    """
    keys = [
        {"n": n, "workspace": key.workspace, "name": key.name, "version": key.version}
        for n, key in enumerate(references)
    ]
    asked = session.execute(_STATEMENT["pin"], {"keys": _encode(keys).decode()})

    def read() -> list[int | None]:
        found: list[int | None] = [None] * len(references)
        for n, version in asked:
            found[n] = version
        return found

    return read
