import pytest

from domain import deployment_config, errors
from domain.deployment_config import (
    DeploymentConfigDeleted,
    ExecutorConfig,
    ModelSpec,
    Referrer,
    ToolCallConfig,
)
from tests.support.builders import (
    at,
    config_stream,
    create_config,
    delete_config,
    update_config,
)

COMPLETE = {"image_name": "i", "health_check_path": "/h"}


def test_a_version_replaces_all_but_the_project():
    """What an update leaves out is unset; the project is carried over, the first version stays as it was."""
    stream = config_stream(
        create_config(project="p", description="d", model_entity_id="ws/m"), update_config(id="c-2")
    )

    first, second = stream.version(1), stream.version(2)
    assert ("p", "d", "ws/m", 1) == (
        first.project,
        first.description,
        first.model_entity_id,
        first.entity_version,
    )
    assert ("p", None, None, 2) == (
        second.project,
        second.description,
        second.model_entity_id,
        second.entity_version,
    )


@pytest.mark.parametrize("value", ["a/b/c", "/", "a/", "/a", " ", "a/ "])
@pytest.mark.parametrize("command", [create_config, update_config])
def test_malformed_entity_references_are_refused(command, value):
    """A reference is `name` or `workspace/name`, checked before anything else."""
    with pytest.raises(errors.InvalidEntityReference):
        config_stream(command(model_entity_id=value))


@pytest.mark.parametrize("value", ["Bad Ref", "é", "ws/é b", ""])
def test_entity_references_are_otherwise_free_text(value):
    """No part may be blank, and that is all."""
    assert value == config_stream(create_config(model_entity_id=value)).version(1).model_entity_id


def test_plugins_are_refused():
    """A parser plugin is code to run, which no setting allows here."""
    spec = ModelSpec(tool_call_config=ToolCallConfig(tool_call_plugin="x.py"))
    with pytest.raises(errors.PluginDisabled):
        config_stream(create_config(model_spec=spec))

    empty = ModelSpec(tool_call_config=ToolCallConfig(tool_call_plugin=""))
    assert empty == config_stream(create_config(model_spec=empty)).version(1).model_spec


@pytest.mark.parametrize(
    ("executor", "named"),
    [
        ({}, "requires executor_config.image_name and executor_config.health_check_path to be set"),
        ({"image_name": "i"}, "requires executor_config.health_check_path to be set"),
        ({"image_name": " ", "health_check_path": "/h"}, "requires executor_config.image_name to be set"),
    ],
)
def test_the_generic_engine_needs_what_no_default_can_fill(executor, named):
    """The refusal names only what is missing."""
    command = create_config(engine="generic", executor_config=ExecutorConfig(gpu=0, **executor))
    with pytest.raises(errors.GenericEngineLacks, match=named):
        config_stream(command)


def test_the_generic_engine_takes_values_as_they_stand():
    """Blanks around them, or LoRA, are refused, on updates as well."""
    blank = ExecutorConfig(gpu=0, image_name=" i", health_check_path="/h")
    with pytest.raises(errors.GenericEngineBlanks, match=r"^executor_config.image_name must not"):
        config_stream(create_config(engine="generic", executor_config=blank))

    lora = update_config(
        engine="generic",
        executor_config=ExecutorConfig(gpu=0, **COMPLETE),
        model_spec=ModelSpec(lora_enabled=True),
    )
    with pytest.raises(errors.GenericEngineLora):
        config_stream(create_config(), lora)


def test_a_revision_is_given_once():
    """On creation, unless an entity is named, which then decides."""
    spec = ModelSpec(model_name="m@1", model_revision="2")
    with pytest.raises(
        errors.TwoRevisions, match=r"field \('2'\) and @revision suffix in model_name \('m@1'\)"
    ):
        config_stream(create_config(model_spec=spec))

    assert config_stream(create_config(model_spec=spec, model_entity_id="m")).snapshots


def test_unknown_names_are_refused_in_the_contracts_words():
    """Updates, removals and removals of a version each have their own."""
    with pytest.raises(errors.ConfigToUpdateNotFound):
        config_stream(update_config())
    with pytest.raises(errors.ConfigNotFound):
        config_stream(delete_config())
    with pytest.raises(errors.ConfigVersionNotFound, match="version '0' not found"):
        config_stream(create_config(), delete_config("0"))


def test_removed_numbers_are_never_used_again():
    """Neither that of a removed version, nor after all were removed."""
    stream = config_stream(create_config(), update_config(), delete_config("2"), update_config())
    assert {1, 3} == set(stream.snapshots)

    stream = config_stream(create_config(), update_config(), delete_config(), create_config())
    assert DeploymentConfigDeleted(at=at(2), versions=(1, 2)) == stream.events[2].event
    assert {3} == set(stream.snapshots)


def test_a_config_in_use_stays():
    """All users count for the whole config, those of one version for that version; DELETED ones never."""
    state = config_stream(create_config(), update_config()).state
    users = [Referrer(1, "READY"), Referrer(1, "DELETED"), Referrer(2, "DELETING")]

    with pytest.raises(errors.ConfigInUse, match=r"because 2 ModelDeployment\(s\).*Delete the dependent dep"):
        deployment_config.delete(state, delete_config(), users, at(2))
    with pytest.raises(
        errors.ConfigInUse, match=r"version 1 because 1 ModelDeployment\(s\).* DELETED status$"
    ):
        deployment_config.delete(state, delete_config("1"), users, at(2))

    gone = deployment_config.delete(state, delete_config("2"), users[:2], at(2))
    assert (2,) == gone.versions


def test_use_is_checked_before_existence():
    """As clients know it."""
    with pytest.raises(errors.ConfigInUse):
        deployment_config.delete(config_stream().state, delete_config(), [Referrer(1, "READY")], at(0))
