"""Reads as of a position or a time: byte for byte what was answered then."""

import itertools
import random
from datetime import datetime, timedelta, timezone

import httpx
import psycopg
import pytest

CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
RUN = itertools.count()
READS = [
    "deployments",
    "deployments?all_versions=true&page_size=3&page=2",
    "deployments?sort=-updated_at&filter[status]=READY",
    "deployments/a",
    "deployments/b",
    "deployments/a/versions",
    "deployments/a/versions/1",
    "deployments/b/versions/2",
    "deployments/a/models",
    "deployment-configs",
    "deployment-configs/c",
    "deployment-configs/c/versions",
    "deployment-configs/c/versions/2",
]


class Workspace:
    """A workspace of a test's own, and what its reads answer."""

    def __init__(self, url):
        name = f"time-{next(RUN)}"
        self.http = httpx.Client(base_url=f"{url}/apis/models/v2/workspaces/{name}")

    def post(self, path, **body):
        return self.http.post(path, json=body)

    def answer(self, path, **query):
        got = self.http.get(path, params=query or None)
        return got.status_code, got.content, got.headers.get("etag")

    def answers(self):
        return {path: self.answer(path) for path in READS}

    def as_of(self, path, moment):
        return self.answer(f"{path}{'&' if '?' in path else '?'}as_of={moment}".replace("+", "%2B"))

    def act(self, chosen):
        """One random write; refusals are welcome."""
        name, config = chosen.choice("ab"), chosen.choice(["c", "d"])
        version = chosen.randint(1, 3)
        return chosen.choice(
            [
                lambda: self.post("deployment-configs", name=config, **CONFIG),
                lambda: self.post(f"deployment-configs/{config}", **CONFIG),
                lambda: self.http.delete(f"deployment-configs/{config}"),
                lambda: self.http.delete(f"deployment-configs/{config}/versions/{version}"),
                *[lambda: self.post("deployments", name=name, config=config)] * 3,
                *[lambda: self.post(f"deployments/{name}", config=config)] * 3,
                lambda: self.post(f"deployments/{name}/status", status=chosen.choice(["READY", "DELETED"])),
                *[lambda: self.post(f"deployments/{name}/status?version={version}", status="DELETED")] * 2,
                lambda: self.http.delete(f"deployments/{name}"),
                lambda: self.http.delete(f"deployments/{name}/versions/{version}"),
            ]
        )()


@pytest.fixture
def workspace(service_url):
    workspace = Workspace(service_url)
    yield workspace
    workspace.http.close()


def head(database_url):
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT max(notification_id), max(recorded_at) FROM stored_events"
        ).fetchone()
    return found[0] or 0, found[1]


@pytest.mark.parametrize("seed", range(4))
def test_every_past_is_answered_as_it_was(workspace, module_database_url, seed):
    """At every position, and at the time of every event, each read gives the answer given right after it."""
    chosen = random.Random(seed)
    recorded = {head(module_database_url): workspace.answers()}
    workspace.post("deployment-configs", name="c", **CONFIG)
    for _ in range(100):
        workspace.act(chosen)
        moment = head(module_database_url)
        if moment not in recorded:
            recorded[moment] = workspace.answers()

    assert len(recorded) > 15
    for (position, time), answers in recorded.items():
        for path, answer in answers.items():
            assert answer == workspace.as_of(path, position), (path, position)
            if time is not None:
                assert answer == workspace.as_of(path, time.isoformat()), (path, time)


def test_what_was_purged_is_there_again_while_it_lived(workspace, module_database_url):
    """Before it was created, while it lived, and after it was removed."""
    before, _ = head(module_database_url)
    workspace.post("deployment-configs", name="c", **CONFIG)
    created = workspace.post("deployments", name="a", config="c")
    while_it_lived, _ = head(module_database_url)
    workspace.post("deployments/a/status", status="DELETED")
    workspace.http.delete("deployments/a")

    assert 404 == workspace.answer("deployments/a")[0]
    assert (200, created.content, created.headers["etag"]) == workspace.as_of("deployments/a", while_it_lived)
    assert 404 == workspace.as_of("deployments/a", before)[0]
    assert (
        1 == workspace.http.get(f"deployments?as_of={while_it_lived}").json()["pagination"]["total_results"]
    )
    assert 404 == workspace.as_of("deployments/a", 0)[0]


