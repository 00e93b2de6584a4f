"""Section 4: creating, updating, reading and removing configs."""

import pytest

from tests.contract import wire

GENERIC_NEEDS = (
    "The 'generic' engine requires {} to be set (no platform default exists for a generic container)."
)
BOTH = "executor_config.image_name and executor_config.health_check_path"
BLANKS = "{} must not have leading or trailing whitespace."
LORA = (
    "The 'generic' engine does not support LoRA (model_spec.lora_enabled); there is no engine compiler to wire "
    "the adapter sidecar against."
)
PLUGINS_OFF = (
    "tool_call_plugin is disabled at the platform level. Set models.tool_call_plugin.enabled=true in the "
    "platform configuration to allow custom parser plugins."
)
BAD_REFERENCE = "invalid entity reference '{}'; expected 'name' or 'workspace/name'"
WITH_PLUGIN = {"tool_call_config": {"tool_call_plugin": "p"}}


def create(workspace, name="c", **fields):
    return workspace.post("deployment-configs", {"name": name, **wire.SPEC, **fields})


def update(workspace, name="c", **fields):
    return workspace.post(f"deployment-configs/{name}", {**wire.SPEC, **fields})


def generic(image_name, health_check_path, **spec):
    executor = {"gpu": 1, "image_name": image_name, "health_check_path": health_check_path}
    return {"engine": "generic", "executor_config": executor, "model_spec": spec}


@pytest.mark.parametrize("engine", ["nim", "vllm"])
def test_a_config_begins_with_version_1(workspace, engine):
    """Created, and readable at once."""
    stored = workspace.config(engine=engine)

    assert (1, engine) == (stored["entity_version"], stored["engine"])
    assert stored == workspace.read("deployment-configs/c")


def test_a_taken_name_is_a_final_conflict(workspace, events):
    """Clients would repeat a 409; the answer tells them not to."""
    workspace.config()
    before = events()
    response = create(workspace)

    message = f"Deployment config with workspace '{workspace.name}' and name 'c' already exists"
    assert (409, message) == wire.refusal(response)
    assert "false" == response.headers["x-should-retry"]
    assert before == events()


@pytest.mark.parametrize("write", [create, update])
@pytest.mark.parametrize("reference", ["m", "ws/m", "Bad Ref", "é", "", None, "..", "a@b", " a", "x" * 255])
def test_model_entity_references_that_are_accepted(workspace, write, reference):
    """`name` or `workspace/name`, otherwise free text; nothing has to be there."""
    if write is update:
        workspace.config()

    assert reference == wire.done(201, write(workspace, model_entity_id=reference))["model_entity_id"]


@pytest.mark.parametrize("write", [create, update])
@pytest.mark.parametrize("reference", ["/", "a/", "/a", "a/b/c", " ", "a/ ", "\t"])
def test_malformed_model_entity_references(workspace, write, reference):
    """Refused before anything is looked up."""
    assert (400, BAD_REFERENCE.format(reference)) == wire.refusal(write(workspace, model_entity_id=reference))


@pytest.mark.parametrize("write", [create, update])
def test_plugins_are_off(workspace, write):
    """Null and empty are fine."""
    workspace.config("updated")
    name = "updated" if write is update else "created"

    assert (403, PLUGINS_OFF) == wire.refusal(write(workspace, name, model_spec=WITH_PLUGIN))
    for number, plugin in enumerate((None, "")):
        name = "updated" if write is update else f"created-{number}"
        spec = {"tool_call_config": {"tool_call_plugin": plugin}}
        assert 201 == write(workspace, name, model_spec=spec).status_code


@pytest.mark.parametrize("write", [create, update])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (generic(None, None), GENERIC_NEEDS.format(BOTH)),
        (generic("", " "), GENERIC_NEEDS.format(BOTH)),
        (generic("i", None), GENERIC_NEEDS.format("executor_config.health_check_path")),
        (generic("\t", "/h"), GENERIC_NEEDS.format("executor_config.image_name")),
        (generic(" i", ""), GENERIC_NEEDS.format("executor_config.health_check_path")),
        (generic(" i", "/h"), BLANKS.format("executor_config.image_name")),
        (generic("i", "/h\n"), BLANKS.format("executor_config.health_check_path")),
        (generic("i ", " /h"), BLANKS.format(BOTH)),
        (generic("i ", "/h", lora_enabled=True), BLANKS.format("executor_config.image_name")),
        (generic("i", "/h", lora_enabled=True), LORA),
    ],
)
def test_rules_of_the_generic_engine(workspace, write, fields, message):
    """Only what is wrong is named, and only the first rule that is broken."""
    if write is update:
        workspace.config()

    assert (400, message) == wire.refusal(write(workspace, **fields))


