"""A release that stores a kind of event in another shape: it reads the log of the one before, which refuses its."""

import json
from types import SimpleNamespace

import httpx
import pytest

from app.cli import run
from app.rebuild.run import start
from tests.support.audit import EVENTS, STORY, Audit, fill
from tests.support.rebuild import Rebuild
from tests.support.release import EVOLVED, Release
from tests.support.service import Service

WORKSPACE = "/apis/models/v2/workspaces/default"
NEW = EVENTS + 1
"""Where the first event in the new shape is."""
UNREADABLE = (
    f"this release cannot read the event at position {NEW}, stored as 'deployment.updated.2': it does not know "
    "that stored name; run the release that wrote it, or a newer one"
)
STATES = "SELECT topic, convert_from(state, 'UTF8') FROM stored_events ORDER BY notification_id"


@pytest.fixture(scope="module")
def story(module_database_url, tmp_path_factory):
    """A log in the former shape, on which the next release went on: what it read, answered, and made of it."""
    url = module_database_url
    fill(url)
    release = Release(tmp_path_factory.mktemp("next"), EVOLVED)

    def command(*arguments):
        done = release(*arguments, "--database-url", url)
        return done.returncode, done.stdout + done.stderr

    before = Rebuild(url).execute(STATES)
    service = release.serve("--database-url", url)
    try:
        with httpx.Client(base_url=service.url + WORKSPACE) as http:
            updated = http.post("/deployments/llama", json={"config": "c1", "config_version": 1})
            history = http.get("/history", params={"kind": "deployment.updated"}).json()
            blame = http.get("/deployments/llama/blame", params={"version": 2}).json()
            watched = watch(http, after=0, kind="deployment.updated", last=NEW)
    finally:
        service.end()
    return SimpleNamespace(
        url=url,
        stored=(before, Rebuild(url).execute(STATES)),
        updated=updated,
        history=history["data"],
        blame={field["field"]: field for field in blame["fields"]},
        watched=watched,
        replay=command("audit", "replay", "--json"),
        rebuild=command("rebuild", "start", "--workers", 1, "--json"),
        verify=command("rebuild", "verify", "--workers", 1, "--json"),
        listed=command("audit", "history", "--kind", "deployment.updated", "--json"),
    )


def watch(http, *, last=None, **query):
    """The ids and kinds of events of a watch until its end, or a position; and the comments."""
    events, comments = [], []
    with http.stream("GET", "/watch", params=query, timeout=20) as answer:
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                events.append([int(value)])
            elif name == "event":
                events[-1].append(value)
            elif not name:
                comments.append(value)
            elif name == "data" and events[-1][0] == last:
                break
    return events, comments


def test_the_next_release_reads_both_shapes(story):
    """Histories, blame and watches know one kind; the fold, decided again, is what the tables have."""
    assert 201 == story.updated.status_code, story.updated.text
    assert (4, "c1", 1) == tuple(
        story.updated.json()[k] for k in ("entity_version", "config", "config_version")
    )
    assert [(NEW, "deployment.updated"), (5, "deployment.updated")] == [
        (entry["position"], entry["kind"]) for entry in story.history
    ]
    assert (5, "deployment.updated", 2) == tuple(
        story.blame["/config_version"][key] for key in ("position", "kind", "value")
    )
    assert [[5, "deployment.updated"], [NEW, "deployment.updated"]] == story.watched[0]
    assert [(NEW, "deployment.updated"), (5, "deployment.updated")] == [
        (entry["position"], entry["kind"]) for entry in map(json.loads, story.listed[1].splitlines())
    ]
    for code, out in (story.replay, story.rebuild, story.verify):
        assert 0 == code, out
    assert (True, NEW) == tuple(json.loads(story.replay[1])[key] for key in ("ok", "events"))
    assert [] == json.loads(story.rebuild[1])["differences"]
    assert json.loads(story.verify[1])["ok"]


def test_stored_events_stay_what_they_were(story):
    """The new shape stands under a name of its own, after what was there."""
    before, after = story.stored

    assert before == after[:EVENTS]
    [(name, state)] = after[EVENTS:]
    assert "deployment.updated.2" == name
    assert ("deployment.updated.2", "c1@1") == tuple(json.loads(state)[key] for key in ("kind", "reference"))


