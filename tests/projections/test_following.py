import psycopg
import pytest
from psycopg.rows import tuple_row

from projections import following
from projections.following import EVERYTHING, GapInLog, Wanted, page_of_log
from projections.questions import answered
from tests.support.builders import create, create_config, delete, report, update, update_config
from tests.support.committing import commit, opened_log

pytestmark = pytest.mark.both_servers


@pytest.fixture
def log(database_url):
    """A log of 12 events."""
    commands = [
        create_config(),
        create(),
        update(),
        create(name="other"),
        report("READY", "x" * 900),
        update_config(description="y" * 900),
        report("DELETED", version="1"),
        delete("1"),
        create(name="third"),
        report("DELETED"),
        delete(),
        update(name="third"),
    ]
    with opened_log(database_url) as log:
        for command in commands:
            commit(log, command)
        yield log


@pytest.fixture
def connection(database_url):
    with psycopg.connect(database_url, autocommit=True, row_factory=tuple_row) as connection:
        yield connection


def follow(connection, wanted=EVERYTHING, after=0, until=12):
    """All events up to a position, and how many pages they took."""
    events, pages = [], 0
    while after < until:
        page = answered(connection, page_of_log(after, until, wanted))
        assert after < page.position <= until
        events += page.events
        after = page.position
        pages += 1
    return events, pages


def test_page_is_the_log(log, connection):
    """Every event with its place, who and when; states that are gone are None."""
    events, pages = follow(connection)

    assert 1 == pages
    recorded = log.read(0, 100)
    assert [(r.position, r.workspace, r.name, r.event.at) for r in recorded] == [
        (e.position, e.workspace, e.name, e.at) for e in events
    ]
    assert ((1, None),) == events[7].versions
    assert [(2, None)] == list(events[10].versions)
    assert all(body for e in events if e.position not in {8, 11} for _, body in e.versions)


@pytest.mark.parametrize("size", [1, 500, 1500, 4000])
def test_pages_are_small_and_complete(log, connection, monkeypatch, size):
    """Whatever a page may hold, of events or of bodies, all pages together are the log."""
    whole, _ = follow(connection)
    monkeypatch.setattr(following, "PAGE_BYTES_MAX", size)

    events, pages = follow(connection)
    assert whole == events
    assert pages > 1


@pytest.mark.parametrize(
    "wanted",
    [
        EVERYTHING,
        Wanted(workspaces=("default",)),
        Wanted(workspaces=("elsewhere", "nowhere")),
        Wanted(workspaces=()),
        Wanted(resource="deployments", name="third"),
        Wanted(resource="deployment-configs"),
        Wanted(kind="deployment.purged"),
    ],
)
@pytest.mark.parametrize(("events_max", "span_max"), [(2, 100), (100, 3), (2, 3), (1, 1)])
def test_wanted_events_come_however_few_they_are(log, connection, monkeypatch, wanted, events_max, span_max):
    """A page that has none moves on all the same, and what matches in memory matches in the database."""
    whole, _ = follow(connection)
    monkeypatch.setattr(following, "PAGE_EVENTS_MAX", events_max)
    monkeypatch.setattr(following, "SPAN_MAX", span_max)

    events, _ = follow(connection, wanted)
    assert [event for event in whole if wanted.matches(event)] == events


def test_gap_is_not_passed_over(log, connection):
    """Nobody is told what follows an event that is missing."""
    connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
    connection.execute("DELETE FROM stored_events WHERE notification_id = 4")

    with pytest.raises(GapInLog, match="after position 3 the log goes on at 5: 4 is missing"):
        follow(connection)
