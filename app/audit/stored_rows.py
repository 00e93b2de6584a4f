"""Rows of the tables as they are stored, in the order in which the log made them.

A row begins with an event, so rows sorted by `valid_from` can be read beside the log: what an event began has
to be there when the event has been folded, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Connection, sql

from app.audit.log import SLICE_ROWS
from app.audit.scope import Scope
from domain.names import Resource
from projections import deployment_configs, deployments
from projections.deployment_configs import DEPLOYMENT_CONFIGS, DeploymentConfigColumns
from projections.deployments import DEPLOYMENTS, DeploymentColumns
from projections.timeline import Row
from projections.versions import VersionsTable


class Shape(NamedTuple):
    """One of the two tables, and how its rows are made; the body is the last of `fields`."""

    table: VersionsTable[Any]
    columns: Callable[[str, str, Row[Any], str], msgspec.Struct]
    fields: tuple[str, ...]

    def values(self, workspace: str, name: str, row: Row[Any]) -> tuple[Any, ...]:
        """What the table has to hold for a row, with the body's SHA-256 in the body's place."""
        body = self.table.body(row)
        # Kept by no one: a replay holds many rows, and needs each body once.
        row.body = None
        made: tuple[Any, ...] = msgspec.structs.astuple(self.columns(workspace, name, row, ""))
        return (*made[:-1], sha256(body.encode()).digest())


SHAPES: Final[dict[Resource, Shape]] = {
    "deployments": Shape(DEPLOYMENTS, deployments.columns, DeploymentColumns.__struct_fields__),
    "deployment-configs": Shape(
        DEPLOYMENT_CONFIGS, deployment_configs.columns, DeploymentConfigColumns.__struct_fields__
    ),
}


class Found(NamedTuple):
    """A stored row: its key, where it ends, and all its values in the order of the shape's fields."""

    workspace: str
    name: str
    version: int
    valid_from: int
    valid_until: int
    latest_until: int
    values: tuple[Any, ...]


class StoredRows:
    """Rows in the order of `valid_from`, given out event by event."""

    def __init__(self, rows: Iterator[Found]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def before(self, position: int | None) -> Found | None:
        """A row that begins before a position and was not taken yet; of all that are left, for None."""
        row = self._next
        return row if row is not None and (position is None or row.valid_from < position) else None

    def take(self, position: int) -> list[Found]:
        """The rows that begin at a position."""
        taken = []
        while self._next is not None and self._next.valid_from == position:
            taken.append(self._next)
            self._next = next(self._rows, None)
        return taken


@contextmanager
def stored_rows(connection: Connection[Any], scope: Scope) -> Iterator[dict[Resource, StoredRows]]:
    """The rows of a scope, of each resource that it has."""
    with ExitStack() as stack:
        found: dict[Resource, StoredRows] = {}
        for resource, shape in SHAPES.items():
            if scope.resource not in (None, resource):
                continue
            cursor = stack.enter_context(connection.cursor(f"rows of {resource}", binary=True))
            cursor.itersize = SLICE_ROWS
            cursor.execute(_select(shape, scope), scope._asdict())
            found[resource] = StoredRows(map(_found, cursor))
        yield found


def body_of(connection: Connection[Any], resource: Resource, row: Found) -> str:
    """The body of a stored row."""
    statement = sql.SQL(
        "SELECT body FROM {} WHERE workspace = %s AND name = %s AND version = %s AND valid_from = %s"
    ).format(sql.Identifier(SHAPES[resource].table.table))
    stored = connection.execute(statement, row[:4]).fetchone()
    return str(stored[0]) if stored else ""


def _select(shape: Shape, scope: Scope) -> sql.Composed:
    conditions = [
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
        for column in ("workspace", "name")
        if getattr(scope, column) is not None
    ]
    return sql.SQL(
        "SELECT {columns}, sha256(convert_to(body, 'UTF8')) FROM {table} WHERE {conditions}"
        " ORDER BY valid_from, workspace, name, version"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, shape.fields[:-1])),
        table=sql.Identifier(shape.table.table),
        conditions=sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("TRUE"),
    )


def _found(values: tuple[Any, ...]) -> Found:
    return Found._make((*values[:6], values))
