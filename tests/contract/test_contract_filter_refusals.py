"""Section 9.6 and defects 19, 20, 22 and 23: filters that are refused."""

import json

import pytest

from tests.contract import wire

DEPLOYMENT_FIELDS = (
    "['config', 'created_at', 'entity_type', 'id', 'model_provider_id', 'name', 'project', 'status', "
    "'status_message', 'updated_at', 'workspace']"
)
CONFIG_FIELDS = (
    "['created_at', 'description', 'entity_type', 'id', 'model_entity_id', 'name', 'project', 'updated_at', "
    "'workspace']"
)


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "", "5", "2026-01-01T25:00:00", "null"])
def test_bad_dates(workspace, date):
    """Refused, not taken for something else."""
    for query in (
        {"filter": json.dumps({"created_at": {"$gte": date}})},
        {"filter[updated_at][$lt]": date or "x"},
    ):
        assert 400 == workspace.get("deployments", params=query).status_code


@pytest.mark.parametrize(
    "tree",
    [
        {"created_at": {"$gte": 5}},
        {"created_at": {"$in": 5}},
        {"created_at": {"$gt": ["2026-01-01", "2026-01-02"]}},
    ],
)
def test_operands_that_are_no_dates(workspace, tree):
    """Numbers and lists are none."""
    assert 400 == workspace.get("deployments", params={"filter": json.dumps(tree)}).status_code


@pytest.mark.parametrize(
    ("resource", "fields", "unknown"),
    [
        (
            "deployments",
            DEPLOYMENT_FIELDS,
            ["nothing", "Status", "engine", "config_version", "entity_version", "auth_context"],
        ),
        (
            "deployments",
            DEPLOYMENT_FIELDS,
            ["name.foo", "data.status", "data._auth_context.principal_id", "", "$where"],
        ),
        (
            "deployment-configs",
            CONFIG_FIELDS,
            ["engine", "status", "config", "entity_version", "model_spec", "data.engine"],
        ),
    ],
)
def test_unknown_fields(workspace, resource, fields, unknown):
    """Refused in every spelling, with all fields that there are."""
    for field in unknown:
        message = f"Unknown filter field '{field}'. Valid fields: {fields}"
        spellings = [{"filter": json.dumps({field: "x"})}, {f"filter[{field}]": "x"}]
        spellings += [{"filter": json.dumps({"$or": [{"name": "x"}, {field: "x"}]})}]
        for query in spellings:
            answer = workspace.get(resource, params=query)
            if field == "$where" and query != spellings[1]:
                assert 400 == answer.status_code
            else:
                assert (400, message) == wire.refusal(answer), query


REFUSALS = [
    ({"filter": ""}, "Filter query cannot be empty"),
    ({"filter": "  "}, "Filter query cannot be empty"),
    ({"filter": "{}"}, "No valid filter criteria found"),
    ({"filter": '{"$not":{}}'}, "No valid filter criteria found"),
    ({"filter": "{bad"}, None),
    (
        {"filter": '{"$or":[{"name":"a"}],"status":"READY"}'},
        "Top-level filter mixes a logical operator with sibling keys (['$or', 'status']); wrap the siblings inside "
        "the logical operator or under an explicit $and",
    ),
    (
        {"filter": '{"name":{"$or":[{"$eq":"a"}],"$eq":"b"}}'},
        "Field 'name' filter mixes a logical operator with sibling keys (['$eq', '$or']); wrap the siblings inside "
        "the logical operator or under an explicit $and",
    ),
    (
        {"filter[name]": "{bad"},
        "Invalid filter value: '{bad'. Array and object values must be valid JSON with proper quoting. "
        'Example: ["item1","item2"] not [item1,item2]',
    ),
    (
        {"filter[name]": "[bad"},
        "Invalid filter value: '[bad'. Array and object values must be valid JSON with proper quoting. "
        'Example: ["item1","item2"] not [item1,item2]',
    ),
    ({"filter": '{"name":{"$ne":"a"}}'}, None),
    ({"filter": '{"name":{"$exists":true}}'}, None),
    ({"filter": '{"name":{"$in":5}}'}, None),
    ({"filter": '{"$and":[]}'}, None),
    ({"filter": '{"$or":[]}'}, None),
    ({"filter[$or]": '[{"name":"a"}]'}, None),
    ({"filter": 'name:"a'}, None),
    ({"filter": "name"}, None),
    ({"filter": "name:a b"}, None),
    ({"filter": '(name:"a"'}, None),
    ({"filter": 'name:"a" AND'}, None),
    ({"filter": '[{"name":"a"}]'}, None),
    ({"filter": '{"a":' * 5_000}, None),
    ({"filter": "(" * 5_000}, None),
]


@pytest.mark.parametrize(
    ("query", "message"), REFUSALS, ids=[json.dumps(query)[:60] for query, _ in REFUSALS]
)
@pytest.mark.parametrize("resource", ["deployments", "deployment-configs"])
def test_refusals(workspace, resource, query, message):
    """A sentence, the same one every time, without anything of the inside."""
    status, detail = wire.refusal(workspace.get(resource, params=query))

    assert 400 == status
    assert message in {None, detail}
    assert "Traceback" not in detail
    assert (status, detail) == wire.refusal(workspace.get(resource, params=query))


def test_broken_json_is_quoted(workspace):
    """So that one sees what arrived."""
    status, detail = wire.refusal(workspace.get("deployments", params={"filter": '{"name":'}))

    assert 400 == status
    assert detail.startswith("Invalid JSON in filter parameter: ")