@pytest.mark.parametrize(
    "command",
    [
        ["rebuild", "verify", "--workers", "1"],
        ["rebuild", "record", "--workers", "1", "--output", "never.gz"],
        ["audit", "history", "default"],
        ["audit", "who", ""],
        ["audit", "blame", "default/llama"],
        ["audit", "diff", "default/llama", "3", "4"],
        ["audit", "at", str(NEW)],
    ],
)
def test_the_former_release_refuses_the_new_shape(story, command, capsys, monkeypatch, tmp_path):
    """With one line that says which event it is and what to do, and no file that is half right."""
    monkeypatch.chdir(tmp_path)

    assert 1 == run([*command, "--database-url", story.url])
    assert f"deployment-ledger {command[0]}: {UNREADABLE}" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_replay_by_the_former_release_deviates(story, capsys):
    """At the event's place."""
    audit = Audit(story.url, capsys)

    assert 1 == audit("replay", "--json")
    [answer] = audit.lines
    assert ("event", NEW) == (answer["deviation"]["rule"], answer["deviation"]["position"])


def test_the_former_release_exports_it(story, capsys):
    """An export copies what is stored, and reads nothing."""
    audit = Audit(story.url, capsys)

    assert 0 == audit("export")
    assert [json.loads(state) for _, state in story.stored[1]] == [line["event"] for line in audit.lines]


def test_the_former_release_answers_what_it_can(story):
    """Rows as ever; 503 for what needs the event; a watch ends before it, and says why."""
    service = Service("--database-url", story.url)
    try:
        with httpx.Client(base_url=service.url + WORKSPACE) as http:
            unreadable = [
                http.get("/history"),
                http.get("/history", params={"kind": "deployment.updated"}),
                http.get("/deployments/llama/history"),
                http.get("/deployments/llama/blame"),
                http.get("/deployments/llama/diff", params={"from": "3"}),
            ]
            readable = [
                http.get("/deployments/llama"),
                http.get("/deployments"),
                http.get("/history", params={"until": str(EVENTS)}),
                http.get("/deployments/llama/blame", params={"version": "2"}),
                http.get("/deployments/llama/diff", params={"from": "1", "to": "2"}),
            ]
            watched = watch(http, after=EVENTS - 2)
    finally:
        service.end()

    for answer in unreadable:
        assert (503, f"Service temporarily unavailable: {UNREADABLE}.") == (
            answer.status_code,
            answer.json()["detail"],
        ), answer.url
        assert "1" == answer.headers["retry-after"]
    assert [200] * 5 == [answer.status_code for answer in readable]
    assert ([], ["watching", UNREADABLE]) == watched
    assert "Traceback" not in service.output


CANARY = (
    "UPDATE stored_events SET state = regexp_replace(convert_from(state, 'UTF8'), '\"version\":', '\"canary\":true,\"version\":')::bytea"
    " WHERE notification_id = 5"
)
WITH_CANARY = (
    "the event at position 5, stored as 'deployment.updated': Object contains unknown field `canary`; "
    "run the release that wrote it, or a newer one"
)


def test_a_known_name_with_an_unknown_member_is_refused(database_url, capfd):
    """A rebuild neither switches nor guesses, whether it folds the event, catches up with it, or verifies."""
    fill(database_url, STORY[:4])
    audit, rebuild = Audit(database_url, capfd), Rebuild(database_url, capfd)
    with rebuild.turn() as connection:
        start(connection, ["deployments", "deployment-configs"])
    fill(database_url, STORY[4:])
    audit.plant(CANARY)
    rows = rebuild.rows()

    assert 1 == rebuild("verify", "--workers", 1)
    assert WITH_CANARY in rebuild.err
    assert 1 == rebuild("resume", "--workers", 1)
    assert WITH_CANARY in rebuild.err
    assert 0 == rebuild("abort")
    assert 1 == rebuild("start", "--workers", 1)
    assert WITH_CANARY in rebuild.err
    assert rows == rebuild.rows()
    assert 1 == audit("history")
    assert WITH_CANARY in audit.err
