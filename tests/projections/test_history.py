"""History, blame and diff for random command sequences over a real database."""

import itertools
import json
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.deployment_config import DeleteDeploymentConfig, ExecutorConfig, RollBackDeploymentConfig
from domain.errors import Refusal
from domain.principal import ANONYMOUS, Principal
from domain.sight import EVERYTHING_SEEN, Sight
from projections.blame import blame, leaves
from projections.comparison import compare
from projections.history import History, Selection, Span
from projections.questions import answered
from projections.references import Name, Reference
from tests.support.builders import create, create_config, delete, report, roll_back, update, update_config
from tests.support.committing import commit, opened_log
from tests.support.patches import patched

WORKSPACES = (f"w{n}" for n in itertools.count())
ADDITIONS = {
    f"{resource}.{done}"
    for resource in ("deployment", "deployment-config")
    for done in ("created", "updated", "rolled-back")
}
REMOVALS = {"deployment.purged", "deployment-config.deleted"}
ANN = Principal("ann", "ann@example.com", ("ops",))
BOT = Principal("bot", on_behalf_of="ann")

VERSIONS = st.sampled_from([None, None, "1", "2", "3"])
CIRCUMSTANCES = st.fixed_dictionaries(
    {"by": st.sampled_from([ANONYMOUS, ANN, BOT]), "reason": st.sampled_from([None, "because", "a\tb"])}
)
FREE = st.sampled_from(
    [
        None,
        {},
        {"a/b": 1},
        {"a/b": 1.0},
        {"a/b": True},
        {"~": {"": [1]}},
        {"~": {}},
        {"~": {"": [1], "x": {}}},
    ]
)


@st.composite
def commands(draw):
    """A command without its workspace: on deployment `llama` mostly, or on config `c1` or `c2`."""
    deployments = st.one_of(
        st.builds(create, config=st.sampled_from(["c1", "c2"])),
        st.builds(update, config=st.sampled_from(["c1", "c2"]), config_version=st.sampled_from([None, 1, 2])),
        st.builds(
            report,
            st.sampled_from(["READY", "ERROR", "DELETED", "DELETED"]),
            st.sampled_from(["", "m"]),
            version=VERSIONS,
            model_provider_id=st.sampled_from([None, None, "p"]),
        ),
        st.builds(delete, VERSIONS),
        st.builds(roll_back, st.sampled_from([None, 1, 2])),
    )
    executor = st.builds(ExecutorConfig, gpu=st.sampled_from([1, 2]), override_config=FREE)
    names = st.sampled_from(["c1", "c2"])
    configs = st.one_of(
        st.builds(create_config, name=names, executor_config=executor),
        st.builds(update_config, name=names, executor_config=executor),
        st.builds(
            RollBackDeploymentConfig,
            workspace=st.just(""),
            name=names,
            id=st.just("c-9"),
            version=st.sampled_from([None, 1]),
        ),
        st.builds(DeleteDeploymentConfig, workspace=st.just(""), name=names, version=VERSIONS),
    )
    return msgspec.structs.replace(draw(st.one_of(deployments, configs)), **draw(CIRCUMSTANCES))


SEQUENCES = st.lists(commands(), max_size=30)


@pytest.fixture(scope="module")
def log(module_database_url):
    with opened_log(module_database_url) as log:
        yield log


@pytest.fixture(scope="module")
def connection(module_database_url):
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        yield connection


