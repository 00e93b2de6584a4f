"""A table of versions: load what a batch of commands concerns, and write what its events made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

import msgspec

from domain.names import Resource
from domain.stream import Snapshot
from projections.sql import Session, statements
from projections.timeline import Fold, Row, Timeline

S = TypeVar("S")

_encode = msgspec.json.Encoder().encode


class Key(NamedTuple):
    """A name, and the version of interest beside its latest one."""

    workspace: str
    name: str
    version: int | None = None


class Loaded(NamedTuple, Generic[S]):
    """What the table knows of a name: the highest version ever given out, and open rows."""

    last_version: int
    rows: list[Row[S]]


class VersionsTable(Generic[S]):
    """One of the two tables of versions, with the fold that fills it.

    `columns` gives a row as it is inserted, from workspace, name, row and body.
    """

    def __init__(
        self,
        resource: Resource,
        table: str,
        *,
        state: type[S],
        fold: Fold[S],
        columns: Callable[[str, str, Row[S], str], msgspec.Struct],
        insert: LiteralString,
    ) -> None:
        self.resource = resource
        self.table = table
        self.fold = fold
        self.statement = statements("versions.sql", versions=table)
        self._insert = insert
        self.columns = columns
        self._decode = msgspec.json.Decoder(state).decode

    def load(self, session: Session, keys: Sequence[Key]) -> Callable[[], list[Loaded[S]]]:
        """Ask for the stored rows of each key's latest version and version of interest.

        Call what this returns when they are there.
        """
        numbered = [
            {"n": n, "workspace": key.workspace, "name": key.name, "version": key.version}
            for n, key in enumerate(keys)
        ]
        asked = session.execute(self.statement["load"], {"keys": _encode(numbered).decode()})

        def read() -> list[Loaded[S]]:
            found: list[Loaded[S]] = [Loaded(0, []) for _ in keys]
            for n, last_version, *row in asked:
                rows = found[n].rows
                if row[0] is not None:
                    rows.append(self.stored_row(row))
                found[n] = Loaded(last_version, rows)
            return found

        return read

    def load_for_removal(self, session: Session, key: Key) -> Callable[[], Loaded[S]]:
        """Ask for all open rows of a name, or for those that the removal of one version concerns.

        Call what this returns when they are there.
        """
        where = {"workspace": key.workspace, "name": key.name, "version": key.version}
        if key.version is None:
            asked = session.execute(self.statement["load_all"], where)

            def read_all() -> Loaded[S]:
                rows = list(asked)
                return Loaded(rows[0][1] if rows else 0, [self.stored_row(row[2:]) for row in rows])

            return read_all

        load = self.load(session, [key])
        below = session.execute(self.statement["load_below"], where)

        def read() -> Loaded[S]:
            [loaded] = load()
            known = {row.version for row in loaded.rows}
            loaded.rows.extend(self.stored_row(row[2:]) for row in below if row[2] not in known)
            return loaded

        return read

    def load_open(self, session: Session, names: Sequence[tuple[str, str]]) -> list[list[Row[S]]]:
        """For each name all its open rows."""
        keys = [{"n": n, "workspace": workspace, "name": name} for n, (workspace, name) in enumerate(names)]
        found: list[list[Row[S]]] = [[] for _ in names]
        for n, *row in session.execute(self.statement["load_open"], {"keys": _encode(keys).decode()}):
            found[n].append(self.stored_row(row))
        return found

    def write(self, session: Session, timelines: Iterable[tuple[str, str, Timeline[S]]]) -> None:
        """Bring the table up to what the timelines, each with its workspace and name, have become."""
        ended = []
        added = []
        for workspace, name, timeline in timelines:
            ended += [
                {
                    "place": row.place,
                    "valid_until": row.valid_until,
                    "latest_until": row.latest_until,
                }
                for row in timeline.ended.values()
            ]
            added += [self.columns(workspace, name, row, self.body(row)) for row in timeline.added]
        if ended:
            session.execute(self.statement["end"], {"rows": _encode(ended).decode()})
        if added:
            session.execute(self._insert, {"rows": _encode(added).decode()})

    def body(self, row: Row[S]) -> str:
        """The answer a row gives: exactly what is stored with it."""
        if row.body is None:
            row.body = _encode(row.snapshot.state).decode()
        return row.body

    def stored_row(self, columns: Sequence[Any]) -> Row[S]:
        """An open row, from the columns that statements select of it."""
        version, valid_from, latest_until, changed_position, created_position, place, body = columns
        return Row(
            version,
            Snapshot(self._decode(body), changed_position),
            valid_from=valid_from,
            latest_until=latest_until,
            created_position=created_position,
            body=body,
            place=place,
        )
