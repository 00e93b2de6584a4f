import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from tests.support.service import Service
from tests.support.watching import CONFIG, Watching, Writer, path, seen, stored


@pytest.fixture(scope="module")
def service(module_database_url):
    running = Service("--database-url", module_database_url, "--workers", 2, "--watch-heartbeat-seconds", 0.5)
    yield running
    running.end()


@pytest.fixture
def database(module_database_url):
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def writer(service):
    made = Writer(service.url)
    yield made
    made.client.close()


def test_everything_comes_once_and_in_order(service, writer, database):
    """While several write, whoever joins at any time sees the log from there on, with the writers' answers."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        watchings = [stack.enter_context(Watching(service.url, writer.workspace, after=0))]
        work = [pool.submit(writer.write, 40, f"d{n}") for n in range(4)]
        for _ in range(6):
            watchings.append(stack.enter_context(Watching(service.url, writer.workspace)))
            watchings.append(stack.enter_context(Watching(service.url, writer.workspace, after=0)))
            time.sleep(0.05)
        last = max(each.result() for each in work)
        log = stored(database, writer.workspace)

        assert all(watching.reaches(last) for watching in watchings)
        assert 161 == len(log)
        for watching in watchings:
            assert log[-len(watching.events) :] == seen(watching)
        for event in watchings[0].events:
            [version] = event.data["versions"]
            assert writer.answers[event.position] == version["body"]
        assert [log] * 7 == [seen(watching) for watching in (watchings[0], *watchings[2::2])]


@pytest.mark.parametrize("seed", range(3))
def test_resuming_misses_nothing(service, writer, database, seed):
    """A watcher that is cut off at random points and resumes with `Last-Event-ID` sees exactly the log."""
    chance = random.Random(seed)
    came = []
    writing = threading.Thread(target=writer.write, args=(120,))
    writing.start()
    headers = {"Last-Event-ID": "0"}
    while writing.is_alive() or len(came) < 121:
        with Watching(service.url, writer.workspace, headers, after=0) as watching:
            enough = chance.randint(0, 25)
            watching.wait(lambda w, enough=enough: len(w.events) >= enough, seconds=chance.random() / 2)
        came += seen(watching)
        if came:
            headers["Last-Event-ID"] = str(came[-1][0])
    writing.join()

    assert stored(database, writer.workspace) == came


def test_filters(service, writer):
    """Only what is asked for comes, live and replayed; a position or a time says from where on."""
    writer.post("deployment-configs", name="other", **CONFIG)
    middle = writer.write(6)
    middle_at = writer.answers[middle]["updated_at"]
    last = writer.write(6, "e")
    with Watching(service.url, writer.workspace, after=0) as watching:
        assert watching.reaches(last)
        everything = watching.events
    wanted = {
        (("resource", "deployments"),): lambda e: e.data["resource"] == "deployments",
        (("resource", "deployment-configs"),): lambda e: e.data["resource"] == "deployment-configs",
        (("name", "d"),): lambda e: e.data["name"] == "d",
        (("kind", "deployment.updated"),): lambda e: e.kind == "deployment.updated",
        (("name", "e"), ("kind", "deployment.created")): lambda e: (
            e.data["name"] == "e" and e.kind == "deployment.created"
        ),
        (("name", "nobody"),): lambda _: False,
        (("after", middle),): lambda e: e.position > middle,
        (("after", middle_at),): lambda e: e.position > middle,
    }

    assert 14 == len(everything)
    for query, matches in wanted.items():
        expected = [(event.position, event.kind) for event in everything if matches(event)]
        with Watching(service.url, writer.workspace, **{"after": 0, **dict(query)}) as watching:
            assert watching.wait(lambda w, expected=expected: len(w.events) >= len(expected))
            assert watching.wait(lambda w: w.heartbeats)
            assert expected == seen(watching)


def test_other_workspaces_do_not_show(service, writer):
    """A workspace's watcher sees nothing of another one, the one of `-` sees all."""
    with Watching(service.url, "elsewhere") as elsewhere, Watching(service.url, "-") as everywhere:
        last = writer.write(3)

        assert everywhere.reaches(last)
        assert elsewhere.wait(lambda w: w.heartbeats)
        assert {writer.workspace} == {event.data["workspace"] for event in everywhere.events}
        assert [] == elsewhere.events


def test_what_an_event_says(service, writer):
    """Who, why, on whose behalf, and the state after; identities only to those who may see them."""
    who = {"X-NMP-Principal-Id": "ann", "X-NMP-Principal-Email": "ann@a.example"}
    writer.client.headers.update({**who, "X-Change-Reason": "because"})
    first = writer.write(1)
    writer.post("deployments/d/status", status="DELETED")
    assert 204 == writer.client.delete("deployments/d").status_code
    query = {"after": first - 1, "resource": "deployments"}
    with (
        Watching(service.url, writer.workspace, who, **query) as plain,
        Watching(service.url, writer.workspace, **query) as seeing,
    ):
        assert plain.reaches(first + 2)
        assert seeing.reaches(first + 2)

    created, _, purged = [event.data for event in seeing.events]
    keys = ["position", "at", "kind", "workspace", "resource", "name", "actor", "reason", "versions"]
    assert keys == list(created)
    assert {"id": "ann", "on_behalf_of": None, "email": "ann@a.example", "groups": []} == created["actor"]
    assert "because" == created["reason"]
    assert "ann" == created["versions"][0]["body"]["auth_context"]["principal_id"]
    assert [{"version": 1, "body": None}] == purged["versions"]
    for event in plain.events:
        assert {"id": "ann", "on_behalf_of": None} == event.data["actor"]
    assert plain.events[0].data["versions"][0]["body"]["auth_context"] is None


def test_sent_as_a_stream_of_events(service):
    """With the headers that keep caches and proxies out of it, and signs of life while nothing happens."""
    with Watching(service.url, "quiet") as watching:
        assert watching.wait(lambda w: w.heartbeats >= 3)

    headers = watching.response.headers
    assert "text/event-stream; charset=utf-8" == headers["content-type"]
    assert ("no-store", "no") == (headers["cache-control"], headers["x-accel-buffering"])
    assert headers["content-length"] is None


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"after": "yesterday"}, {}, 422),
        ({"after": "-1"}, {}, 422),
        ({"after": "999999999"}, {}, 422),
        ({"after": "2999-01-01T00:00:00Z"}, {}, 422),
        ({"resource": "models"}, {}, 422),
        ({}, {"Last-Event-ID": "x"}, 400),
        ({}, {"Last-Event-ID": "1.0"}, 400),
        ({}, {"Last-Event-ID": "999999999"}, 400),
        ({"after": "0"}, {"Last-Event-ID": "-1"}, 400),
    ],
)
def test_what_cannot_be_followed_is_refused(service, query, headers, status):
    """A malformed or future `after` is 422, such a `Last-Event-ID` 400: it counts before `after`."""
    answer = httpx.get(service.url + path("default", query), headers=headers)

    assert status == answer.status_code
    assert answer.json()["detail"]


def test_workspace_that_cannot_be(service):
    """Nothing can ever happen in it."""
    assert 404 == httpx.get(service.url + path("Not A Workspace")).status_code
