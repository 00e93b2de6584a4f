import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from app.batch import Batch, Write
from app.event_log import EventLog
from tests.support.builders import at, create, create_config, update

pytestmark = pytest.mark.both_servers


@pytest.fixture
def log(database_url):
    with_log = EventLog(database_url)
    yield with_log
    with_log.datastore.close()


def run(log, *commands, now=None):
    """Commit commands in one batch."""
    with log.batch() as (session, head):
        batch = Batch(log, session, head, lambda: now or at(0))
        return batch.run([Write(command) for command in commands])


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
    run(log, create_config(), create())

    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation) as refused,
    ):
        connection.execute(statement)

    assert "never changed or removed" in str(refused.value)
    assert 2 == len(log.read(0, 10))


def test_positions_are_dense_and_times_increase(log):
    """Over batches, refusals and a clock that stands still or goes back."""
    run(log, create_config(), create(), create(), update(), now=at(10))
    run(log, create(name="other"), update(name="unknown"), now=at(5))
    run(log, update(), now=at(10))

    events = log.read(0, 100)
    assert [1, 2, 3, 4, 5] == [recorded.position for recorded in events]
    times = [recorded.event.at for recorded in events]
    assert sorted(set(times)) == times


def test_the_library_reads_what_was_written(log):
    """The recorder's own ways to read a stream and the log give the same events."""
    run(log, create_config(), create(), update())

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
    run(log, create_config())

    with pytest.raises(ZeroDivisionError), log.batch() as (session, head):
        Batch(log, session, head, lambda: at(1)).run([Write(create())])
        raise ZeroDivisionError

    assert 1 == log.max_notification_id()
    run(log, create())
    assert [1, 2] == [recorded.position for recorded in log.read(0, 10)]


def test_the_log_tells_whether_it_holds_an_event(log):
    """By its content, not only its position."""
    run(log, create_config(), create())
    recorded = log.read(1, 1)[0]

    with log.batch() as (session, _):
        assert log.holds(session, recorded)
        assert not log.holds(session, recorded._replace(stream_version=9))
        assert not log.holds(session, recorded._replace(position=3))


def test_reading_and_failing_disturb_no_later_batch(log):
    """The driver forgets statements that it prepared after every rollback; those of batches stay."""
    run(log, create_config())
    for _ in range(2):
        log.read(0, 10)
    with pytest.raises(ZeroDivisionError), log.batch() as (_, head):
        head()
        raise ZeroDivisionError

    assert [201] == [answer.status for answer in run(log, create())]


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
    log = EventLog(database_url)
    with log.batch() as (session, _):
        [found] = session.execute("SHOW synchronous_commit")
    log.datastore.close()

    assert (used,) == found


def test_a_position_is_taken_once(log):
    """An event at a position that another one has is refused, and its batch leaves nothing."""
    run(log, create_config())
    (event,) = log.read(0, 10)

    with pytest.raises(psycopg.errors.UniqueViolation), log.batch() as (session, _):
        log.append(session, [event._replace(name="other")])

    assert [event] == log.read(0, 10)
