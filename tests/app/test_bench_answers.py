"""Answers that a benchmark must not take for right ones."""

import json

import psycopg
import pytest

from app.bench.constants import Answers, made
from app.bench.fleet import Fleet
from app.bench.load import Result
from app.bench.loading import load
from app.bench.measurements import WrongAnswer
from app.bench.pages import Page
from app.bench.scene import check_log
from app.bench.turns import Used, sample
from app.settings import Settings
from tests.support.rebuild import Rebuild

FLEET = Fleet("default", "c", 20, versions=3, pending=4)
ACKNOWLEDGED = list(range(2, FLEET.events + 1))
ROW = "UPDATE deployment_versions SET {} WHERE name = 'model-7' AND version = 3 AND latest_until > 10^18"


@pytest.fixture
def filled(database_url):
    load(database_url, FLEET.log(1), FLEET.events)
    assert Rebuild(database_url).finish(slice_events=500, accept=True).switched
    return database_url


def wrong(url, written=FLEET.events, acknowledged=ACKNOWLEDGED):
    with pytest.raises(WrongAnswer) as found:
        check_log(url, written, acknowledged)
    return str(found.value)


def test_a_constant_answer_is_called_like_the_service_s():
    """All its routes of one object, so that it costs no more than what the service could do without."""
    handlers = made(Answers(), Settings()).fast_path.handlers.values()

    assert {"_update", "_status", "_latest", "_version"} == {handler.__name__ for handler in handlers}


def test_what_was_acknowledged_has_to_be_in_the_log(filled):
    """An answer that was swallowed, a write that was lost, and a position given twice are found out."""
    check_log(filled, FLEET.events, ACKNOWLEDGED)

    swallowed = wrong(filled, FLEET.events - 1)
    assert "80 writes were acknowledged; events and the last position are (81, 81)" == swallowed
    assert "were acknowledged; events and the last position are" in wrong(filled, FLEET.events + 1)
    assert "with the same position" in wrong(filled, acknowledged=[5, 6, 6])
    assert "with none of the log" in wrong(filled, acknowledged=[FLEET.events + 1])


@pytest.mark.parametrize("change", ["version = 4", "changed_position = 9", "latest_until = 9"])
def test_readers_have_to_see_the_highest_version_as_of_its_last_event(filled, change):
    """Another version, an earlier state, or none."""
    with psycopg.connect(filled) as connection:
        connection.execute(ROW.format(change))

    assert (
        "1 deployments have gaps in their versions, or show another: ('default/deployments/model-7',)"
        == wrong(filled)
    )


@pytest.mark.parametrize(
    ("number", "last"), [("4", "default/deployments/model-7"), ("2", "default/deployments/model-7")]
)
def test_versions_have_to_be_without_gap_and_repetition(filled, number, last):
    """The numbers are those that the events say."""
    with psycopg.connect(filled) as connection:
        connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
        connection.execute(
            """UPDATE stored_events SET state = replace(convert_from(state, 'UTF8'), '"version":3', %s)::bytea
                WHERE originator_id = %s AND originator_version = 3""",
            (f'"version":{number}', last),
        )

    assert "1 deployments have gaps" in wrong(filled)


def test_anything_but_success_is_wrong():
    """Refusals, broken connections, and requests without an answer."""
    good = Result(answers={"201": 5, "200": 1}, seconds={"201": [0.1] * 5, "200": [0.2]}, in_time={"201": 5})
    assert 2.5 == sample(good, 2.0, Used(0.0, 0.0)).rate

    for change in ({"answers": {"201": 5, "503": 1}}, {"broken": 1}, {"unanswered": 1}, {"not_sent": 1}):
        bad = Result(**{"answers": {"201": 5}, **change})
        with pytest.raises(WrongAnswer):
            sample(bad, 2.0, Used(0.0, 0.0))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("page_size=3&page=2", [3, 4, 5]),
        ("page_size=3&page=1&filter[status]=READY", [1, 2, 3]),
        ("page_size=1000&all_versions=true&filter[status]=PENDING", [0, 5, 10, 15]),
    ],
)
def test_pages_have_to_be_what_the_log_adds_up_to(query, numbers):
    """Names in their order, and the number of all."""
    page, total = Page("default", query), 20 if "filter" not in query else 16 if "READY" in query else 4

    def answer(numbers, total):
        names = [{"name": f"model-{number}"} for number in numbers]
        return json.dumps({"data": names, "pagination": {"total_results": total}})

    page.checked(answer(numbers, total), FLEET)
    for text in (answer(numbers[::-1], total), answer(numbers[1:], total), answer(numbers, total + 1)):
        with pytest.raises(WrongAnswer):
            page.checked(text, FLEET)
