"""Dry runs: every write tells what it would be answered and would change, and changes nothing."""

import json

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.batch import Write
from tests.app.test_writer import cut_at_its_commit, submitted
from tests.contract.wire import SPEC, Workspace, client, done, unique
from tests.support.builders import create, create_config, delete, report, roll_back, update
from tests.support.patches import patched

TABLES = ("stored_events", "idempotency_keys", "deployment_versions", "deployment_config_versions")


@pytest.fixture(scope="module")
def http(service_url):
    with client(service_url) as http:
        yield http


@pytest.fixture
def workspace(http):
    """Deployments `d` (READY, then updated), `gone` (DELETED) and `going` (DELETING); configs `c` and `free`."""
    workspace = Workspace(http, unique("dry"))
    workspace.config()
    workspace.config("free", description="unused")
    workspace.deployment()
    workspace.report("READY", "up")
    workspace.update_config(description="second")
    workspace.update()
    for name, statuses in (("gone", ["DELETED"]), ("going", ["ERROR", "DELETING"])):
        workspace.deployment(name)
        for status in statuses:
            workspace.report(status, name=name)
    return workspace


def stored(database_url):
    """All that a write could leave behind."""
    with psycopg.connect(database_url) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in TABLES]
        position = connection.execute("SELECT position FROM projection_position").fetchone()
        open_rows = connection.execute(
            "SELECT count(*), sum(latest_until::numeric), sum(valid_until::numeric) FROM deployment_versions"
        ).fetchone()
    return counts, position, open_rows


def lasting(body):
    """A body without what each writing of it makes anew."""
    if not isinstance(body, dict):
        return body
    made_anew = ("id", "created_at", "updated_at", "dry_run")
    kept = {key: value for key, value in body.items() if key not in made_anew}
    if "status_history" in kept:
        kept["status_history"] = [(item["status"], item["status_message"]) for item in kept["status_history"]]
    return kept


def check_prediction(dry, real):
    """What the dry run said is what the write was answered with."""
    if real.status_code >= 400:
        assert (real.status_code, real.content) == (dry.status_code, dry.content)
        assert "dry-run" not in dry.headers
        return
    assert "true" == dry.headers["dry-run"]
    assert "etag" not in dry.headers
    said, done = dry.json(), json.loads(real.content or "null")
    if isinstance(done, dict):
        assert (real.status_code, lasting(done)) == (dry.status_code, lasting(said))
        assert [*done, "dry_run"] == list(said)
        assert ["changes", "patch"] == list(said["dry_run"])
    else:
        assert (200, ["dry_run"]) == (dry.status_code, list(said))
        assert real.status_code == said["dry_run"]["status"]


def fields(changes):
    return [change["field"] for change in changes]


WRITES = {
    "create a config": ("POST", "deployment-configs", {"name": "new", **SPEC}),
    "create a config that exists": ("POST", "deployment-configs", {"name": "c", **SPEC}),
    "create a config with a bad name": ("POST", "deployment-configs", {"name": "N", **SPEC}),
    "update a config": ("POST", "deployment-configs/c", {**SPEC, "description": "third"}),
    "delete a config": ("DELETE", "deployment-configs/free", None),
    "delete a config in use": ("DELETE", "deployment-configs/c", None),
    "delete a config's version": ("DELETE", "deployment-configs/free/versions/1", None),
    "create": ("POST", "deployments", {"name": "new", "config": "c"}),
    "create what exists": ("POST", "deployments", {"name": "d", "config": "c"}),
    "create with too little": ("POST", "deployments", {"config": 1}),
    "update": ("POST", "deployments/d", {"config": "free"}),
    "update to the same": ("POST", "deployments/d", {"config": "c"}),
    "update to no config": ("POST", "deployments/d", {"config": "none"}),
    "roll back": ("POST", "deployments/d/rollback", {}),
    "roll back to a version": ("POST", "deployments/d/rollback", {"version": 1}),
    "roll back to what is current": ("POST", "deployments/d/rollback", {"version": 2}),
    "report": ("POST", "deployments/d/status", {"status": "READY", "status_message": "up"}),
    "report of a version": ("POST", "deployments/d/status?version=1", {"status": "LOST"}),
    "report of nothing new": ("POST", "deployments/gone/status", {"status": "DELETED"}),
    "report of what is deleted": ("POST", "deployments/going/status", {"status": "READY"}),
    "report of no version": ("POST", "deployments/d/status?version=x", {"status": "READY"}),
    "delete": ("DELETE", "deployments/d", None),
    "delete a version": ("DELETE", "deployments/d/versions/1", None),
    "delete again": ("DELETE", "deployments/going", None),
    "purge": ("DELETE", "deployments/gone", None),
    "delete what is not there": ("DELETE", "deployments/none", None),
}


