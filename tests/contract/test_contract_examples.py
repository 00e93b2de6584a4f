"""Sections 12 to 14: the worked examples, and what the official client relies on."""

import re

from tests.contract import wire

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"


def masked(response):
    """The text of an answer with ids and times as in the examples."""
    text = re.sub(r'"(model-deployment-(config-)?)\w+"', r'"\1…"', response.text)
    return re.sub(f'"{TIME}"', '"…"', text)


def test_create_and_update(workspace):
    """The first example, byte for byte."""
    workspace.config("c1")
    created = workspace.post("deployments", {"name": "d1", "config": "c1"})
    updated = workspace.post("deployments/d1", {"config": "c1"})

    expected = (
        '{"id":"model-deployment-…","name":"d1","workspace":"%s","project":null,"created_at":"…","updated_at":"…",'
        '"entity_version":%d,"config":"c1","config_version":1,"status":"%s","status_message":"%s",'
        '"status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,'
        '"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,'
        '"principal_on_behalf_of_email":null}}'
    )
    assert (201, expected % (workspace.name, 1, "CREATED", "Deployment created")) == (
        created.status_code,
        masked(created),
    )
    assert (201, expected % (workspace.name, 2, "PENDING", "Deployment update pending")) == (
        updated.status_code,
        masked(updated),
    )


def test_the_same_as_a_list_item(workspace):
    """Nulls are gone."""
    workspace.config("c1")
    workspace.deployment("d1", "c1")
    workspace.update("d1", "c1")

    expected = (
        '{"data":[{"id":"model-deployment-…","name":"d1","workspace":"%s","created_at":"…","updated_at":"…",'
        '"entity_version":2,"config":"c1","config_version":1,"status":"PENDING",'
        '"status_message":"Deployment update pending","status_history":[],'
        '"auth_context":{"principal_id":"","principal_groups":[]}}],'
        '"pagination":{"page":1,"page_size":100,"current_page_size":1,"total_pages":1,"total_results":1},'
        '"sort":"created_at"}'
    )
    assert expected % workspace.name == masked(workspace.get("deployments"))


def test_a_config(workspace):
    """The third example, byte for byte."""
    body = {"name": "c1", "engine": "nim", "model_spec": {"model_name": "m"}, "executor_config": {"gpu": 1}}
    response = workspace.post("deployment-configs", body)

    expected = (
        '{"id":"model-deployment-config-…","name":"c1","workspace":"%s","project":null,"created_at":"…",'
        '"updated_at":"…","entity_version":1,"description":null,"engine":"nim",'
        '"model_spec":{"model_type":null,"model_namespace":null,"model_name":"m","model_revision":null,'
        '"chat_template":null,"tool_call_config":null,"lora_enabled":false},'
        '"executor_config":{"gpu":1,"disk_size":"50Gi","image_name":null,"image_tag":null,'
        '"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":null,'
        '"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}'
    )
    assert (201, expected % workspace.name) == (response.status_code, masked(response))


def test_validation(workspace):
    """The fourth example, byte for byte."""
    response = workspace.post("deployments", {"name": 5, "config": [], "config_version": "a"})

    expected = (
        '{"detail":[{"type":"string_type","loc":["body","name"],"msg":"Input should be a valid string","input":5},'
        '{"type":"string_type","loc":["body","config"],"msg":"Input should be a valid string","input":[]},'
        '{"type":"int_parsing","loc":["body","config_version"],'
        '"msg":"Input should be a valid integer, unable to parse string as an integer","input":"a"}]}'
    )
    assert (422, expected) == (response.status_code, response.text)


def test_health(http):
    """What start scripts wait for."""
    assert {"status": "live"} == wire.done(200, http.get("/health/live"))
    assert "ready" == wire.done(200, http.get("/health/ready"))["status"]


def test_a_controllers_poll(workspace):
    """Every version of any workspace in a status, a thousand a page."""
    workspace.config()
    provider = wire.unique("provider")
    workspace.deployment()
    workspace.report("PENDING", model_provider_id=provider)
    workspace.update()
    everywhere = wire.Workspace(workspace.http, "-")
    query = {"filter[status]": "PENDING", "all_versions": "true", "page_size": "1000", "sort": "-created_at"}
    page = wire.done(200, everywhere.get("deployments", params=query))

    mine = [item for item in page["data"] if item["workspace"] == workspace.name]
    assert [2, 1] == [item["entity_version"] for item in mine]
    assert {"PENDING"} == {item["status"] for item in page["data"]}
    query["filter[model_provider_id]"] = provider
    assert [1] == [
        item["entity_version"] for item in everywhere.get("deployments", params=query).json()["data"]
    ]


def test_conflicts_say_that_they_are_final(workspace):
    """Every 409 and no other answer of these."""
    workspace.config()
    workspace.deployment()
    conflicts = [
        workspace.post("deployments", {"name": "d", "config": "c"}),
        workspace.post("deployment-configs", {"name": "c", **wire.SPEC}),
        workspace.delete("deployment-configs/c"),
        workspace.delete("deployment-configs/c/versions/1"),
    ]
    workspace.delete("deployments/d")
    conflicts.append(workspace.post("deployments/d/status", {"status": "READY"}))
    others = [workspace.get("deployments/x"), workspace.get("deployments"), workspace.post("deployments", {})]

    assert [(409, "false")] * 5 == [
        (answer.status_code, answer.headers["x-should-retry"]) for answer in conflicts
    ]
    assert not [answer for answer in others if "x-should-retry" in answer.headers]
