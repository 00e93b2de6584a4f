"""The one door to the event library: the log of all events in PostgreSQL.

Only this module knows how order is made: whoever appends holds one transaction-scoped advisory lock until
the commit, so positions are dense and grow in the order of commits, and a reader that follows them misses
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Any, Final, LiteralString, NamedTuple, Self

import msgspec
from eventsourcing.persistence import Mapper, Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL
from typing_extensions import override

from app.connections import WAIT_SECONDS_MAX, address, connected, in_time
from app.pipeline import Pipeline
from app.pipelined_session import PipelinedSession
from domain.kinds import KINDS, Kinds, resource_of, stored_name
from domain.names import Resource, stream_id
from domain.stream import Event, Recorded
from projections.sql import Session

LOCK: Final[LiteralString] = "SELECT pg_advisory_xact_lock(7239001104823357761)"
"""Until the transaction ends nobody else appends."""
WAIT_FOR_WRITERS: Final[LiteralString] = "SELECT pg_advisory_xact_lock_shared(7239001104823357761)"
"""On its own in a transaction: every append that had begun before has ended."""

_HEAD: Final[LiteralString] = """
    SELECT l.versions, e.notification_id, e.recorded_at
      FROM (SELECT json_object_agg(resource, version) AS versions FROM live_projections) l
      LEFT JOIN LATERAL (
           SELECT notification_id, recorded_at FROM stored_events ORDER BY notification_id DESC LIMIT 1
           ) e ON true
"""
_STREAM_VERSIONS: Final[LiteralString] = """
    SELECT k.n, (SELECT max(e.originator_version) FROM stored_events e WHERE e.originator_id = k.stream)
      FROM json_to_recordset(%(keys)s) AS k (n int, stream text)
"""
_INSERT: Final[LiteralString] = """
    INSERT INTO stored_events
           (originator_id, originator_version, topic, state, notification_id, recorded_at)
    SELECT originator_id, originator_version, topic, convert_to(state, 'UTF8'), notification_id, recorded_at
      FROM json_to_recordset(%(events)s) AS e (originator_id text, originator_version bigint, topic text,
           state text, notification_id bigint, recorded_at timestamptz)
"""
_AT_POSITION: Final[LiteralString] = """
    SELECT originator_id, originator_version, state FROM stored_events WHERE notification_id = %(position)s
"""
# Writers look up rows by key and nothing else. A plan made while a table was small must not scan it when it
# has grown, so the plans that scan are ruled out for these connections. And whatever the server is set to:
# what is read under the lock is what was committed before it, so each statement needs its own snapshot; and
# what is acknowledged was flushed to disk, while a stronger setting, which waits for standbys, is kept.
WRITER_SESSION: Final[LiteralString] = """
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '30s';
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off;
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class Head(NamedTuple):
    """The end of the log: its last position (0 if it is empty) and the time of the last event.

    `live` are the versions of the tables that show it, which cannot change while the log's lock is held.
    """

    position: int
    at: datetime
    live: Mapping[Resource, str] = MappingProxyType({})

    def next_time(self, now: datetime) -> datetime:
        """A time for the next event: now, or just after the last event if the clock has not passed it."""
        return max(now, self.at + timedelta(microseconds=1))


class Transaction(PipelinedSession):
    """One transaction under the log's lock, which it holds from the first exchange until its end.

    `async with` it: what fails is rolled back, and whoever is cancelled leaves the connection closed.
    """

    def __init__(self, pipeline: Pipeline, seconds: float) -> None:
        super().__init__(pipeline, seconds)
        self._seconds = seconds
        self.execute("BEGIN")
        self.execute(LOCK)
        self._head = self.execute(_HEAD)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, fault: BaseException | None, __: TracebackType | None
    ) -> None:
        if isinstance(fault, Exception):
            await self.rollback()
        elif fault is not None:
            self._pipeline.close()

    def follower(self) -> Transaction:
        """One that begins where this one ends: what it sends goes behind the commit that this one sent.

        It comes to nothing if this one fails, and a rollback of this one ends it, too.
        """
        return Transaction(self._pipeline, self._seconds)

    async def head(self) -> Head:
        """The end of the log, which is an exchange: from now on nobody else appends."""
        await self.exchange()
        [(live, position, at)] = self._head
        return Head(position or 0, at or datetime.fromtimestamp(0, UTC), live or {})


class EventMapper(Mapper[str]):
    """Stores events as JSON under stable names instead of class paths."""

    def __init__(self, kinds: Kinds = KINDS) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._kinds = kinds

    @override
    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The stored form of a `Recorded` event."""
        event: Event = domain_event.event
        return StoredEvent(
            originator_id=stream_id(domain_event.workspace, resource_of(event), domain_event.name),
            originator_version=domain_event.stream_version,
            topic=stored_name(event),
            state=self._encode(event),
        )

    @override
    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event with its place; the position is 0 where it was read without one."""
        position = stored_event.id if isinstance(stored_event, Notification) else 0
        return self._kinds.recorded(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
            position,
        )