def send(workspace, write, query="", headers=None):
    method, path, body = write
    path = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
    return workspace.request(method, path, json=body, headers=headers or {})


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_dry_run_is_answered_as_the_write_would_be(workspace, write, module_database_url):
    """Status and body are those of the same write right after, refusals to the byte; nothing is stored."""
    before = stored(module_database_url)

    dry = send(workspace, write, "dry_run=true", {"Idempotency-Key": unique("dry"), "X-Change-Reason": "try"})

    assert before == stored(module_database_url)
    check_prediction(dry, send(workspace, write))


def test_what_would_change_is_told_against_the_state_before(workspace):
    """The patch makes the answered body of the latest version, or of the addressed one, or of nothing."""
    for write, before in (
        (WRITES["update"], workspace.read("deployments/d")),
        (WRITES["roll back"], workspace.read("deployments/d")),
        (WRITES["report of a version"], workspace.read("deployments/d/versions/1")),
        (WRITES["update a config"], workspace.read("deployment-configs/c")),
        (WRITES["create"], {}),
        (WRITES["create a config"], {}),
    ):
        body = send(workspace, write, "dry_run=true").json()
        told = body.pop("dry_run")

        assert body == patched(before, told["patch"])
        assert {change["field"]: change.get("new") for change in told["changes"]}.items() <= {
            operation["path"]: operation.get("value") for operation in told["patch"]
        }.items()


def test_changes_name_fields_with_old_and_new_values(workspace):
    """As histories do: without the status history, which is itself a record of changes."""
    told = send(workspace, WRITES["roll back"], "dry_run=true").json()["dry_run"]
    assert ["/id", "/created_at", "/updated_at", "/entity_version", "/config_version"] == fields(
        told["changes"]
    )
    assert {"field": "/config_version", "old": 2, "new": 1} == told["changes"][-1]

    told = send(workspace, WRITES["report of a version"], "dry_run=true").json()["dry_run"]
    assert ["/updated_at", "/status", "/status_message"] == fields(told["changes"])
    assert "/status_history" in [operation["path"] for operation in told["patch"]]

    told = send(workspace, WRITES["create"], "dry_run=true").json()["dry_run"]
    assert {"field": "/name", "new": "new"} in told["changes"]

    told = send(workspace, WRITES["report of nothing new"], "dry_run=true").json()["dry_run"]
    assert {"changes": [], "patch": []} == told


def test_a_deletion_tells_each_version_it_would_change(workspace):
    """What is marked changes its status, what is removed has no values afterwards."""
    marked = send(workspace, WRITES["delete"], "dry_run=true").json()["dry_run"]
    assert [1, 2] == [version["version"] for version in marked["versions"]]
    assert {"field": "/status", "old": "PENDING", "new": "DELETING"} in marked["versions"][1]["changes"]

    again = send(workspace, WRITES["delete again"], "dry_run=true").json()["dry_run"]
    assert {"status": 202, "versions": []} == again

    purged = send(workspace, WRITES["purge"], "dry_run=true").json()["dry_run"]
    config = send(workspace, WRITES["delete a config's version"], "dry_run=true").json()["dry_run"]
    for told in (purged, config):
        assert (204, [1]) == (told["status"], [version["version"] for version in told["versions"]])
        assert all(set(change) == {"field", "old"} for change in told["versions"][0]["changes"])
    assert {"field": "/description", "old": "unused"} in config["versions"][0]["changes"]


