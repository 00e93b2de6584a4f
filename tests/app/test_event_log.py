import asyncio

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from app.batch import Batch, Write
from app.event_log import EventLog
from tests.support.builders import at, create, create_config, update
from tests.support.committing import commit, opened_log, run

pytestmark = pytest.mark.both_servers


@pytest.fixture
def log(database_url):
    with opened_log(database_url) as log:
        yield log


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET topic = 'x'",
        "DELETE FROM stored_events",
        "TRUNCATE stored_events",
        "DELETE FROM stored_events WHERE false",
    ],
)
def test_the_database_itself_refuses_to_change_history(log, database_url, statement):
    """Not even the owner of the table can update, delete or truncate events."""
    commit(log, create_config(), create())

    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation) as refused,
    ):
        connection.execute(statement)

    assert "never changed or removed" in str(refused.value)
    assert 2 == len(log.read(0, 10))


def test_positions_are_dense_and_times_increase(log):
    """Over batches, refusals and a clock that stands still or goes back."""
    commit(log, create_config(), create(), create(), update(), clock=lambda: at(10))
    commit(log, create(name="other"), update(name="unknown"), clock=lambda: at(5))
    commit(log, update(), clock=lambda: at(10))

    events = log.read(0, 100)
    assert [1, 2, 3, 4, 5] == [recorded.position for recorded in events]
    times = [recorded.event.at for recorded in events]
    assert sorted(set(times)) == times


def test_the_library_reads_what_was_written(log):
    """The recorder's own ways to read a stream and the log give the same events."""
    commit(log, create_config(), create(), update())

    stream = log.select_events("default/deployments/llama")
    assert [(1, "deployment.created"), (2, "deployment.updated")] == [
        (stored.originator_version, stored.topic) for stored in stream
    ]
    assert 3 == log.max_notification_id()
    assert [recorded.event for recorded in log.read(1, 2)] == [
        log.mapper.to_domain_event(stored).event for stored in stream
    ]


def test_a_failing_batch_leaves_nothing(log):
    """Neither event, nor row, nor position."""
    commit(log, create_config())

    async def fail():
        async with log.batch() as session:
            await Batch(log, session, [Write(create())], lambda: at(1)).run()
            await session.exchange()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(log, fail())
    assert 1 == log.max_notification_id()
    commit(log, create())
    assert [1, 2] == [recorded.position for recorded in log.read(0, 10)]


def test_the_log_tells_whether_it_holds_an_event(log):
    """By its content, not only its position."""
    commit(log, create_config(), create())
    recorded = log.read(1, 1)[0]

    async def ask():
        async with log.batch() as session:
            others = [recorded._replace(stream_version=9), recorded._replace(position=3)]
            return [await log.holds(session, each) for each in (recorded, *others)]

    assert [True, False, False] == run(log, ask())


def test_a_batch_that_fails_disturbs_no_later_one(log):
    """The connection stays, and what is prepared on it; after one that was cancelled there is a new one."""

    async def failing(fault):
        async with log.batch() as session:
            await session.head()
            raise fault

    async def pid():
        async with log.batch() as session:
            await session.head()
            rows = session.execute("SELECT pg_backend_pid()")
            await session.exchange()
            [(found,)] = rows
        return found

    async def one_after_the_other():
        pids = [await pid()]
        for fault in (ZeroDivisionError, asyncio.CancelledError):
            with pytest.raises(fault):
                await failing(fault)
            pids.append(await pid())
        return pids

    first, after_a_failure, after_a_cancellation = run(log, one_after_the_other())

    assert first == after_a_failure != after_a_cancellation


def test_appending_without_a_place_is_refused(log):
    """The library's own way to append knows no positions of ours, so it cannot slip in events."""
    stored = StoredEvent("default/deployments/x", 1, "deployment.created", b"{}")

    with pytest.raises(ValueError, match="zip"):
        log.insert_events([stored])

    assert log.max_notification_id() is None


def test_the_unlocked_way_of_the_library_is_refused(database_url, monkeypatch):
    """With database functions on, the library would append without the lock that followers rely on."""
    import app.event_log as module  # noqa: PLC0415 - the seam to set the library's option

    class Unlocked(module._Datastore):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.enable_db_functions = True

    monkeypatch.setattr(module, "_Datastore", Unlocked)

    with pytest.raises(ValueError, match="enable_db_functions skips the log's lock"):
        EventLog(database_url)


@pytest.mark.parametrize(("configured", "used"), [("off", "on"), ("remote_apply", "remote_apply")])
def test_what_is_acknowledged_was_flushed(database_url, configured, used):
    """Writers commit synchronously although the database says otherwise; stronger settings stay."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {configured}")

    async def ask(log):
        async with log.batch() as session:
            rows = session.execute("SHOW synchronous_commit")
            await session.exchange()
            return list(rows)

    with opened_log(database_url) as log:
        assert [(used,)] == run(log, ask(log))


def test_a_position_is_taken_once(log):
    """An event at a position that another one has is refused, and its batch leaves nothing."""
    commit(log, create_config())
    (event,) = log.read(0, 10)

    async def append():
        async with log.batch() as session:
            log.append(session, [event._replace(name="other")])

    with pytest.raises(psycopg.errors.UniqueViolation):
        run(log, append())

    assert [event] == log.read(0, 10)
