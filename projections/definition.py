"""How the tables of versions are made, in whatever schema: the code that fills a table also says its shape.

A file `<table>.sql` names its statements after what they make: the table itself, its key, its indexes.
"""

from __future__ import annotations

import re
from typing import Any, Final, LiteralString, NamedTuple

from domain.names import Resource
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS
from projections.sql import statements
from projections.versions import VersionsTable

PROJECTIONS: Final[dict[Resource, VersionsTable[Any]]] = {
    "deployments": DEPLOYMENTS,
    "deployment-configs": DEPLOYMENT_CONFIGS,
}
_ADDED_LATER: Final = {"deployment_versions_latest_status"}
"""Indexes that migrations gave to tables that had their version already."""
_COMMENT: Final = re.compile("--.*")
_BY_NAME: Final = re.compile(r'\(workspace(?: COLLATE "POSIX")?, name\b')


class Definition(NamedTuple):
    """Statements that make a table: first the empty table, then key and indexes by the names they get."""

    create: LiteralString
    indexes: dict[str, LiteralString]

    @property
    def by_name(self) -> dict[str, LiteralString]:
        """Those of the indexes, the key among them, that have the rows of a name beside each other."""
        return {name: index for name, index in self.indexes.items() if _BY_NAME.search(index)}

    @property
    def text(self) -> str:
        """What tells versions apart: no comments, no layout, no index added later, as it changes no row."""
        first = [index for name, index in self.indexes.items() if name not in _ADDED_LATER]
        return " ".join(_COMMENT.sub("", "\n".join((self.create, *first))).split())


def definition(resource: Resource, schema: LiteralString) -> Definition:
    """How the table of a resource is made in a schema."""
    table = PROJECTIONS[resource].table
    named = statements(f"{table}.sql", schema=schema)
    return Definition(named.pop(table), named)
