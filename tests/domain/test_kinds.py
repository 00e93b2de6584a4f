"""Reading stored events: whole or not at all, and former shapes as the current one."""

import pickle
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.deployment import DeploymentEvent, DeploymentUpdated
from domain.deployment_config import DeploymentConfigEvent
from domain.kinds import KINDS, Kinds, UnknownEventError, UnreadableEventError, kind_of
from domain.stream import Event

RECORDED = Path(__file__).parent / "recorded"
FREE_FORM = {
    ("resources",),
    ("tolerations", 0),
    ("node_selector",),
    ("additional_envs",),
    ("override_config",),
}
"""Objects inside a config whose members are the caller's own."""


class Updated1(Event, frozen=True, kw_only=True, tag="deployment.updated"):
    """The first shape: one text for the config and its version."""

    version: int
    id: str
    config: str


class Updated2(Event, frozen=True, kw_only=True, tag="deployment.updated.2"):
    """The second: apart, with the project."""

    version: int
    id: str
    project: str | None = None
    config: str
    config_version: int


class Updated(Updated2, frozen=True, kw_only=True, tag="deployment.updated.3"):
    """The current one: the version it follows as well."""

    follows: int


class Created(Event, frozen=True, kw_only=True, tag="deployment.created"):
    """Another kind."""


def upcast_updated_1(former: Updated1) -> Updated2:
    config, _, version = former.config.partition("@")
    return Updated2(
        at=former.at,
        by=former.by,
        reason=former.reason,
        version=former.version,
        id=former.id,
        config=config,
        config_version=int(version),
    )


def upcast_updated_2(former: Updated2) -> Updated:
    return Updated(**msgspec.structs.asdict(former), follows=former.version - 1)


EVOLVED = Kinds(Updated | Created, upcasts={Updated1: upcast_updated_1, Updated2: upcast_updated_2})


def sample(name):
    return msgspec.json.decode((RECORDED / f"{name}.json").read_bytes())


def objects(value, way=()):
    """Every object inside a value with the way to it."""
    if isinstance(value, dict):
        yield way, value
        for key, member in value.items():
            yield from objects(member, (*way, key))
    if isinstance(value, list):
        for n, member in enumerate(value):
            yield from objects(member, (*way, n))


@pytest.mark.parametrize("name", KINDS.names)
def test_an_unknown_member_makes_an_event_unreadable(name):
    """Wherever it is, except in what is the caller's own."""
    event = sample(name)
    seen = set()
    for way, place in list(objects(event)):
        place["sent_by"] = "newer code"
        state = msgspec.json.encode(event)
        if any(way[len(way) - len(end) :] == end or end[0] in way for end in FREE_FORM):
            KINDS.decode(name, state)
        else:
            with pytest.raises(UnreadableEventError, match=rf"position 7, stored as '{name}': .*`sent_by`"):
                KINDS.decode(name, state, 7)
            seen.add(way)
        del place["sent_by"]

    assert () in seen
    assert "by" not in event or ("by",) in seen


@pytest.mark.parametrize("name", KINDS.names)
def test_a_missing_member_makes_an_event_unreadable(name):
    """Unless it may be left out."""
    required = {
        field.name
        for field in msgspec.structs.fields(type(KINDS.decode(name, msgspec.json.encode(sample(name)))))
        if field.required
    }
    for field in required:
        event = sample(name)
        del event[field]

        with pytest.raises(UnreadableEventError, match=rf"'{name}': .*missing.*`{field}`"):
            KINDS.decode(name, msgspec.json.encode(event))


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("deployment.status-changed", {"status": "WARMING"}, "'WARMING' - at `$.status`"),
        ("deployment-config.created", {"engine": "abacus"}, "'abacus' - at `$.engine`"),
        ("deployment.updated", {"version": "2"}, "Expected `int`, got `str` - at `$.version`"),
        ("deployment.updated", {"kind": "deployment.created"}, "'deployment.created' - at `$.kind`"),
        ("deployment.purged", {"versions": [1, None]}, "at `$.versions[1]`"),
    ],
)
def test_a_value_that_is_not_known_makes_an_event_unreadable(name, change, fault):
    """What a newer release may report, and what nothing may."""
    state = msgspec.json.encode(sample(name) | change)

    with pytest.raises(UnreadableEventError, match=re.escape(fault)) as raised:
        KINDS.decode(name, state, 12)
    assert str(raised.value).endswith("; run the release that wrote it, or a newer one")


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b'{"at": "\xff"}', b"null"])
def test_damaged_bytes_are_refused(state):
    """With the same error."""
    with pytest.raises(UnreadableEventError, match=r"at position 3, stored as 'deployment\.created'"):
        KINDS.decode("deployment.created", state, 3)


