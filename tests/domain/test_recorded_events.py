"""Every kind of event ever written has a sample here, never edited: old events stay readable for ever."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent

from app.event_log import EventMapper, UnknownEventError
from domain.deployment import DeploymentEvent
from domain.deployment_config import DeploymentConfigEvent

RECORDED = Path(__file__).parent / "recorded"
KINDS = {
    kind.__struct_config__.tag: kind
    for union in (DeploymentEvent, DeploymentConfigEvent)
    for kind in get_args(union)
}


@pytest.mark.parametrize("stored_name", sorted(KINDS))
def test_recorded_events_are_read(stored_name):
    """The sample is decoded, and encoded again is what it was."""
    state = (RECORDED / f"{stored_name}.json").read_bytes().strip()
    resource = "deployments" if stored_name.startswith("deployment.") else "deployment-configs"
    mapper = EventMapper()

    recorded = mapper.to_domain_event(StoredEvent(f"default/{resource}/llama", 3, stored_name, state))

    assert KINDS[stored_name] is type(recorded.event)
    assert ("default", "llama", 3) == recorded[:3]
    assert msgspec.json.decode(state) == msgspec.json.decode(mapper.to_stored_event(recorded).state)


def test_every_sample_has_a_kind():
    """No stored name was renamed or dropped."""
    assert sorted(KINDS) == sorted(path.stem for path in RECORDED.glob("*.json"))


def test_an_event_of_newer_code_is_refused():
    """An unknown stored name is never half understood."""
    stored = StoredEvent("default/deployments/llama", 1, "deployment.teleported", b"{}")

    with pytest.raises(UnknownEventError, match=r"'deployment.teleported'; run the release that wrote it"):
        EventMapper().to_domain_event(stored)