def test_who_wrote_a_version_is_told_to_nobody_else(workspace):
    """Callers who do not see `auth_context` do not see it in what would change either."""
    ann, bob = {"X-NMP-Principal-Id": "ann-7f"}, {"X-NMP-Principal-Id": "bob"}
    done(201, send(workspace, WRITES["update"], headers=ann))
    for write in (WRITES["update"], WRITES["create"], WRITES["delete"], WRITES["report"]):
        dry = send(workspace, write, "dry_run=true", bob)

        assert "ann-7f" not in dry.text
        assert '"principal_id"' not in dry.text
        assert "auth_context" not in json.dumps(dry.json()["dry_run"].get("changes", []))
    dry = send(workspace, WRITES["update"], "dry_run=true", bob).json()
    latest = workspace.get("deployments/d", headers=bob).json()
    told = dry.pop("dry_run")
    assert dry == patched(latest, told["patch"])

    service = {"X-NMP-Principal-Id": "service:models"}
    told = send(workspace, WRITES["update"], "dry_run=true", service).json()["dry_run"]
    assert {"field": "/auth_context/principal_id", "old": "ann-7f", "new": "service:models"} in told[
        "changes"
    ]


def test_what_looks_like_an_auth_context_is_the_users_own(workspace):
    """A config may have the word in a free part; every caller reads and dry-runs it as it was sent."""
    own = {"gpu": 1, "override_config": {"a": 1, "auth_context": {"b": 2}}}
    write = ("POST", "deployment-configs/free", {**SPEC, "executor_config": own})
    bob = {"X-NMP-Principal-Id": "bob"}

    dry = send(workspace, write, "dry_run=true", bob)
    real = send(workspace, write, headers=bob)

    check_prediction(dry, real)
    assert own["override_config"] == real.json()["executor_config"]["override_config"]
    read = workspace.get("deployment-configs/free", headers=bob)
    assert real.json() == read.json()
    assert real.headers["etag"] == read.headers["etag"]
    assert real.json() == workspace.get("deployment-configs/free/versions", headers=bob).json()[0]


def test_conditions_hold_for_dry_runs(workspace):
    """A stale `If-Match` is refused as it would be."""
    stale = {"If-Match": '"1"'}

    for write in (WRITES["update"], WRITES["roll back"], WRITES["report"], WRITES["delete"]):
        assert 412 == send(workspace, write, "dry_run=true", stale).status_code


def test_a_dry_run_ignores_its_key(workspace):
    """It neither uses the key up nor answers what was answered under it; a malformed one is refused."""
    key = {"Idempotency-Key": unique("key")}

    dry = send(workspace, WRITES["update"], "dry_run=true", key)
    real = send(workspace, WRITES["update"], headers=key)
    after = send(workspace, WRITES["report"], "dry_run=true", key)

    check_prediction(dry, real)
    assert "idempotency-replayed" not in real.headers
    assert 200 == after.status_code
    assert "idempotency-replayed" not in after.headers
    assert 400 == send(workspace, WRITES["update"], "dry_run=true", {"Idempotency-Key": '""'}).status_code


@pytest.mark.parametrize("query", ["dry_run=TRUE", "dry_run=1", "dry_run=yes", "dry_run=0&dry_run=on"])
def test_the_parameter_is_read_leniently(workspace, query):
    """As every boolean of a query; of repeated ones the last counts."""
    assert "true" == send(workspace, WRITES["update"], query).headers["dry-run"]


@pytest.mark.parametrize("query", ["dry_run=false", "dry_run=off", "dry_run=1&dry_run=0", "dry-run=true"])
def test_without_the_parameter_a_write_is_carried_out(workspace, query):
    """Also where it is said that it is none."""
    assert "dry-run" not in send(workspace, WRITES["update"], query).headers
    assert 3 == workspace.read()["entity_version"]


@pytest.mark.parametrize("write", ["create", "roll back", "report of a version", "delete", "delete a config"])
def test_what_is_no_boolean_is_refused(workspace, write):
    """With 422, on every write; nothing is carried out."""
    answer = send(workspace, WRITES[write], "dry_run=perhaps")

    assert 422 == answer.status_code
    [finding] = answer.json()["detail"]
    assert ("bool_parsing", ["query", "dry_run"], "perhaps") == (
        finding["type"],
        finding["loc"],
        finding["input"],
    )
    assert 2 == workspace.read()["entity_version"]