@pytest.mark.parametrize("write", [create, update])
def test_a_complete_generic_config(workspace, write):
    """Nothing else is demanded of it, and nothing of other engines."""
    if write is update:
        workspace.config()

    assert "generic" == wire.done(201, write(workspace, **generic("i", "/h")))["engine"]


def test_a_revision_may_be_given_once(workspace):
    """In its own field or after the `@` of the name; a model entity settles it."""
    spec = {"model_name": "m@main", "model_revision": "v1"}
    message = (
        "Cannot specify both model_revision field ('v1') and @revision suffix in model_name ('m@main'). "
        "Please use only one."
    )

    assert (400, message) == wire.refusal(create(workspace, model_spec=spec))
    assert (400, message) == wire.refusal(create(workspace, model_spec=spec, model_entity_id=""))
    assert 201 == create(workspace, "a", model_spec=spec, model_entity_id="m").status_code
    assert 201 == create(workspace, "b", model_spec={**spec, "model_revision": ""}).status_code
    assert 201 == create(workspace, "d", model_spec={**spec, "model_name": "m"}).status_code


@pytest.mark.parametrize(
    "spec", [{"model_namespace": ".."}, {"model_name": "."}, {"model_name": "../x", "model_namespace": "/"}]
)
def test_the_model_is_free_text(workspace, spec):
    """Dots and slashes have no meaning to anybody here, and no entity is filled in."""
    stored = workspace.config(model_spec=spec)

    assert spec == {key: stored["model_spec"][key] for key in spec}
    assert None is stored["model_entity_id"]


def test_checks_of_a_creation_come_in_order(workspace):
    """Each problem hides those after it."""
    workspace.config("taken")
    problems = [
        ({"engine": "x"}, 422),
        ({"model_entity_id": "/"}, 400),
        ({"model_spec": WITH_PLUGIN}, 403),
        ({"name": "taken"}, 409),
        (generic(None, None), 400),
        ({"model_spec": {**WITH_PLUGIN, "model_name": "a@b", "model_revision": "r"}}, 403),
        ({"name": "A"}, 422),
    ]

    def answer(*parts):
        body = {"name": "new", **wire.SPEC}
        for part in parts:
            body |= part
        return workspace.post("deployment-configs", body).status_code

    assert [422, 400, 403, 409, 400, 403, 422] == [answer(part) for part, _ in problems]
    assert 422 == answer(problems[1][0], problems[2][0], problems[0][0])
    assert 400 == answer(problems[2][0], problems[3][0], problems[1][0])
    assert 403 == answer(problems[3][0], problems[2][0])
    assert 409 == answer(problems[4][0], problems[3][0])
    assert 400 == answer(problems[4][0], problems[6][0])
    both = {"model_spec": {"model_name": "a@b", "model_revision": "r"}}
    assert 400 == answer(both, problems[6][0])


def test_an_update_replaces_everything_but_the_project(workspace):
    """What is left out goes back to its default; the name of the body is ignored."""
    first = workspace.config(
        project="p", description="d", model_entity_id="m", model_spec={"model_name": "n"}
    )
    second = workspace.update_config(name="c", engine="vllm", executor_config={"gpu": 2})

    expected = {
        **first,
        **{key: second[key] for key in ("id", "created_at", "updated_at")},
        "entity_version": 2,
        "description": None,
        "engine": "vllm",
        "model_spec": {**first["model_spec"], "model_name": None},
        "executor_config": {**first["executor_config"], "gpu": 2},
        "model_entity_id": None,
    }
    assert expected == second
    assert second == workspace.read("deployment-configs/c")
    assert first == workspace.read("deployment-configs/c/versions/1")


def test_an_update_of_nothing_is_a_400(workspace):
    """Not a 404; references and plugins are checked before, the generic engine after."""
    message = f"Deployment config with workspace '{workspace.name}' and name 'c' does not exist"

    assert (400, message) == wire.refusal(update(workspace))
    assert (400, message) == wire.refusal(update(workspace, **generic(None, None)))
    assert (400, BAD_REFERENCE.format("/")) == wire.refusal(update(workspace, model_entity_id="/"))
    assert (403, PLUGINS_OFF) == wire.refusal(update(workspace, model_spec=WITH_PLUGIN))


def test_an_identical_update_is_a_version_too(workspace):
    """Configs are not compared."""
    workspace.config()

    assert [2, 3] == [workspace.update_config()["entity_version"] for _ in range(2)]
