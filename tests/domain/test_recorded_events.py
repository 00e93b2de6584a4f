"""Every shape of event ever written has a sample here, never edited: old events stay readable for ever."""

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from app.event_log import EventMapper
from domain.kinds import KINDS, kind_of, stored_name

RECORDED = Path(__file__).parent / "recorded"
SUMS = dict(reversed(line.split("  ")) for line in (RECORDED / "SHA256SUMS").read_text().splitlines())


@pytest.mark.parametrize("name", KINDS.names)
def test_recorded_events_are_read(name):
    """The sample is decoded; a current shape, encoded again, is what it was."""
    state = (RECORDED / f"{name}.json").read_bytes().strip()
    resource = "deployments" if name.startswith("deployment.") else "deployment-configs"

    recorded = KINDS.recorded(f"default/{resource}/llama", 3, name, state, 7)

    assert kind_of(name) == kind_of(stored_name(recorded.event))
    assert ("default", "llama", 3, 7) == recorded[:4]
    if stored_name(recorded.event) == name:
        stored = EventMapper().to_stored_event(recorded)
        assert (f"default/{resource}/llama", 3, name) == (
            stored.originator_id,
            stored.originator_version,
            stored.topic,
        )
        assert msgspec.json.decode(state) == msgspec.json.decode(stored.state)


def test_every_sample_has_a_shape():
    """No stored name was renamed or dropped, and every shape has its sample."""
    assert sorted(KINDS.names) == sorted(path.stem for path in RECORDED.glob("*.json"))


def test_samples_are_pinned():
    """A sample that fails was not mended by an edit: what is in logs stays as it is."""
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in RECORDED.glob("*.json")}

    assert SUMS == found, "never edit a sample; add one with its checksum for a new stored name"