@pytest.mark.parametrize(
    "read", ["deployments", "deployments/a", "deployments/a/versions/1", "deployment-configs/c/versions"]
)
@pytest.mark.parametrize(
    ("moment", "kind"),
    [
        ("yesterday", "as_of_parsing"),
        ("", "as_of_parsing"),
        ("-1", "as_of_parsing"),
        ("2026-02-30T00:00:00Z", "as_of_parsing"),
        ("2026-11-17", "as_of_parsing"),
        ("2026-11-17T14:00:00", "as_of_parsing"),
        ("0001-01-01T00:00:00%2B23:59", "as_of_parsing"),
        ("999999999999", "in_the_future"),
        ("99999999999999999999", "as_of_parsing"),
        ("9999-12-31T23:59:59Z", "in_the_future"),
    ],
)
def test_what_is_no_point_in_the_past_is_refused(workspace, read, moment, kind):
    """A position that has not come, a time that has not come, and what is neither."""
    refused = workspace.http.get(f"{read}?as_of={moment}")

    assert 422 == refused.status_code
    (item,) = refused.json()["detail"]
    assert (kind, ["query", "as_of"]) == (item["type"], item["loc"])


def test_times_are_read_with_any_offset(workspace, module_database_url):
    """Offsets are converted, a plus sign may have become a blank, digits beyond microseconds are cut."""
    workspace.post("deployment-configs", name="c", **CONFIG)
    _, time = head(module_database_url)
    expected = workspace.answer("deployment-configs/c")
    east = time.astimezone(timezone(timedelta(hours=5, minutes=30)))

    for text in (
        east.isoformat(),
        east.isoformat().replace("+", " "),
        time.isoformat().replace("+00:00", "z"),
        time.strftime("%Y-%m-%dT%H:%M:%S.%f999Z"),
    ):
        assert expected == workspace.as_of("deployment-configs/c", text), text
    just_before = time - timedelta(microseconds=1)
    assert 404 == workspace.as_of("deployment-configs/c", just_before.isoformat())[0]


def test_a_moment_ago_is_settled(workspace, module_database_url):
    """While a writer has taken its time but not committed, a read as of now waits for it; of then, it need not."""
    workspace.post("deployment-configs", name="c", **CONFIG)
    _, time = head(module_database_url)
    workspace.post("deployment-configs", name="d", **CONFIG)
    from app.event_log import LOCK  # noqa: PLC0415 - only here

    with psycopg.connect(module_database_url) as writer:
        writer.execute(LOCK)
        now = datetime.now().astimezone()
        with pytest.raises(httpx.ReadTimeout):
            workspace.http.get(f"deployments/a?as_of={now.isoformat().replace('+', '%2B')}", timeout=0.3)
        assert 200 == workspace.as_of("deployment-configs/c", time.isoformat())[0]

    assert 404 == workspace.as_of("deployments/a", now.isoformat())[0]


@pytest.mark.parametrize("table", ["deployment_versions", "deployment_config_versions"])
def test_reads_as_of_are_planned_on_their_indexes(database_url, table):
    """A get looks up one row however long the stream is; a list reads ends from the index alone."""
    from projections.versions import statements  # noqa: PLC0415 - only here

    named = statements("versions.sql", versions=table)
    where = {"workspace": "default", "name": "n", "version": 1, "position": 5}
    expected = {"get_latest_as_of": f"{table}_was_latest", "get_version_as_of": f"{table}_pkey"}
    with psycopg.connect(database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        for name, index in expected.items():
            text = f"EXPLAIN (FORMAT JSON) {named[name]}"
            plan = str(connection.execute(text, where).fetchone()[0][0])
            assert f"'{index}'" in plan, name
            assert "Sort" not in plan, name
