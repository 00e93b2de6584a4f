"""The live tables compared with the log, row by row, without anything that outlives the check."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final, LiteralString

import msgspec
import psycopg
from psycopg import Connection, IsolationLevel, sql

from app.audit.stored_rows import SHAPES, Shape
from app.projection_versions import stale_in
from app.reader import HEAD
from app.rebuild import comparing, registry, tables
from app.rebuild.comparing import Difference
from app.rebuild.folding import WORKER_SESSION, RowsOfStreams, values_of
from app.rebuild.registry import RebuildRefused, Slice
from app.rebuild.tables import LIVE
from domain.names import Resource
from projections.references import TABLES
from projections.timeline import Row

TEMPORARY: Final = "pg_temp"
HELD_EVENTS_MAX: Final = 4 * registry.SLICE_EVENTS
"""The events of a slice of which all rows are held in memory: one long stream can be a slice."""

_LIVE: Final[LiteralString] = """
    SELECT {fields} FROM {live} v
      JOIN json_to_recordset(%s) AS k (workspace text, name text)
        ON v.workspace = k.workspace AND v.name = k.name
     LIMIT %s
"""


class Verified(msgspec.Struct, frozen=True):
    """What was checked: events up to a position, the one that the tables say they show, and what differs."""

    events: int
    position: int
    shown: int
    differences: list[Difference]

    @property
    def ok(self) -> bool:
        """Whether the tables are what the log says."""
        return self.shown == self.position and not self.differences


def verify(
    url: str,
    resources: list[Resource],
    workers: int,
    begun: Callable[[int], None] = lambda _: None,
    checked: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Fold all streams up to one snapshot, slice by slice, and compare each slice."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            # Before the snapshot is taken: no rebuild puts others in their place meanwhile.
            tables.lock(connection, resources, "ACCESS SHARE")
            if stale := [str(each) for each in stale_in(connection) if each.resource in resources]:
                raise RebuildRefused("; ".join(stale))
            base, shown = (
                _number(connection, HEAD),
                _number(connection, "SELECT position FROM projection_position"),
            )
            slices = registry.slices(connection, resources, registry.SLICE_EVENTS)
            begun(sum(part.events for part in slices))
            found = [d for name in resources for d in comparing.rows_without_events(connection, name)]
            snapshot = str(_value(connection, "SELECT pg_export_snapshot()"))
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(
                workers, context, initializer=_begin, initargs=(url, snapshot, base, resources)
            ) as pool:
                for part, differences in zip(slices, pool.map(_check, slices), strict=True):
                    found += differences
                    checked(part.events)
    found.sort(key=lambda difference: difference.valid_from)
    return Verified(sum(part.events for part in slices), base, shown, found)


class _Checker:
    """A worker's connection, and the temporary tables that only it sees."""

    def __init__(self, url: str, snapshot: str, base: int, resources: list[Resource]) -> None:
        self._resources = resources
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(WORKER_SESSION)
        for resource in resources:
            statement = sql.SQL("CREATE TEMP TABLE {0} (LIKE {1}.{0}) ON COMMIT DELETE ROWS")
            self._connection.execute(statement.format(sql.Identifier(TABLES[resource]), sql.Identifier(LIVE)))
        self._held = {resource: _Held(SHAPES[resource]) for resource in resources}
        self._holding = RowsOfStreams(self._connection, base, resources, self._held)
        self._copying = RowsOfStreams(self._connection, base, resources)
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        self._snapshot = sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot))

    def check(self, part: Slice) -> list[Difference]:
        """What differs in a slice; PostgreSQL is asked to name it only where something does."""
        with self._connection.transaction():
            self._connection.execute(self._snapshot)
            if part.events <= HELD_EVENTS_MAX and self._is_equal(part):
                return []
            streams = self._copying.copy(part)
            return [
                difference
                for resource in self._resources
                for difference in comparing.differences(
                    self._connection, resource, TEMPORARY, among=_among(streams, resource)
                )
            ]

    def _is_equal(self, part: Slice) -> bool:
        try:
            streams = self._holding.copy(part)
            return all(
                held.is_in(self._connection, _among(streams, resource))
                for resource, held in self._held.items()
            )
        except psycopg.DataError:
            # A live row has a time that Python knows nothing of, such as infinity: no event has one.
            return False
        finally:
            for held in self._held.values():
                held.rows.clear()


class _Held:
    """All rows that a slice makes of one resource."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: set[tuple[Any, ...]] = set()

    def put(self, workspace: str, name: str, rows: list[Row[Any]]) -> None:
        """Hold rows of a stream."""
        self.rows.update(values_of(self.shape, workspace, name, rows))

    def flush(self) -> None:
        """Do nothing: they are held until they were compared."""

    def is_in(self, connection: Connection[Any], names: list[tuple[str, str]]) -> bool:
        """Whether the live table has exactly these rows of some workspaces and names."""
        statement = sql.SQL(_LIVE).format(
            fields=sql.SQL(", ").join(sql.Identifier("v", field) for field in self.shape.fields),
            live=sql.Identifier(LIVE, self.shape.table.table),
        )
        keys = msgspec.json.encode([{"workspace": workspace, "name": name} for workspace, name in names])
        with connection.cursor(binary=True) as cursor:
            # One more than there may be is enough to know.
            live = cursor.execute(statement, [keys.decode(), len(self.rows) + 1]).fetchall()
        return len(live) == len(self.rows) and self.rows.issuperset(live)


def _among(streams: list[tuple[Resource, str, str]], resource: Resource) -> list[tuple[str, str]]:
    return [(workspace, name) for of, workspace, name in streams if of == resource]


_checker: list[_Checker] = []


def _begin(url: str, snapshot: str, base: int, resources: list[Resource]) -> None:
    gc.disable()
    _checker.append(_Checker(url, snapshot, base, resources))


def _check(part: Slice) -> list[Difference]:
    return _checker[0].check(part)


def _value(connection: Connection[Any], statement: Any) -> Any:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


def _number(connection: Connection[Any], statement: Any) -> int:
    return int(_value(connection, statement) or 0)