class _Datastore(PostgresDatastore):
    """A connection for each use, in place of the library's pool: the library reads, it never writes."""

    def __init__(self, database_url: str) -> None:
        super().__init__("", "", "", "", "", originator_id_type="text")
        self._address = address(database_url, "log")

    @override
    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        with Connection[DictRow].connect(self._address, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    @override
    def register_type_adapters(self) -> None:
        """Do nothing: only functions in the database have such types, and nobody shall wait for it here."""


class EventLog(PostgresApplicationRecorder):
    """Appends events in batches, and reads them back in order."""

    datastore: _Datastore

    def __init__(
        self, database_url: str, *, statement_seconds: float = 30.0, batch_seconds: float = 15.0
    ) -> None:
        datastore = _Datastore(database_url)
        if datastore.enable_db_functions:
            msg = "enable_db_functions skips the log's lock: followers would miss events; leave it off"
            raise ValueError(msg)
        super().__init__(datastore)
        self.lock_table_statements = [SQL(LOCK)]
        self.mapper = EventMapper()
        self._address = address(database_url, "writes")
        self._statement_seconds = statement_seconds
        self._batch_seconds = batch_seconds
        self._pipeline: Pipeline | None = None

    async def begin(self, seconds: float | None = None) -> Transaction:
        """A transaction for the only task that writes, which begins no other before its end.

        It may take so long, or `batch_seconds`; then the connection is cut, and if that is before the commit
        was sent, nothing of it takes place.
        """
        seconds = seconds or self._batch_seconds
        if self._pipeline is None or not self._pipeline.is_idle():
            self._pipeline = await self._connected(seconds)
        return Transaction(self._pipeline, seconds)

    @asynccontextmanager
    async def batch(self, seconds: float | None = None) -> AsyncIterator[Transaction]:
        """Such a transaction that commits at the end."""
        async with await self.begin(seconds) as transaction:
            yield transaction
            await transaction.commit()

    async def close(self) -> None:
        """Hang up; the next batch connects again."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    async def _connected(self, seconds: float) -> Pipeline:
        await self.close()
        connecting = connected(
            self._address,
            WRITER_SESSION,
            statement_seconds=self._statement_seconds,
            prepare_threshold=None,
        )
        return Pipeline(await in_time(connecting, min(seconds, WAIT_SECONDS_MAX)))

    def stream_versions(self, session: Session, streams: Sequence[str]) -> Callable[[], list[int]]:
        """Ask for the number of events in each stream; call what this returns when they are there."""
        keys = [{"n": n, "stream": stream} for n, stream in enumerate(streams)]
        asked = session.execute(_STREAM_VERSIONS, {"keys": msgspec.json.encode(keys).decode()})

        def read() -> list[int]:
            found = [0] * len(streams)
            for n, version in asked:
                found[n] = version or 0
            return found

        return read

    def append(self, session: Session, events: Sequence[Recorded[Any]]) -> None:
        """Append events at the positions they carry, inside a `batch`."""
        stored = [self.mapper.to_stored_event(event) for event in events]
        self._insert_stored_events(session, stored, recorded=events)

    async def holds(self, session: PipelinedSession, recorded: Recorded[Any]) -> bool:
        """Whether exactly this event is in the log at its position."""
        expected = self.mapper.to_stored_event(recorded)
        rows = session.execute(_AT_POSITION, {"position": recorded.position})
        await session.exchange()
        return [(stream, version, bytes(state)) for stream, version, state in rows] == [
            (expected.originator_id, expected.originator_version, expected.state)
        ]

    def read(self, after: int, limit: int) -> list[Recorded[Any]]:
        """Up to `limit` events after a position, in order."""
        notifications = self.select_notifications(after, limit, inclusive_of_start=False)
        return [self.mapper.to_domain_event(notification) for notification in notifications]

    @override
    def _notify_channel(self, curs: Cursor[Any]) -> None:
        """Do nothing: a NOTIFY inside the transaction would serialise the commits of the whole cluster."""

    @override
    def _insert_stored_events(
        self,
        curs: Any,
        stored_events: Sequence[StoredEvent],
        *,
        recorded: Sequence[Recorded[Any]] = (),
        **_: Any,
    ) -> None:
        """The library's hook, with positions and times decided by the writer, in one statement."""
        rows = [_event_row(stored, place) for stored, place in zip(stored_events, recorded, strict=True)]
        curs.execute(_INSERT, {"events": msgspec.json.encode(rows).decode()})


def _event_row(stored: StoredEvent, place: Recorded[Any]) -> Mapping[str, Any]:
    return {
        "originator_id": stored.originator_id,
        "originator_version": stored.originator_version,
        "topic": stored.topic,
        "state": stored.state.decode(),
        "notification_id": place.position,
        "recorded_at": place.event.at,
    }
