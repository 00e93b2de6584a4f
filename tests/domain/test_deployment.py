import pytest

from domain import deployment, errors
from domain.deployment import (
    DeploymentCreated,
    DeploymentDeletionRequested,
    DeploymentPurged,
    DeploymentUpdated,
    PinnedConfig,
)
from domain.precondition import Precondition
from domain.principal import Principal
from tests.support.builders import (
    PINNED,
    at,
    create,
    decide,
    delete,
    deployment_stream,
    report,
    update,
)


def pairs(version):
    return [(item.status, item.status_message) for item in version.status_history]


def test_creation_says_what_was_decided():
    """The event of a creation carries the pinned config version, the number given out, who and why."""
    ann = Principal("ann")
    command = create(by=ann, reason="first rollout", project="p")

    event = deployment.create(deployment_stream().state, command, PinnedConfig(7), at(0))

    expected = DeploymentCreated(
        at=at(0),
        by=ann,
        reason="first rollout",
        version=1,
        id="d-1",
        project="p",
        config="c1",
        config_version=7,
    )
    assert expected == event


def test_a_fresh_deployment_looks_as_promised():
    """A first version is CREATED, with an empty history and equal times."""
    version = deployment_stream(create()).version(1)

    assert ("CREATED", "Deployment created", ()) == (
        version.status,
        version.status_message,
        version.status_history,
    )
    assert version.created_at == version.updated_at == at(0)


def test_an_update_is_a_new_version_and_leaves_the_earlier_alone():
    """Versions count up, inherit the project, begin PENDING, and change nothing else."""
    stream = deployment_stream(create(project="p"), report("READY", "up"))
    before = stream.version(1)

    decide(stream, update(id="d-2"))

    assert isinstance(stream.events[-1].event, DeploymentUpdated)
    assert before == stream.version(1)
    added = stream.version(2)
    assert (2, "p", "PENDING", "Deployment update pending", ()) == (
        added.entity_version,
        added.project,
        added.status,
        added.status_message,
        added.status_history,
    )


@pytest.mark.parametrize("status", ["DELETING", "DELETED", "ERROR"])
def test_the_status_does_not_keep_from_updating(status):
    """A deployment can be updated whatever its status is."""
    stream = deployment_stream(create(), report(status), update())

    assert "PENDING" == stream.version(2).status


def test_creating_what_exists_is_refused_first():
    """The name is checked before the config and the name rule."""
    stream = deployment_stream(create())

    with pytest.raises(errors.DeploymentExists, match="'default' and name 'llama' already exists"):
        deployment.create(stream.state, create(), PinnedConfig(None), at(1))


def test_a_config_that_does_not_exist_is_refused():
    """The refusal names the version only where one was asked for."""
    empty = deployment_stream().state

    with pytest.raises(
        errors.ReferencedConfigNotFound, match=r"^Deployment config 'default/c1' does not exist$"
    ):
        deployment.create(empty, create(config_version=0), PinnedConfig(None), at(0))
    with pytest.raises(errors.ReferencedConfigNotFound, match="'default/c1' version '-3' does not exist"):
        deployment.create(empty, create(config_version=-3), PinnedConfig(None), at(0))


@pytest.mark.parametrize("name", ["A", "1a", "a--b", "a-", "a" * 61, "a b", "a\n", "é", "-a", "a@b"])
def test_names_that_break_the_rule_are_refused(name):
    """A name is lower-case ASCII from a letter on, without double or final hyphen, of at most 60 characters."""
    with pytest.raises(errors.InvalidName):
        deployment.create(deployment_stream().state, create(name=name), PINNED, at(0))


@pytest.mark.parametrize("workspace", ["-", "A", "a", "", "ab-", "a--b", "a" * 64, "ü-ws"])
def test_workspaces_that_cannot_exist_are_refused(workspace):
    """Nothing is created in a workspace that could not be."""
    with pytest.raises(errors.WorkspaceCannotExist):
        deployment.create(deployment_stream().state, create(workspace=workspace), PINNED, at(0))


def test_updating_what_does_not_exist_is_refused():
    """An update of an unknown name has a text of its own."""
    with pytest.raises(errors.DeploymentToUpdateNotFound, match="name 'llama' does not exist"):
        deployment.update(deployment_stream().state, update(), PINNED, at(0))


def test_the_history_tells_every_status_from_the_beginning():
    """From the first change on, the history begins with how the version began and ends with how it is."""
    stream = deployment_stream(create(), report("READY", "r"), delete(), report("DELETED", "gone"))

    version = stream.version(1)
    assert [
        ("CREATED", "Deployment created"),
        ("READY", "r"),
        ("DELETING", "Deployment deletion requested"),
        ("DELETED", "gone"),
    ] == pairs(version)
    assert [at(0), at(1), at(2), at(3)] == [item.timestamp for item in version.status_history]