def test_an_unknown_stored_name_is_refused():
    """The name of a newer shape is as unknown as any other."""
    for name in ("deployment.teleported", "deployment.updated.2", ""):
        with pytest.raises(UnknownEventError, match=f"position 9, stored as '{name}': it does not know"):
            KINDS.decode(name, b"{}", 9)


def test_the_error_passes_between_processes():
    """Workers raise it, and people read it elsewhere."""
    for error in (UnreadableEventError("a.b", 3, "damaged"), UnknownEventError("a.b", None)):
        passed = pickle.loads(pickle.dumps(error))

        assert (type(error), str(error)) == (type(passed), str(passed))


def test_former_shapes_are_read_as_the_current_one():
    """Upcast by upcast; who, when and why come along."""
    first = b'{"kind":"deployment.updated","at":"2026-11-17T14:00:01Z","by":{"id":"ann"},"reason":"more","version":2,"id":"d-2","config":"c1@3"}'
    second = b'{"kind":"deployment.updated.2","at":"2026-11-17T14:00:01Z","by":{"id":"ann"},"reason":"more","version":2,"id":"d-2","config":"c1","config_version":3}'
    current = EVOLVED.decode("deployment.updated", first)

    assert Updated is type(current)
    assert ("ann", "more", "c1", 3, 1) == (
        current.by.id,
        current.reason,
        current.config,
        current.config_version,
        current.follows,
    )
    assert current == EVOLVED.decode("deployment.updated.2", second)
    assert current == EVOLVED.decode("deployment.updated.3", msgspec.json.encode(current))
    assert ("deployment.updated", "deployment.created") == EVOLVED.kinds


def test_a_former_shape_is_read_as_strictly():
    """Also the past has no members but its own."""
    state = b'{"kind":"deployment.updated","at":"2026-11-17T14:00:01Z","version":2,"id":"d-2","config":"c1@3","follows":1}'

    with pytest.raises(UnreadableEventError, match=r"'deployment\.updated': .*`follows`"):
        EVOLVED.decode("deployment.updated", state)


def test_a_stored_name_is_given_once():
    """Two shapes of one name could not be told apart; a kind has one current shape."""
    with pytest.raises(ValueError, match=r"deployment\.updated"):
        Kinds(DeploymentEvent, upcasts={Updated1: upcast_updated_1})
    with pytest.raises(ValueError, match=r"deployment\.updated\.2"):
        Kinds(DeploymentUpdated | Updated2)


def test_the_kind_of_a_stored_name():
    """It is what is left without the number of the shape, and what clients go on to see."""
    assert ["deployment.updated"] * 3 == [
        kind_of(name) for name in ("deployment.updated", "deployment.updated.2", "deployment.updated.10")
    ]
    assert ["deployment.updated.1", "deployment.", "2"] == [
        kind_of(name) for name in ("deployment.updated.1", "deployment.", "2")
    ]


def structs_in(kind: Any, seen: dict) -> dict:
    for found in [kind, *getattr(kind, "types", ())]:
        if isinstance(found, msgspec.inspect.StructType) and found.cls not in seen:
            seen[found.cls] = found
            for field in found.fields:
                structs_in(field.type, seen)
        for part in ("item_type", "value_type", "type"):
            if (inner := getattr(found, part, None)) is not None:
                structs_in(inner, seen)
        for inner in getattr(found, "types", None) or getattr(found, "item_types", ()):
            structs_in(inner, seen)
    return seen


def test_every_struct_in_an_event_forbids_what_it_does_not_know():
    """Also those that no sample happens to have, and those of a kind to come."""
    seen = structs_in(msgspec.inspect.type_info(DeploymentEvent | DeploymentConfigEvent), {})

    assert len(KINDS.names) + 5 <= len(seen)
    assert [] == [cls.__name__ for cls in seen if not cls.__struct_config__.forbid_unknown_fields]