def test_a_dry_run_sees_what_waits_before_it_and_is_unseen(database_url):
    """Among commands that arrive together it is decided in its place, and the later ones do not notice."""
    commands = [
        create_config(),
        create(),
        Write(update(), dry_run=True),
        Write(create(name="b"), dry_run=True),
        create(name="b"),
        report("READY"),
        update(config_version=1),
        Write(roll_back(), dry_run=True),
        Write(delete(), dry_run=True),
        update(),
    ]

    answers = submitted(database_url, commands)

    assert [201, 201, 201, 201, 201, 200, 201, 409, 202, 201] == [answer.status for answer in answers]
    bodies = [json.loads(answers[n].body) for n in (2, 6, 9)]
    assert [2, 2, 3] == [body["entity_version"] for body in bodies]
    with psycopg.connect(database_url) as connection:
        positions = connection.execute("SELECT notification_id FROM stored_events ORDER BY 1").fetchall()
    assert [(n,) for n in range(1, 7)] == positions


@pytest.mark.parametrize("moment", ["instead", "after"])
def test_a_dry_run_does_not_depend_on_its_commit(database_url, moment):
    """It commits nothing: once decided, it is answered even if the connection is cut then."""
    dry = Write(create_config(), dry_run=True)

    answer, _, _ = cut_at_its_commit(database_url, moment, dry, dry)

    assert (201, [1]) == (answer.status, [effect.version for effect in answer.effects])


NAMES, CONFIGS, VERSIONS = st.sampled_from("ab"), st.sampled_from("cd"), st.integers(1, 4)
STATUSES = st.sampled_from(["READY", "READY", "ERROR", "DELETED", "DELETED"])
RANDOM_WRITES = st.one_of(
    st.builds(lambda c: ("POST", "deployment-configs", {"name": c, **SPEC}), CONFIGS),
    st.builds(lambda c: ("POST", f"deployment-configs/{c}", {**SPEC, "description": c}), CONFIGS),
    st.builds(lambda c: ("DELETE", f"deployment-configs/{c}", None), CONFIGS),
    st.builds(lambda c, v: ("DELETE", f"deployment-configs/{c}/versions/{v}", None), CONFIGS, VERSIONS),
    st.builds(lambda n, c: ("POST", "deployments", {"name": n, "config": c}), NAMES, CONFIGS),
    st.builds(
        lambda n, c, v: ("POST", f"deployments/{n}", {"config": c, "config_version": v}),
        NAMES,
        CONFIGS,
        st.none() | VERSIONS,
    ),
    st.builds(
        lambda n, v: ("POST", f"deployments/{n}/rollback", {"version": v}), NAMES, st.none() | VERSIONS
    ),
    st.builds(lambda n, s: ("POST", f"deployments/{n}/status", {"status": s}), NAMES, STATUSES),
    st.builds(
        lambda n, v, s: ("POST", f"deployments/{n}/status?version={v}", {"status": s}),
        NAMES,
        VERSIONS,
        STATUSES,
    ),
    st.builds(lambda n: ("DELETE", f"deployments/{n}", None), NAMES),
    st.builds(lambda n, v: ("DELETE", f"deployments/{n}/versions/{v}", None), NAMES, VERSIONS),
)
FIRST = [("POST", "deployment-configs", {"name": name, **SPEC}) for name in "cd"]
FIRST += [("POST", "deployments", {"name": name, "config": "c"}) for name in "ab"]


@settings(max_examples=25)
@given(writes=st.lists(RANDOM_WRITES, min_size=5, max_size=25))
def test_dry_runs_foretell_and_never_interfere(http, module_database_url, writes):
    """Before each of random writes a dry run tells its answer, and the answers are those without dry runs."""
    rehearsed, plain = (Workspace(http, unique("dry")) for _ in range(2))
    for write in [*FIRST, *writes]:
        before = stored(module_database_url)
        dry = send(rehearsed, write, "dry_run=true")
        assert before == stored(module_database_url)

        real, expected = send(rehearsed, write), send(plain, write)

        check_prediction(dry, real)
        assert expected.status_code == real.status_code
        if real.headers.get("etag"):
            assert lasting(expected.json()) == {**lasting(real.json()), "workspace": plain.name}
