"""Sections 9.1 to 9.3 and defects 12 to 14: envelopes, pages and orders of lists."""

import json

import pytest

from tests.contract import wire

RESOURCES = ("deployments", "deployment-configs")


@pytest.fixture
def fleet(workspace):
    """Five deployments: `b` updated twice, `a` once, `a-b`, `c.d` and `e` as created, in the order of names sent."""
    workspace.config()
    for name in ("b", "a-b", "a", "e", "c.d"):
        workspace.deployment(name)
    for name in ("b", "a", "b"):
        workspace.update(name)
    return workspace


def page(workspace, path="deployments", **query):
    return wire.done(200, workspace.get(path, params=query))


def pagination(workspace, path="deployments", **query):
    """Page, page size, items, pages and results."""
    return tuple(page(workspace, path, **query)["pagination"].values())


@pytest.mark.parametrize("resource", RESOURCES)
def test_an_empty_list(workspace, resource):
    """Key for key; there is one page of nothing."""
    expected = (
        '{"data":[],"pagination":{"page":1,"page_size":100,"current_page_size":0,"total_pages":1,'
        '"total_results":0},"sort":"created_at"}'
    )

    assert expected == workspace.get(resource).text


def test_an_empty_list_of_all_versions_has_no_pages(workspace):
    """Deployments only: configs do not have that list."""
    assert (1, 100, 0, 0, 0) == pagination(workspace, all_versions=True)
    assert (1, 100, 0, 1, 0) == pagination(workspace, "deployment-configs", all_versions=True)


def test_pages_count(fleet):
    """The request is echoed; beyond the end there is nothing, and the counts stay."""
    assert (1, 100, 5, 1, 5) == pagination(fleet)
    assert (1, 2, 2, 3, 5) == pagination(fleet, page_size=2)
    assert (3, 2, 1, 3, 5) == pagination(fleet, page_size=2, page=3)
    assert (4, 2, 0, 3, 5) == pagination(fleet, page_size=2, page=4)
    assert (1, 5, 5, 1, 5) == pagination(fleet, page_size=5)
    assert (1, 100, 8, 1, 8) == pagination(fleet, all_versions=True)


@pytest.mark.parametrize("all_versions", [False, True])
def test_huge_pages_work(fleet, all_versions):
    """Whatever fits an integer."""
    huge = 2**63 - 1

    assert [] == page(fleet, page=huge, page_size=huge, all_versions=all_versions)["data"]
    assert (1, huge, 8 if all_versions else 5) == pagination(
        fleet, page_size=huge, all_versions=all_versions
    )[:3]


@pytest.mark.parametrize("sort", ["name", "-created_at", "status", "nothing"])
@pytest.mark.parametrize("all_versions", [False, True])
def test_paging_neither_repeats_nor_skips(fleet, sort, all_versions):
    """One item after the other makes the whole list, also where many are equal."""
    query = {"sort": sort, "all_versions": all_versions}
    whole = page(fleet, **query)["data"]
    pieces = [page(fleet, page=number, page_size=1, **query)["data"] for number in range(1, len(whole) + 1)]

    assert whole == [item for piece in pieces for item in piece]


def test_lists_show_the_latest_versions(fleet):
    """One item a name; all versions only if asked for."""
    versions = {item["name"]: item["entity_version"] for item in page(fleet)["data"]}

    assert {"b": 3, "a": 2, "a-b": 1, "e": 1, "c.d": 1} == versions
    assert 3 == len([item for item in page(fleet, all_versions=True)["data"] if item["name"] == "b"])


def test_configs_are_listed_by_their_latest_versions(workspace):
    """Whatever `all_versions` says."""
    workspace.config()
    workspace.update_config()
    workspace.config("d")

    for query in ({}, {"all_versions": True}):
        items = page(workspace, "deployment-configs", sort="name", **query)["data"]
        assert [("c", 2), ("d", 1)] == [(item["name"], item["entity_version"]) for item in items]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("created_at", ["a-b", "e", "c.d", "a", "b"]),
        ("-created_at", ["b", "a", "c.d", "e", "a-b"]),
        ("", ["b", "a", "c.d", "e", "a-b"]),
        ("nothing", ["a-b", "e", "c.d", "a", "b"]),
        ("-nothing", ["a-b", "e", "c.d", "a", "b"]),
        ("name,status", ["a-b", "e", "c.d", "a", "b"]),
        ("name", ["a", "a-b", "b", "c.d", "e"]),
        ("-name", ["e", "c.d", "b", "a-b", "a"]),
        ("--name", ["e", "c.d", "b", "a-b", "a"]),
        ("entity_version", ["a-b", "e", "c.d", "a", "b"]),
        ("-entity_version", ["b", "a", "a-b", "e", "c.d"]),
        ("status", ["a-b", "e", "c.d", "a", "b"]),
        ("-status", ["a", "b", "a-b", "e", "c.d"]),
        ("config", ["a-b", "e", "c.d", "a", "b"]),
        ("-config", ["a-b", "e", "c.d", "a", "b"]),
    ],
)
def test_orders(fleet, sort, names):
    """By the field of the item that is shown; equal items as they were created, both ways round."""
    response = page(fleet, sort=sort)

    assert names == [item["name"] for item in response["data"]]
    assert sort == response["sort"]


