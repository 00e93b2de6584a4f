import pytest

from domain import deployment, errors
from domain.deployment import DeploymentRolledBack, DeploymentStatusChanged, DeploymentUpdated, Restorable
from domain.precondition import Precondition
from domain.principal import Principal
from tests.support.builders import (
    Stream,
    at,
    create,
    decide,
    delete,
    deployment_stream,
    report,
    roll_back,
)


def rollout(*events):
    """A stream of events: `updated(...)` and `ready(...)`, a second apart."""
    stream = Stream(deployment.changes)
    for event in events:
        stream.record(event)
    return stream


def updated(version, config="c1", config_version=1, project="p"):
    return DeploymentUpdated(
        at=at(version),
        version=version,
        id=f"d-{version}",
        project=project,
        config=config,
        config_version=config_version,
    )


def ready(version):
    return DeploymentStatusChanged(at=at(version), version=version, status="READY", status_message="")


def test_a_rollback_says_what_was_decided():
    """Its event carries what the restored version has, which one that is, the new number, who and why."""
    stream = rollout(updated(1, "old", 3), ready(1), updated(2, "new", 8, project="q"))
    command = roll_back(1, by=Principal("ann"), reason="version 2 fails")

    event = deployment.roll_back(stream.state, command, Restorable(1, config_is_stored=True), at(9))

    expected = DeploymentRolledBack(
        at=at(9),
        by=Principal("ann"),
        reason="version 2 fails",
        version=3,
        id="d-3",
        project="q",
        config="old",
        config_version=3,
        restored_version=1,
    )
    assert expected == event


def test_a_rollback_is_a_new_version_and_leaves_the_earlier_alone():
    """It begins as an update does: PENDING, without history and provider, written by whoever rolled back."""
    stream = rollout(updated(1, "old"), ready(1), updated(2, "new"))
    before = (stream.version(1), stream.version(2))

    decide(stream, roll_back(by=Principal("ann")))

    added = stream.version(3)
    assert before == (stream.version(1), stream.version(2))
    assert ("old", 1, "PENDING", "Deployment update pending", (), None) == (
        added.config,
        added.config_version,
        added.status,
        added.status_message,
        added.status_history,
        added.model_provider_id,
    )
    assert "ann" == added.auth_context.principal_id
    assert added.created_at == added.updated_at


def test_rolling_back_twice_returns():
    """Once the version that was left has been READY, it is the newest to go back to."""
    stream = rollout(updated(1, "old"), ready(1), updated(2, "new"), ready(2))

    decide(stream, roll_back())
    decide(stream, roll_back())

    assert ["old", "new"] == [stream.version(n).config for n in (3, 4)]
    assert [1, 2] == [stream.events[n].event.restored_version for n in (-2, -1)]


def test_the_same_config_in_another_version_is_another_state():
    """A rollback restores the version of a config, not only its name."""
    stream = rollout(updated(1, "c1", 1), ready(1), updated(2, "c1", 2))

    decide(stream, roll_back())

    assert 1 == stream.version(3).config_version


@pytest.mark.parametrize("status", ["DELETING", "DELETED", "ERROR"])
def test_the_status_does_not_keep_from_rolling_back(status):
    """As with updates, neither the status of the latest version nor that of the restored one matters."""
    stream = rollout(updated(1, "old"), ready(1), updated(2, "new"))
    decide(stream, report(status, version="1"))
    decide(stream, report(status))

    assert "PENDING" == decide(stream, roll_back()).version(3).status


def test_rolling_back_what_does_not_exist_is_refused():
    """Neither before the creation nor after all versions were removed is there anything to restore."""
    with pytest.raises(errors.DeploymentNotFound, match="'default/llama' not found"):
        decide(deployment_stream(), roll_back())
    with pytest.raises(errors.DeploymentNotFound):
        decide(deployment_stream(create(), report("DELETED"), delete()), roll_back(1))


def test_without_an_earlier_ready_version_one_has_to_be_named():
    """The refusal says so; that the latest version was READY itself does not count."""
    stream = rollout(updated(1, "old"), updated(2, "new"), ready(2))

    with pytest.raises(errors.NothingToRollBackTo, match=r"before version 2 .* Name the version to restore"):
        decide(stream, roll_back())

    assert "old" == decide(stream, roll_back(1)).version(3).config


@pytest.mark.parametrize("version", [-1, 0, 2, 4, 2**63 - 1])
def test_only_stored_versions_can_be_restored(version):
    """A number never given out and that of a removed version are refused alike."""
    stream = rollout(updated(1, "old"), updated(2, "new"), updated(3, "newer"))
    decide(stream, report("DELETED", version="2"))
    decide(stream, delete("2"))

    with pytest.raises(errors.DeploymentVersionNotFound, match=f"version '{version}' not found"):
        decide(stream, roll_back(version))


@pytest.mark.parametrize("version", [1, 3])
def test_restoring_what_is_current_is_refused(version):
    """Whether the latest version itself is named, or an earlier one with the same config."""
    stream = rollout(updated(1, "c1", 4), updated(2, "c2"), updated(3, "c1", 4))

    with pytest.raises(errors.AlreadyCurrent, match=f"has the config of version {version}: 'c1' version 4"):
        decide(stream, roll_back(version))


def test_a_config_that_is_gone_cannot_be_served_again():
    """The refusal is that of an update which names it."""
    stream = rollout(updated(1, "old", 3), updated(2, "new"))

    with pytest.raises(errors.ReferencedConfigNotFound, match="'default/old' version '3' does not exist"):
        deployment.roll_back(stream.state, roll_back(1), Restorable(1), at(9))


@pytest.mark.parametrize("version", [None, 1, 7])
def test_a_rollback_depends_on_the_latest_version(version):
    """`If-Match` is about what would be replaced, and is checked before what would be restored."""
    stream = rollout(updated(1, "old"), ready(1), updated(2, "new"))
    stale = roll_back(version, if_match=Precondition(any=False, states=frozenset({(1, 1)})))

    with pytest.raises(errors.PreconditionFailed, match=r'its ETag is now "3\.2"'):
        decide(stream, stale)

    current = roll_back(if_match=Precondition(any=False, states=frozenset({(3, 2)})))
    assert 3 == decide(stream, current).state.latest
