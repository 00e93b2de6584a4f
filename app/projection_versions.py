"""The versions of the projections: those that this program has, and those that are live in a database.

A program whose versions are not the live ones is *stale*, be it older or newer. It must not write, because
rows of one fold do not belong into tables of another, and says so; it reads on, as what is live is released.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version as installed_version
from typing import Any, Final, LiteralString

import msgspec
from psycopg import Connection
from typing_extensions import override

from domain.names import Resource
from projections.definition import PROJECTIONS
from projections.fold_version import fold_version

RELEASE: Final = installed_version("deployment-ledger")

_STALE: Final[LiteralString] = """
    SELECT coalesce(l.resource, o.resource), o.version, l.version, l.release, l.position,
           EXISTS (SELECT FROM projection_versions h WHERE h.resource = o.resource AND h.version = o.version)
      FROM live_projections l
      FULL JOIN json_each_text(%(own)s) o (resource, version) ON o.resource = l.resource
     WHERE o.version IS DISTINCT FROM l.version
     ORDER BY 1
"""


@cache
def own_versions() -> Mapping[Resource, str]:
    """The version of each projection that this program has."""
    return {resource: fold_version(resource) for resource in PROJECTIONS}


def versions_of(resources: Iterable[Resource]) -> dict[Resource, str]:
    """The versions of some projections that this program has."""
    return {resource: own_versions()[resource] for resource in resources}


class Stale(msgspec.Struct, frozen=True):
    """A projection whose live table is not of this program's version.

    The program is newer if its version was never live in the database, and older if it was, before this one,
    or if it does not know the projection at all.
    """

    resource: str
    own: str | None
    live: str | None
    live_release: str | None
    live_since: int | None
    was_live: bool

    @property
    def newer(self) -> bool:
        """Whether the program may be the one to build new tables."""
        return self.own is not None and not self.was_live

    @override
    def __str__(self) -> str:
        """The sentence for clients and operators, with what can be done."""
        return (
            f"the projection {self.resource} is of version {self.live} since position {self.live_since} "
            f"(release {self.live_release}), and this program has version {self.own}, which is "
            + (_NEWER if self.newer else _OLDER)
        )


def ask_stale() -> tuple[LiteralString, Mapping[str, str]]:
    """The statement, with its parameters, whose rows are `Stale`."""
    return _STALE, {"own": msgspec.json.encode(own_versions()).decode()}


def stale_in(connection: Connection[Any]) -> list[Stale]:
    """The projections of a database whose live tables are not of this program's versions."""
    return [Stale(*row) for row in connection.execute(*ask_stale()).fetchall()]


_NEWER: Final = (
    "newer: `deployment-ledger rebuild start` of this release builds its tables, and so does "
    "`serve --on-stale=build`"
)
_OLDER: Final = (
    "older, it was live before: run the release that made the live tables, or go back with "
    "`deployment-ledger rebuild rollback` of this release"
)