def test_a_status_that_says_nothing_new_is_no_event():
    """Reporting the same again changes nothing, not even the time."""
    stream = deployment_stream(create(), report("READY", "r", model_provider_id="p"))

    decide(stream, report("READY", "r"))
    decide(stream, report("READY", "r", model_provider_id="p"))

    assert 2 == len(stream.events)


def test_a_provider_is_kept_until_another_is_given():
    """An id alone is stored without a history entry; leaving it out keeps it, an empty one replaces it."""
    stream = deployment_stream(create(), report("READY", "r"), report("READY", "r", model_provider_id="p"))
    assert ("p", at(2), 2) == (
        stream.version(1).model_provider_id,
        stream.version(1).updated_at,
        len(stream.version(1).status_history),
    )

    decide(stream, report("LOST"))
    assert "p" == stream.version(1).model_provider_id

    decide(stream, report("LOST", model_provider_id=""))
    assert "" == stream.version(1).model_provider_id


@pytest.mark.parametrize("status", ["READY", "DELETING", "UNKNOWN"])
def test_deleting_can_only_become_deleted(status):
    """A version marked for deletion takes no other status, not even its own again."""
    stream = deployment_stream(create(), delete())

    with pytest.raises(errors.DeploymentIsDeleting):
        decide(stream, report(status, "x"))

    decide(stream, report("DELETED"))
    decide(stream, report("READY"))
    assert "READY" == stream.version(1).status


def test_the_history_keeps_the_last_hundred():
    """The log keeps all, the shown history a hundred entries, times never decreasing."""
    commands = [report("READY" if n % 2 else "ERROR", str(n)) for n in range(150)]

    history = deployment_stream(create(), *commands).version(1).status_history

    assert [str(n) for n in range(50, 150)] == [item.status_message for item in history]
    assert sorted(item.timestamp for item in history) == [item.timestamp for item in history]


def test_deleting_marks_every_version_that_is_not_deleted():
    """One event names all versions that it marks; repeating it is no event."""
    stream = deployment_stream(create(), report("DELETED"), update(), update(), delete())

    assert DeploymentDeletionRequested(at=at(4), versions=(2, 3)) == stream.events[-1].event
    assert ["DELETED", "DELETING", "DELETING"] == [stream.version(n).status for n in (1, 2, 3)]
    assert 5 == len(decide(stream, delete()).events)


def test_what_is_all_deleted_is_purged_and_its_numbers_are_never_used_again():
    """After the last version went, the name is free and counting goes on."""
    stream = deployment_stream(
        create(), update(), report("DELETED", version="1"), report("DELETED"), delete()
    )
    assert DeploymentPurged(at=at(4), versions=(1, 2)) == stream.events[-1].event
    with pytest.raises(errors.DeploymentNotFound):
        decide(stream, delete())

    decide(stream, create(id="d-9"))

    assert {3} == set(stream.snapshots)
    assert ("CREATED", "d-9", ()) == (
        stream.version(3).status,
        stream.version(3).id,
        stream.version(3).status_history,
    )


def test_after_the_highest_version_went_its_number_is_not_given_out_again():
    """The next update counts from the highest number ever, and inherits from the highest stored."""
    stream = deployment_stream(create(project="p"), update(), report("DELETED"), delete("2"))
    assert {1} == set(stream.snapshots)

    decide(stream, update())

    assert {1, 3} == set(stream.snapshots)
    assert "p" == stream.version(3).project


@pytest.mark.parametrize("command", [delete("9"), delete("0"), report("READY", version="01")])
def test_unknown_versions_are_named_as_they_were_sent(command):
    """The refusal echoes the literal."""
    with pytest.raises(errors.DeploymentVersionNotFound, match=f"version '{command.version}' not found"):
        decide(deployment_stream(create()), command)


def test_a_literal_that_is_no_integer_is_refused_before_anything_else():
    """Even of a deployment that does not exist."""
    with pytest.raises(errors.InvalidVersion, match="Invalid version 'latest': must be a positive integer"):
        decide(deployment_stream(), delete("latest"))


@pytest.mark.parametrize(
    "command",
    [
        lambda condition: update(if_match=condition),
        lambda condition: report("READY", if_match=condition),
        lambda condition: delete(if_match=condition),
        lambda condition: delete("1", if_match=condition),
    ],
)
def test_a_precondition_holds_for_the_state_it_names_and_no_other(command):
    """`If-Match` compares with the last change of the version addressed."""
    stream = deployment_stream(create())
    stale, current, anything = (
        Precondition(False, frozenset({(2, 1), (1, 2)})),
        Precondition(False, frozenset({(1, 1), (8, 1)})),
        Precondition(True),
    )

    with pytest.raises(errors.PreconditionFailed):
        decide(stream, command(stale))

    for condition in (current, anything):
        assert 2 == len(decide(deployment_stream(create()), command(condition)).events)


def test_a_precondition_on_a_creation_never_holds():
    """There is nothing yet that could match."""
    with pytest.raises(errors.PreconditionFailed):
        decide(deployment_stream(), create(if_match=Precondition(True)))