def test_updates_and_reports_move_items(fleet):
    """`updated_at` is the time of the last change of the item shown."""
    fleet.report("READY", name="a-b")

    assert ["e", "c.d", "a", "b", "a-b"] == fleet.names(sort="updated_at")
    assert ["a-b", "e", "c.d", "a", "b"] == fleet.names(sort="created_at")


def test_numbers_are_sorted_as_numbers(workspace):
    """Ten comes after two."""
    workspace.config()
    for _ in range(10):
        workspace.update_config()
    for name, version in (("a", 10), ("b", 2), ("e", 1)):
        workspace.deployment(name, config_version=version)
    for _ in range(9):
        workspace.update("a", config_version=10)
    workspace.update("b", config_version=2)

    assert ["e", "b", "a"] == workspace.names(sort="config_version")
    assert ["e", "b", "a"] == workspace.names(sort="entity_version")
    versions = [
        item["entity_version"] for item in page(workspace, sort="-entity_version", all_versions=True)["data"]
    ]
    assert [10, 9, 8, 7, 6, 5, 4, 3, 2, 2, 1, 1, 1] == versions


@pytest.mark.parametrize("field", ["project", "model_provider_id", "status_message"])
def test_text_is_sorted_by_code_point(workspace, field):
    """Upper case before lower, a prefix before what it begins, ASCII before the rest."""
    texts = ["B", "a", "a-", "a.", "aa", "b", "é"]
    workspace.config()
    for number, text in reversed(list(enumerate(texts))):
        workspace.deployment(f"d{number}", **({"project": text} if field == "project" else {}))
        if field != "project":
            workspace.report("READY", name=f"d{number}", **{field: text})

    found = [item[field] for item in page(workspace, sort=field)["data"]]
    assert texts == found
    assert texts[::-1] == [item[field] for item in page(workspace, sort=f"-{field}")["data"]]


@pytest.mark.parametrize(
    ("field", "unset_first"), [("project", True), ("description", False), ("model_entity_id", False)]
)
def test_where_unset_values_stand(workspace, field, unset_first):
    """At one end, at the other one in descending order."""
    for name, value in (("a", "x"), ("b", None), ("c", "y")):
        workspace.config(name, **{field: value})

    ascending = ["b", "a", "c"] if unset_first else ["a", "c", "b"]
    assert ascending == workspace.names("deployment-configs", sort=field)
    assert ascending[::-1] == workspace.names("deployment-configs", sort=f"-{field}")


@pytest.mark.parametrize("field", ["id", "workspace", "engine", "updated_at", "description"])
def test_configs_are_sorted_by_any_scalar_field(workspace, field):
    """By its values, whatever they are."""
    for name, engine in (("b", "vllm"), ("a", "nim"), ("c", "nim")):
        workspace.config(name, engine=engine, description=name * 2)

    items = page(workspace, "deployment-configs", sort=field)["data"]
    assert sorted(items, key=lambda item: item[field]) == items


def test_odd_sorts_are_echoed(workspace):
    """What is no field means creation order, however it looks."""
    for sort in ('"', "name'; DROP", "é", "-", "model_spec", "data.x", "😀"):
        assert sort == page(workspace, sort=sort)["sort"]
    assert workspace.get("deployments", params={"sort": "\0"}).status_code in {200, 400, 422}


def test_lists_of_all_workspaces(workspace):
    """Items carry their workspace; equal names of two workspaces are two items, in both kinds of list."""
    mark = wire.unique("mark")
    other = wire.Workspace(workspace.http, wire.unique("w"))
    for place in (workspace, other):
        place.config(project=mark)
        place.deployment(project=mark)
    other.update()
    everywhere = wire.Workspace(workspace.http, "-")

    for resource in RESOURCES:
        items = page(everywhere, resource, filter=json.dumps({"project": mark}), sort="workspace")["data"]
        assert sorted([workspace.name, other.name]) == [item["workspace"] for item in items]
    assert 3 == len(
        page(everywhere, all_versions="true", page_size=1000, **{"filter[project]": mark})["data"]
    )


def test_a_list_knows_only_its_workspace(workspace):
    """What is elsewhere is neither shown nor counted."""
    other = wire.Workspace(workspace.http, wire.unique("w"))
    other.config()
    other.deployment()

    assert (1, 100, 0, 1, 0) == pagination(workspace)
    assert (1, 100, 0, 1, 0) == pagination(workspace, "deployment-configs")
