"""Sections 9.4 and 9.5 and defects 13, 15, 21 and 22: filters in their three spellings, through the lists."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.contract import wire


@pytest.fixture(scope="module")
def fleet(http):
    """Deployments that differ: `a` is READY on a provider, `b` was updated, `c` says odd things, `d` is as created."""
    workspace = wire.Workspace(http, wire.unique("w"))
    workspace.config()
    workspace.config("other")
    workspace.deployment("a", project="p1")
    workspace.deployment("b", "other")
    workspace.deployment("c", project="P2/x")
    workspace.deployment("d")
    workspace.report("READY", "up 100%", "a", model_provider_id="ws/p")
    workspace.report("READY", "old", "b")
    workspace.update("b", "other")
    workspace.report("ERROR", 'said "no_\\\\"\tÉ', "c")
    return workspace


def names(workspace, **query):
    return "".join(workspace.names(sort="name", **query))


SPELLINGS = [
    # JSON
    ({"filter": '{"status":"READY"}'}, "a"),
    ({"filter": '{"status":"READY","name":"b"}'}, ""),
    ({"filter": '{"name":{"$eq":"a"}}'}, "a"),
    ({"filter": '{"name":{"$in":["a","d","x"]}}'}, "ad"),
    ({"filter": '{"name":{"$in":"a, d"}}'}, "ad"),
    ({"filter": '{"name":{"$nin":["a","d"]}}'}, "bc"),
    ({"filter": '{"name":{"$in":[]}}'}, ""),
    ({"filter": '{"name":{"$nin":[]}}'}, "abcd"),
    ({"filter": '{"name":{"$gte":"b","$lt":"d"}}'}, "bc"),
    ({"filter": '{"$or":[{"name":"a"},{"status":"ERROR"}]}'}, "ac"),
    ({"filter": '{"$and":[{"name":{"$gt":"a"}},{"$not":{"name":"d"}}]}'}, "bc"),
    ({"filter": '{"$not":{"$or":[{"name":"a"},{"name":"b"}]}}'}, "cd"),
    ({"filter": '{"name":{"$not":{"$in":["a","b"]}}}'}, "cd"),
    ({"filter": '{"name":{"$or":[{"$eq":"a"},{"$gt":"c"}]}}'}, "ad"),
    ({"filter": '{"model_provider_id":null}'}, "bcd"),
    ({"filter": '{"project":null}'}, "bd"),
    ({"filter": '{"$not":{"project":"p1"}}'}, "bcd"),
    ({"filter": '{"project":{"$nin":["p1"]}}'}, "bcd"),
    ({"filter": '{"model_provider_id":{"$not":{"$eq":"ws/p"}}}'}, "bcd"),
    ({"filter": '  {"name":"a"}'}, "a"),
    # brackets
    ({"filter[status]": "READY"}, "a"),
    ({"filter[name]": "b"}, "b"),
    ({"filter[name][$like]": "A"}, "a"),
    ({"filter[name][like]": "B"}, "b"),
    ({"filter[name][$in]": "a,b"}, "ab"),
    ({"filter[name][in]": " a , b "}, "ab"),
    ({"filter[name][nin]": "a,b"}, "cd"),
    ({"filter[name][$gte]": "b", "filter[name][lt]": "d"}, "bc"),
    ({"filter[name][not][eq]": "a"}, "bcd"),
    ({"filter[status]": "READY", "filter[config]": "c"}, "a"),
    ({"filter[config]": "other"}, "b"),
    ({"filter[model_provider_id]": ""}, "bcd"),
    ({"filter[model_provider_id]": "ws/p"}, "a"),
    ({"filter[$not]": '{"name":"a"}'}, "bcd"),
    ({"filter[name]": '{"$in":["c"]}'}, "c"),
    ({"filter[name][$in]": '["c","d"]'}, "cd"),
    # text
    ({"filter": 'status:"READY"'}, "a"),
    ({"filter": 'name~"B"'}, "b"),
    ({"filter": 'name>="b" AND name<"d"'}, "bc"),
    ({"filter": 'name : "a"  or  name: "d"'}, "ad"),
    ({"filter": 'name:"a" OR name>"a" name<"c"'}, "ab"),
    ({"filter": 'name IN ["a","c"]'}, "ac"),
    ({"filter": 'name NOT IN ["a", "c"]'}, "bd"),
    ({"filter": "project:null"}, "bd"),
    ({"filter": '-name:"a"'}, "bcd"),
    ({"filter": '-(name:"a" OR name:"b")'}, "cd"),
    ({"filter": '(name:"a")'}, "a"),
    # which one counts
    ({"filter": '{"name":"a"}', "filter[name]": "b"}, "a"),
    ({"filter": ['{"name":"a"}', '{"name":"d"}']}, "d"),
    ({"search": "x", "Filter[name]": "x", "name": "x"}, "abcd"),
]


@pytest.mark.parametrize(("query", "found"), SPELLINGS, ids=[json.dumps(query) for query, _ in SPELLINGS])
def test_spellings(fleet, query, found):
    """Each spelling finds what it says."""
    assert found == names(fleet, **query)


VALUES = [
    ({"status_message": 'said "no_\\\\"\tÉ'}, "c"),
    ({"status_message": {"$like": 'SAID "NO_\\\\"\t'}}, "c"),
    ({"status_message": {"$like": "É"}}, "c"),
    ({"status_message": {"$like": "é"}}, ""),
    ({"status_message": {"$like": "%"}}, "a"),
    ({"status_message": {"$like": "_"}}, "c"),
    ({"status_message": {"$like": "\\"}}, "c"),
    ({"status_message": {"$like": ""}}, "abcd"),
    ({"model_provider_id": "null"}, ""),
    ({"model_provider_id": {"$like": "ul"}}, ""),
    ({"model_provider_id": {"$gt": "a"}}, "a"),
    ({"model_provider_id": {"$lt": "zzz"}}, "a"),
    ({"model_provider_id": {"$in": [None, "ws/p"]}}, "abcd"),
    ({"project": {"$gt": "Z"}}, "a"),
    ({"project": {"$like": "p"}}, "ac"),
    ({"status": "ready"}, ""),
    ({"status": "NOTHING"}, ""),
    ({"status": "CREATED"}, "d"),
    ({"entity_type": {"$nin": []}}, "abcd"),
]


@pytest.mark.parametrize(("tree", "found"), VALUES, ids=[json.dumps(tree) for tree, _ in VALUES])
def test_values(fleet, tree, found):
    """Values are compared as they are: no wildcards, no escapes, unset is not a text."""
    assert found == names(fleet, filter=json.dumps(tree))


def test_filters_see_the_latest_versions_only(fleet):
    """A superseded version that would match is not shown, unless all versions are asked for."""
    assert "a" == names(fleet, **{"filter[status]": "READY"})
    assert "ab" == names(fleet, **{"filter[status]": "READY", "all_versions": "true"})
    page = fleet.read("deployments?filter[status]=READY")["pagination"]
    assert (1, 1) == (page["total_results"], page["total_pages"])


def test_filters_see_the_latest_versions_of_configs_only(workspace):
    """As for deployments."""
    workspace.config(description="old")
    workspace.update_config(description="new")

    assert [] == workspace.names("deployment-configs", **{"filter[description]": "old"})
    assert ["c"] == workspace.names("deployment-configs", **{"filter[description]": "new"})


def test_config_fields(workspace):
    """What can be filtered by on configs."""
    stored = workspace.config("a", project="p", description="Große", model_entity_id="ws/m")
    workspace.config("b")

    for field in ("id", "name", "project", "description", "model_entity_id", "workspace"):
        wanted = {"$and": [{field: stored[field]}, {"name": "a"}]}
        assert ["a"] == workspace.names("deployment-configs", filter=json.dumps(wanted)), field
    for field in ("description", "model_entity_id", "project"):
        assert ["b"] == workspace.names("deployment-configs", **{f"filter[{field}]": ""})
        assert ["b"] == workspace.names(
            "deployment-configs", filter=json.dumps({"$not": {field: stored[field]}})
        )


def moments(workspace, name="b"):
    """The creation of a deployment's latest version, and a microsecond later."""
    text = workspace.read(f"deployments/{name}")["created_at"]
    at = datetime.fromisoformat(text)
    return at, at + timedelta(microseconds=1)


