"""What a question about the past reads does not depend on how long the past is."""

from datetime import UTC, datetime

import psycopg
import pytest

from app.reader import READER_SESSION
from domain.sight import EVERYTHING_SEEN
from projections.blame import blame
from projections.comparison import compare
from projections.history import History, Selection, Span
from projections.references import Name, Reference
from tests.support.builders import create, create_config, report, update
from tests.support.committing import commit, opened_log

EVENTS = 10_000
NAME = Name("deployments", "default", "llama")
ROWS_MAX = 100
"""Far more than a page of three entries takes, far fewer than the stream has."""


@pytest.fixture(scope="module", params=["never analysed", "analysed"])
def connection(request, postgres_servers):
    """A reader's connection to a database with a stream of 10,000 events, and half as many of another workspace."""
    with postgres_servers("18").new_database() as url:
        fill(url)
        with psycopg.connect(url, autocommit=True) as connection:
            if request.param == "analysed":
                connection.execute("ANALYZE")
            connection.execute(READER_SESSION)
            # The plan that a server's prepared statements end up with.
            connection.execute("SET plan_cache_mode = force_generic_plan")
            yield connection


def fill(url):
    """Versions of a deployment, every fifth of which becomes READY."""
    commands = [create_config(), create(), create_config(workspace="busy")]
    commands += [
        report("READY", str(n)) if n % 5 == 4 else update(id=f"d-{n}", reason=None) for n in range(EVENTS - 1)
    ]
    commands += [create_config(workspace="busy", name=f"c-{n}") for n in range(EVENTS // 2)]
    with opened_log(url) as log:
        for begin in range(0, len(commands), 1000):
            commit(log, *commands[begin : begin + 1000], clock=lambda: datetime.now(UTC))


def measured(connection, question):
    """The answer to a question, and how many rows its statements looked at."""
    rows = 0
    try:
        ask = next(question)
        while True:
            plan = connection.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {ask.statement}", ask.parameters
            ).fetchone()[0][0]["Plan"]
            rows += sum(looked_at(node) for node in nodes(plan))
            ask = question.send(connection.execute(ask.statement, ask.parameters).fetchall())
    except StopIteration as ended:
        return ended.value, rows


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def looked_at(node):
    """Rows that a scan of a table or of an index met."""
    if "Relation Name" not in node:
        return 0
    met = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    met += node.get("Rows Removed by Index Recheck", 0)
    return met * node["Actual Loops"]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("after", [None, 1, 17, EVENTS // 2, EVENTS + 1])
def test_a_page_of_a_long_stream_is_found_without_scanning_it(connection, newest_first, after):
    """Wherever the page begins: the position is found by bisection."""
    span = Span(newest_first=newest_first, limit=3)
    if after is not None:
        span = span.after(after)

    page, rows = measured(connection, History(lambda _: EVERYTHING_SEEN).of_name(NAME, span))

    direction = -1 if newest_first else 1
    stream = [2, *range(4, EVENTS + 3)]
    assert [p for p in stream if span.low < p <= span.high][::direction][:3] == [
        e.position for e in page.data
    ]
    assert rows < ROWS_MAX


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    ("workspace", "after"), [("default", None), ("default", 5000), ("busy", None), ("-", 5000)]
)
def test_a_page_of_a_workspace_is_read_from_its_index(connection, newest_first, workspace, after):
    """Also if nearly all of the log is another workspace's."""
    span = Span(newest_first=newest_first, limit=3)
    if after is not None:
        span = span.after(after)
    question = History(lambda _: EVERYTHING_SEEN).of_workspace(workspace, span, Selection())

    page, rows = measured(connection, question)

    assert 3 == len(page.data)
    assert rows < ROWS_MAX


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_of_some_workspaces_is_read_from_the_index(connection, newest_first):
    """Also if nearly all of the log is another one's: as much of each as the page could take."""
    span = Span(newest_first=newest_first, limit=3)
    only = ["busy", "default", "nothing"]
    question = History(lambda _: EVERYTHING_SEEN).of_workspace("-", span, Selection(), only)

    page, rows = measured(connection, question)

    assert 3 == len(page.data)
    assert rows < ROWS_MAX


def test_a_workspace_that_has_nothing_is_not_searched_for(connection):
    """An empty page costs nothing."""
    question = History(lambda _: EVERYTHING_SEEN).of_workspace("nothing", Span(), Selection())

    page, rows = measured(connection, question)

    assert ((), 0) == (page.data, rows)


def test_states_are_compared_without_scanning_the_stream(connection):
    """Of versions, of positions, and of the configs they refer to."""
    question = compare(NAME, Reference(version=1), Reference(position=EVENTS // 2), EVERYTHING_SEEN)

    told, rows = measured(connection, question)

    assert [2, EVENTS // 2] == [told.origin.position, told.to.position]
    assert rows < ROWS_MAX


def test_blame_reads_each_ancestor_once(connection):
    """Fields that never changed lead to the first version; of a line of 8,000 no row is read over and over."""
    told, rows = measured(connection, blame(NAME, Reference(), EVERYTHING_SEEN))

    setters = {field.field: field.position for field in told.fields}
    assert (2, EVENTS + 2) == (setters["/name"], setters["/updated_at"])
    assert rows < 10 * EVENTS
