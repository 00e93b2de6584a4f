"""Every route and every role, and what those who may read some workspaces see of all of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import get

from app.authorisation import NEEDED, OF_ALL_WORKSPACES, Unlisted, require_listed
from tests.support import secured as support
from tests.support.described import Described, application, handlers
from tests.support.secured import READERS, WORKSPACES
from tests.support.watching import Watching

SPEC = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
ROLES = {None: set(), "nobody": set(), "vera": {"read"}, "ed": {"read", "write"}, "root": {"read", "write"}}
ROUTES = sorted((path, method, handler.handler_name) for path, method, handler in handlers())
QUERY = {"watch": {"after": "no"}}
"""What is refused as soon as the caller is let in: a watch would have no end."""


def test_every_route_is_listed():
    """The table names the routes there are, and no others; what it does not name does not start."""
    assert {name for _, _, name in ROUTES} == set(NEEDED)
    require_listed(application().routes)

    @get("/mystery")
    async def mystery() -> None:
        """Who may?"""

    with pytest.raises(Unlisted, match="mystery"):
        require_listed(application(mystery).routes)


@pytest.fixture(scope="module")
def described(secured):
    """A client that knows from the service's description what may come."""
    client = Described(secured.url)
    yield client
    client.close()


@pytest.mark.parametrize(("path", "method", "name"), ROUTES, ids=[name for _, _, name in ROUTES])
def test_every_role_on_every_route(described, path, method, name):
    """Whoever has the right is let in, who is not known is asked who they are, all others are denied."""
    filled = path.format(workspace="matrix", name="absent", version="1", asset="page.css")
    for subject, rights in ROLES.items():
        headers = {} if subject is None else support.bearer(subject)
        body = {"json": {}} if method == "POST" else {}
        answer = described.send(method, filled, headers=headers, params=QUERY.get(name), **body)
        needed = NEEDED[name]
        if needed is None or needed in rights:
            assert answer.status_code not in {401, 403}, (subject, answer.text)
        elif subject is None:
            assert (401, {"detail": "Unauthorized"}) == (answer.status_code, answer.json())
            assert "Bearer" == answer.headers["www-authenticate"]
        else:
            assert (403, "Forbidden") == (answer.status_code, answer.json()["detail"])
            assert "matrix" in answer.json()["hint"]


@pytest.mark.parametrize("subject", ["nobody", "vera"])
@pytest.mark.parametrize("workspace", ["default", "no-such", "NOT_ONE", "a b", "-x"])
@pytest.mark.parametrize(
    "path", ["deployments", "deployments/x", "deployments/x/versions/1", "watch", "no/such", ""]
)
def test_nothing_tells_whether_a_workspace_is_there(secured, subject, workspace, path):
    """One that may not be read answers as one that does not exist, on routes and where there are none."""
    answer = secured.send(subject, "GET", f"{workspace}/{path}")

    assert (403, "Forbidden") == (answer.status_code, answer.json()["detail"])
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert 403 == secured.send(subject, method, f"{workspace}/{path}").status_code


def test_denials_are_logged_and_counted(secured):
    """With who wanted what."""
    secured.send("vera", "DELETE", "matrix/deployments/precious")
    secured.send(None, "GET", "matrix/deployments")

    def line(kind):
        lines = [json.loads(line) for line in secured.service.output.splitlines() if '"denied"' in line]
        return next(
            (one for one in reversed(lines) if one["kind"] == kind and "precious" in one["path"] + kind), None
        )

    assert secured.wait(lambda: line("forbidden"))
    told = line("forbidden")
    assert ("vera", "delete_deployment", "matrix", "127.0.0.1") == tuple(
        told[key] for key in ("principal", "operation", "workspace", "peer")
    )
    metrics = secured.client.get("/metrics").text
    assert 'ledger_denied_total{kind="forbidden"}' in metrics
    assert 'ledger_denied_total{kind="unauthenticated"}' in metrics


def test_groups_and_claims_of_tokens(secured):
    """Grants are for them as for principals."""
    for changes, expected in [
        ({}, (403, 403)),
        ({"groups": ("x", "ml")}, (200, 403)),
        ({"team": "ml"}, (200, 422)),
        ({"team": "mlx"}, (403, 403)),
    ]:
        headers = support.bearer("someone", **changes)
        read = secured.client.get(f"{support.ROOT}/team/deployments", headers=headers)
        write = secured.client.post(f"{support.ROOT}/team/deployments", headers=headers, json={})
        assert expected == (read.status_code, write.status_code)


def test_references_to_entities_elsewhere(secured):
    """A config may refer only to what its author may read."""
    for n, (subject, reference, status) in enumerate(
        [
            ("ed", "team/model", 403),
            ("ed", "matrix/model", 201),
            ("ed", "plain", 201),
            ("ed", "a/b/c", 400),
            ("ed", "team/ ", 400),
            ("root", "team/model", 201),
        ]
    ):
        body = {"name": f"ref-{n}", **SPEC, "model_entity_id": reference}
        answer = secured.send(subject, "POST", "matrix/deployment-configs", json=body)
        assert status == answer.status_code, answer.text
    answer = secured.send(
        "ed", "POST", "matrix/deployment-configs/ref-2", json={**SPEC, "model_entity_id": "x/y"}
    )
    assert "Access denied to model entity 'x/y'" == answer.json()["detail"]


