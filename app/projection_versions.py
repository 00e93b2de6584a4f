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
from psycopg import Connection, Cursor
from typing_extensions import override

from domain.kinds import KINDS
from domain.names import Resource
from projections.definition import PROJECTIONS
from projections.fold_version import fold_version

RELEASE: Final = installed_version("deployment-ledger")

_LIVE: Final[LiteralString] = """
    SELECT l.resource, l.version, l.release, l.position,
           EXISTS (SELECT FROM projection_versions h WHERE h.resource = l.resource AND h.version = o.version)
      FROM live_projections l
      LEFT JOIN json_each_text(%s) o (resource, version) ON o.resource = l.resource
"""


@cache
def own_versions() -> Mapping[Resource, str]:
    """The version of each projection that this program has."""
    decode = KINDS.decode
    return {resource: fold_version(resource, decode) for resource in PROJECTIONS}


class Stale(msgspec.Struct, frozen=True):
    """A projection whose live table is not of this program's version.

    The program is newer if its version was never live in the database, and older if it was, before this one.
    """

    resource: Resource
    own: str
    live: str
    live_release: str
    live_since: int
    newer: bool

    @override
    def __str__(self) -> str:
        """The sentence for clients and operators, with what can be done."""
        return (
            f"the projection {self.resource} is of version {self.live} since position {self.live_since} "
            f"(release {self.live_release}), and this program has version {self.own}, which is "
            + (_NEWER if self.newer else _OLDER)
        )


def ask_live() -> tuple[LiteralString, list[str]]:
    """The statement, with its parameters, whose rows `stale` takes."""
    return _LIVE, [msgspec.json.encode(own_versions()).decode()]


def stale(rows: Iterable[tuple[Any, ...]]) -> list[Stale]:
    """The projections whose live tables are not of this program's versions."""
    own = own_versions()
    found = [
        Stale(resource, own[resource], live, release, position, newer=not was_live)
        for resource, live, release, position, was_live in rows
        if own[resource] != live
    ]
    return sorted(found, key=lambda each: each.resource)


def stale_in(connection: Connection[Any] | Cursor[Any]) -> list[Stale]:
    """The projections of a database whose live tables are not of this program's versions."""
    return stale(connection.execute(*ask_live()).fetchall())


_NEWER: Final = (
    "newer: `deployment-ledger rebuild start` of this release builds its tables, and so does "
    "`serve --on-stale=build`"
)
_OLDER: Final = (
    "older, it was live before: run the release that made the live tables, or go back with "
    "`deployment-ledger rebuild rollback` of this release"
)