class Past:
    """A workspace of its own in which commands were carried out, and questions about it."""

    def __init__(self, log, connection, sequence):
        self.log = log
        self.connection = connection
        self.workspace = next(WORKSPACES)
        begin = [create_config(), create_config(name="c2"), create(), update_config(), update()]
        head = log.max_notification_id() or 0
        for command in (*begin, *sequence):
            placed = msgspec.structs.replace(command, workspace=self.workspace)
            commit(log, placed, clock=lambda: datetime.now(UTC))
        self.events = log.read(head, 1000)

    def ask(self, question):
        return answered(self.connection, question)

    def history(self, sight=EVERYTHING_SEEN):
        return History(lambda _: sight)

    def entries(self, name):
        """All that happened, oldest first, as JSON."""
        page = self.ask(self.history().of_name(name, Span(newest_first=False, limit=1000)))
        return msgspec.to_builtins(page.data)

    def names(self):
        return [
            Name("deployments", self.workspace, "llama"),
            Name("deployment-configs", self.workspace, "c1"),
        ]

    def body(self, name, version, position=None):
        """The newest body of a version, or that of the latest version at a position; None if there is none."""
        table = "deployment_versions" if name.resource == "deployments" else "deployment_config_versions"
        where = "version = %(version)s"
        if position is not None:
            where = "valid_from <= %(position)s AND latest_until > %(position)s"
        row = self.connection.execute(
            f"SELECT body FROM {table} WHERE workspace = %(workspace)s AND name = %(name)s AND {where}"
            " ORDER BY valid_from DESC LIMIT 1",
            {"workspace": name.workspace, "name": name.name, "version": version, "position": position},
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def versions(self, name):
        """How many versions there ever were."""
        return sum(entry["kind"] in ADDITIONS for entry in self.entries(name))


def exactly(value):
    """JSON as it is: 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


def operations(changes):
    """Field changes as operations of a patch."""
    for change in changes:
        op = "add" if "old" not in change else "remove" if "new" not in change else "replace"
        yield {"op": op, "path": change["field"], "value": change.get("new")}


def valued(document, pointer):
    for key in pointer.split("/")[1:]:
        document = document[key.replace("~1", "/").replace("~0", "~")]
    return document


@settings(max_examples=30)
@given(sequence=SEQUENCES)
def test_changes_follow_from_each_other(log, connection, sequence):
    """Every old value is what the version had before, and all changes together make the versions that are stored."""
    past = Past(log, connection, sequence)

    for name in past.names():
        versions, last = {}, {}
        for entry in past.entries(name):
            for change in entry["versions"]:
                number = change["version"]
                if entry["kind"] in ADDITIONS:
                    assert max(versions, default=None) == change["previous_version"]
                    before = versions.get(change["previous_version"], {})
                else:
                    assert change["previous_version"] is None
                    before = versions[number]
                for one in change["changes"]:
                    if "old" in one:
                        assert exactly(valued(before, one["field"])) == exactly(one["old"])
                after = patched(before, operations(change["changes"]))
                if entry["kind"] in REMOVALS:
                    assert {} == after
                    del versions[number]
                else:
                    versions[number] = last[number] = after

        for number, fields in last.items():
            body = past.body(name, number)
            body.pop("status_history", None)
            assert exactly(body) == exactly(fields)


@settings(max_examples=30)
@given(sequence=SEQUENCES, limit=st.integers(1, 12), newest_first=st.booleans(), data=st.data())
def test_pages_are_the_stream(log, connection, sequence, limit, newest_first, data):
    """With any limit, from either end, for one name and for the workspace with any selection."""
    past = Past(log, connection, sequence)
    selection = data.draw(
        st.builds(
            Selection,
            resource=st.sampled_from([None, "deployments", "deployment-configs"]),
            name=st.sampled_from([None, "llama", "c1", "c2", "unknown"]),
            kind=st.sampled_from([None, "deployment.updated", "deployment-config.created"]),
            actor=st.sampled_from([None, "", "ann", "bot"]),
        )
    )
    first = past.events[0].position
    ends = data.draw(st.tuples(*[st.integers(-2, len(past.events) + 2)] * 2))
    low, high = (first + end for end in sorted(ends))
    workspace = data.draw(st.sampled_from([past.workspace, "-"]))
    name = past.names()[0]

    span = Span(newest_first=newest_first, limit=limit)
    of_name = paged(past, lambda span: past.history().of_name(name, span), span)
    limited = span._replace(low=max(low, first - 1), high=high)
    of_all = paged(past, lambda span: past.history().of_workspace(workspace, span, selection), limited)

    direction = -1 if newest_first else 1
    stream = [e.position for e in past.events if (e.name, "config" in kind(e)) == ("llama", False)]
    assert stream[::direction] == of_name
    selected = [e.position for e in past.events if low < e.position <= high and fits(e, selection)]
    assert selected[::direction] == of_all


def paged(past, question, span):
    """The positions on all pages."""
    positions = []
    while True:
        page = past.ask(question(span))
        positions += [entry.position for entry in page.data]
        assert len(page.data) <= span.limit
        if page.next is None:
            return positions
        assert len(page.data) == span.limit
        span = span.after(page.next)


def kind(recorded):
    return recorded.event.__struct_config__.tag


def fits(recorded, selection):
    of_config = kind(recorded).startswith("deployment-config.")
    by = recorded.event.by
    return (
        selection.resource in (None, "deployment-configs" if of_config else "deployments")
        and selection.name in (None, recorded.name)
        and selection.kind in (None, kind(recorded))
        and selection.actor in (None, by.id, by.on_behalf_of)
    )


@settings(max_examples=30)
@given(sequence=SEQUENCES, data=st.data(), auth_context=st.booleans())
def test_blame_is_the_last_entry_that_lists_the_field(log, connection, sequence, data, auth_context):
    """For every field of any version, now or as it was at any position."""
    past = Past(log, connection, sequence)

    for name in past.names():
        entries = past.entries(name)
        version = data.draw(st.integers(1, past.versions(name)))
        position = data.draw(st.sampled_from([None, *[entry["position"] for entry in entries]]))
        try:
            told = past.ask(blame(name, Reference(version, position), Sight(auth_context)))
        except Refusal:
            assert not alive(entries, version, position)
            continue
        body = blamed_body(past, name, version, position)
        if not auth_context:
            body.pop("auth_context", None)
        line = list(descent(entries, version, position))
        assert dict(leaves(body)) == {field.field: field.value for field in told.fields}
        for field in told.fields:
            entry, change = next((e, c) for e, c in line if lists(c, field.field))
            assert (
                entry["position"],
                entry["kind"],
                entry["actor"]["id"],
                entry["reason"],
                change["version"],
            ) == (
                field.position,
                field.kind,
                field.actor.id,
                field.reason,
                field.version,
            ), field.field


def alive(entries, version, position):
    """Whether the version is stored at a position."""
    touching = [
        entry
        for entry in entries
        if entry["position"] <= position and any(c["version"] == version for c in entry["versions"])
    ]
    return bool(touching) and touching[-1]["kind"] not in REMOVALS


def descent(entries, version, position):
    """All that the entries say about a version and those it descends from, newest first."""
    for entry in reversed(entries):
        if entry["kind"] in REMOVALS or (position is not None and entry["position"] > position):
            continue
        change = next((c for c in entry["versions"] if c["version"] == version), None)
        if change is None:
            continue
        yield entry, change
        if entry["kind"] in ADDITIONS:
            version = change["previous_version"]


def lists(change, field):
    """Whether a change is of the field, of what it is in, or of what was in it."""
    return any(
        field == one["field"] or field.startswith(f"{one['field']}/") or one["field"].startswith(f"{field}/")
        for one in change["changes"]
    )


def blamed_body(past, name, version, position):
    if position is None:
        return past.body(name, version)
    table = "deployment_versions" if name.resource == "deployments" else "deployment_config_versions"
    row = past.connection.execute(
        f"SELECT body FROM {table} WHERE workspace = %s AND name = %s AND version = %s"
        " AND valid_from <= %s AND valid_until > %s",
        (name.workspace, name.name, version, position, position),
    ).fetchone()
    return json.loads(row[0])


@settings(max_examples=30)
@given(sequence=SEQUENCES, data=st.data(), auth_context=st.booleans())
def test_the_diff_of_two_states_makes_the_one_into_the_other(log, connection, sequence, data, auth_context):
    """For any two versions ever, and any two positions."""
    past = Past(log, connection, sequence)

    for name in past.names():
        versions = st.integers(1, past.versions(name)).map(Reference)
        positions = st.sampled_from(past.events).map(lambda recorded: Reference(None, recorded.position))
        sides = data.draw(st.tuples(*[versions | positions] * 2))
        before, after = (past.body(name, side.version, side.position) for side in sides)
        question = compare(name, *sides, Sight(auth_context))
        if before is None or after is None:
            with pytest.raises(Refusal):
                past.ask(question)
            continue
        told = msgspec.to_builtins(past.ask(question))
        if not auth_context:
            before, after = before | {"auth_context": None}, after | {"auth_context": None}
        assert exactly(after) == exactly(patched(before, told["patch"]))
        assert [before["entity_version"], after["entity_version"]] == [
            told[side]["version"] for side in ("from", "to")
        ]
        assert_effective(past, name, before, after, told["effective"])


def assert_effective(past, name, before, after, effective):
    """The configs of both sides, whether or not they are still stored, differ as is told."""
    served = [(side.get("config"), side.get("config_version")) for side in (before, after)]
    if name.resource != "deployments" or served[0] == served[1]:
        assert effective is None
        return
    told = effective["config"]
    configs = [
        past.body(Name("deployment-configs", past.workspace, config), version) for config, version in served
    ]
    assert served == [(told[side]["name"], told[side]["version"]) for side in ("from", "to")]
    assert exactly(configs[1]) == exactly(patched(configs[0], operations(told["changes"])))