@pytest.fixture(scope="module")
def filled(secured):
    """Some deployments and configs in each workspace; all items and events as one who may everything sees them."""
    for n, workspace in enumerate((*WORKSPACES, "other")):
        done(secured.send("root", "POST", f"{workspace}/deployment-configs", json={"name": "c", **SPEC}))
        for name in ["a", "b", "c"][: n % 3 + 1]:
            body = {"name": name, "config": "c"}
            done(secured.send("root", "POST", f"{workspace}/deployments", json=body))
        done(secured.send("root", "POST", f"{workspace}/deployments/a", json={"config": "c"}))
    return secured


def done(answer):
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


LISTS = st.sampled_from(["deployments", "deployment-configs"])
FILTERS = st.sampled_from(
    [
        {},
        {"filter[name]": "a"},
        {"filter": 'workspace IN ["read-1","read-2","other"]'},
        {"filter": '-workspace:"read-0"'},
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    reader=st.sampled_from(sorted(READERS)),
    path=LISTS,
    filters=FILTERS,
    all_versions=st.booleans(),
    page=st.integers(1, 3),
    size=st.integers(1, 5),
    sort=st.sampled_from(["created_at", "-name", "workspace"]),
)
def test_lists_of_all_workspaces_show_what_may_be_read(
    filled, reader, path, filters, all_versions, page, size, sort
):
    """The items, pages and totals that someone gets who may read everything, without the others."""
    query = {**filters, "all_versions": all_versions, "sort": sort}
    everything = done(filled.send("root", "GET", f"-/{path}", params={**query, "page_size": 1000}))["data"]
    visible = [item for item in everything if item["workspace"] in READERS[reader]]
    for item in visible:
        item.pop("auth_context", None)

    got = done(filled.send(reader, "GET", f"-/{path}", params={**query, "page": page, "page_size": size}))
    assert visible[(page - 1) * size : page * size] == got["data"]
    assert len(visible) == got["pagination"]["total_results"]


@settings(max_examples=40, deadline=None)
@given(
    reader=st.sampled_from(sorted(READERS)),
    order=st.sampled_from(["newest", "oldest"]),
    limit=st.integers(1, 7),
    select=st.sampled_from(
        [
            {},
            {"name": "a"},
            {"kind": "deployment.created"},
            {"resource": "deployment-configs"},
            {"actor": "root"},
        ]
    ),
)
def test_histories_of_all_workspaces_show_what_may_be_read(filled, reader, order, limit, select):
    """Every event once, over all pages."""
    query = {"order": order, **select}
    everything = done(filled.send("root", "GET", "-/history", params={**query, "limit": 1000}))["data"]
    visible = [entry["position"] for entry in everything if entry["workspace"] in READERS[reader]]
    found, after = [], {}
    while after is not None:
        part = done(filled.send(reader, "GET", "-/history", params={**query, **after, "limit": limit}))
        assert len(part["data"]) <= limit
        found += [entry["position"] for entry in part["data"]]
        after = None if part["next"] is None else {"after": part["next"]}

    assert visible == found


@pytest.mark.parametrize("reader", ["reader-0", "reader-5", "reader-15"])
def test_watches_of_all_workspaces_show_what_may_be_read(filled, reader):
    """Of what was and of what comes."""
    everything = done(filled.send("root", "GET", "-/history", params={"order": "oldest", "limit": 1000}))[
        "data"
    ]
    visible = [entry["position"] for entry in everything if entry["workspace"] in READERS[reader]]
    with Watching(filled.url, headers=support.bearer(reader), after=0) as watching:
        for workspace in (*WORKSPACES, "other"):
            done(filled.send("root", "POST", f"{workspace}/deployments/a", json={"config": "c"}))
        coming = len(READERS[reader])
        assert watching.wait(lambda it: len(it.events) >= len(visible) + coming and it.heartbeats)

        assert visible == watching.positions[: len(visible)]
        assert READERS[reader] == [event.data["workspace"] for event in watching.events[len(visible) :]]


def test_a_filter_is_checked_like_the_path(filled):
    """Asking for a workspace by name is denied, whether or not it is there; in its own path nothing reaches out."""
    for workspace, status in [("read-0", 200), ("read-1", 403), ("no-such", 403), ("-", 200)]:
        query = {"filter[workspace]": workspace}
        for path in ("deployments", "deployment-configs"):
            assert status == filled.send("reader-1", "GET", f"-/{path}", params=query).status_code
    inside = filled.send("reader-1", "GET", "read-0/deployments", params={"filter[workspace]": "read-1"})
    assert [] == done(inside)["data"]
    assert set(OF_ALL_WORKSPACES) == {
        "list_deployments",
        "list_deployment_configs",
        "get_workspace_history",
        "watch",
    }