def test_dates(fleet):
    """Compared in UTC to the microsecond, whatever their zone."""
    at, later = moments(fleet)
    east = timezone(timedelta(hours=14))
    for moment in (at.isoformat(), at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), at.astimezone(east).isoformat()):
        assert "b" == names(fleet, **{"filter[created_at][$gte]": moment})
        assert "acd" == names(fleet, **{"filter[created_at][lt]": moment})
        assert "abcd" == names(fleet, filter=json.dumps({"created_at": {"$lte": moment}}))
    assert "" == names(fleet, **{"filter[created_at][$gte]": later.isoformat()})
    assert "abcd" == names(
        fleet, filter=f'created_at>"2020-01-01" updated_at<"{datetime.now(UTC).year + 1}-01-01"'
    )
    assert "b" == names(fleet, **{"filter[created_at]": at.isoformat()})


@pytest.mark.parametrize("operand", [r"\ud800", r"a\u0000b"])
def test_operands_that_no_text_can_be(fleet, operand):
    """They match nothing or are refused; neither is a fault of the service."""
    response = fleet.get("deployments", params={"filter": f'{{"name":"{operand}"}}'})

    assert response.status_code in {200, 400}
    assert response.status_code == 400 or [] == response.json()["data"]


def test_a_workspace_filter_does_not_reach_out_of_the_path(workspace):
    """It is an ordinary condition; over all workspaces it selects one."""
    other = wire.Workspace(workspace.http, wire.unique("w"))
    for place in (workspace, other):
        place.config()
    everywhere = wire.Workspace(workspace.http, "-")

    assert [] == workspace.names("deployment-configs", **{"filter[workspace]": other.name})
    assert ["c"] == workspace.names("deployment-configs", **{"filter[workspace]": workspace.name})
    assert ["c"] == workspace.names("deployment-configs", **{"filter[workspace]": "-"})
    assert ["c"] == everywhere.names("deployment-configs", **{"filter[workspace]": other.name})
    either = {"$or": [{"workspace": workspace.name}, {"workspace": other.name}]}
    assert ["c"] == workspace.names("deployment-configs", filter=json.dumps(either))
    assert ["c", "c"] == everywhere.names("deployment-configs", filter=json.dumps(either))
