"""Every shape of event ever written has a sample here, never edited: old events stay readable for ever."""

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from app.event_log import EventMapper
from domain.kinds import KINDS, kind_of, stored_name

RECORDED = Path(__file__).parent / "recorded"
SUMS = dict(reversed(line.split("  ")) for line in (RECORDED / "SHA256SUMS").read_text().splitlines())


def name_of(sample):
    """A sample is named by its stored name; further ones of a name also by what they have."""
    return sample.removesuffix(".json").partition("~")[0]


@pytest.mark.parametrize("sample", SUMS)
def test_recorded_events_are_read(sample):
    """The sample is decoded; a current shape, encoded again, is what it was."""
    name = name_of(sample)
    state = (RECORDED / sample).read_bytes().strip()
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
    assert set(KINDS.names) == {name_of(sample) for sample in SUMS}


def test_samples_are_pinned():
    """A sample that fails was not mended by an edit: what is in logs stays as it is."""
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in RECORDED.glob("*.json")}

    assert SUMS == found, "never edit a sample; add one with its checksum for a new stored name"
