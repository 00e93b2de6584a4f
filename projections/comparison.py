"""What differs between two states of a deployment or config, also in what they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta

from domain.changes import RECORDS, FieldChange, PatchOperation, changed_fields, patch
from domain.sight import Sight
from projections.occurrences import Occurrence, events_at
from projections.questions import Question
from projections.references import Name, Reference, State, state_of


class ComparedState(msgspec.Struct, frozen=True):
    """A version as it is since `position`: the event that added it, and the one that last changed it."""

    version: int
    position: int
    created: Occurrence
    changed: Occurrence


class ConfigReference(msgspec.Struct, frozen=True):
    """A version of a deployment config in the same workspace."""

    name: str
    version: int


class ComparedConfig(msgspec.Struct, frozen=True):
    """The config versions that both sides refer to, also if they were removed since, and what differs."""

    origin: ConfigReference = msgspec.field(name="from")
    to: ConfigReference
    changes: tuple[FieldChange, ...]


class Effective(msgspec.Struct, frozen=True):
    """What differs in what the two sides refer to."""

    config: Annotated[
        ComparedConfig, Meta(extra_json_schema={"description": "The configs that the two sides refer to."})
    ]


class Comparison(msgspec.Struct, frozen=True):
    """What makes one state of a deployment or config into another."""

    workspace: str
    name: str
    origin: ComparedState = msgspec.field(name="from")
    to: ComparedState
    patch: tuple[PatchOperation, ...]
    changes: tuple[FieldChange, ...]
    effective: Effective | None
    text: str


def compare(name: Name, origin: Reference, to: Reference, sight: Sight) -> Question[Comparison]:
    """How two states differ; a Refusal if one of them never was.

    The patch makes the one body as its reader sees it into the other, with all members.
    """
    sides = []
    for reference in (origin, to):
        sides.append((yield from state_of(name, reference)))  # noqa: PERF401 - no yield in comprehensions
    before, after = (side.members(sight) for side in sides)
    described = yield from _described(sides, sight)
    changes = tuple(changed_fields(before, after, RECORDS, sight.redaction))
    effective = None
    if name.resource == "deployments":
        effective = yield from _effective(name.workspace, before, after, sight)
    return Comparison(
        name.workspace,
        name.name,
        described[0],
        described[1],
        tuple(patch(before, after, sight.redaction)),
        changes,
        effective,
        "\n".join(_text(name, described, changes, effective)),
    )


def _effective(
    workspace: str, before: dict[str, Any], after: dict[str, Any], sight: Sight
) -> Question[Effective | None]:
    origin, to = (ConfigReference(side["config"], side["config_version"]) for side in (before, after))
    if origin == to:
        return None
    bodies = []
    for reference in (origin, to):
        name = Name("deployment-configs", workspace, reference.name)
        state = yield from state_of(name, Reference(reference.version))
        bodies.append(state.members(sight))
    return Effective(
        ComparedConfig(origin, to, tuple(changed_fields(bodies[0], bodies[1], RECORDS, sight.redaction)))
    )


def _described(sides: Sequence[State], sight: Sight) -> Question[list[ComparedState]]:
    positions = [position for side in sides for position in (side.created_position, side.position)]
    events = yield from events_at(positions)
    seen = {position: Occurrence.of(recorded, sight) for position, recorded in events.items()}
    return [
        ComparedState(side.version, side.position, seen[side.created_position], seen[side.position])
        for side in sides
    ]


def _text(
    name: Name,
    sides: Sequence[ComparedState],
    changes: Sequence[FieldChange],
    effective: Effective | None,
) -> Iterator[str]:
    """The comparison for people: what is compared, then a line for each field."""
    yield f"{name.resource} {name.workspace}/{name.name}"
    for sign, side in zip(("---", "+++"), sides, strict=True):
        yield f"{sign} version {side.version}, {_told(side.created)}"
        if side.changed != side.created:
            yield f"{sign} {_told(side.changed)}"
    yield from _lines(changes)
    if effective is not None:
        config = effective.config
        yield "deployment-configs"
        yield f"--- {config.origin.name} version {config.origin.version}"
        yield f"+++ {config.to.name} version {config.to.version}"
        yield from _lines(config.changes)


def _told(occurrence: Occurrence) -> str:
    actor = occurrence.actor.id or "anonymous"
    if occurrence.actor.on_behalf_of:
        actor = f"{actor} on behalf of {occurrence.actor.on_behalf_of}"
    reason = "" if occurrence.reason is None else f": {occurrence.reason}"
    when = f"{occurrence.at:%Y-%m-%dT%H:%M:%S.%fZ}"
    return f"{occurrence.kind} at {when}, position {occurrence.position}, by {actor}{reason}"


def _lines(changes: Sequence[FieldChange]) -> Iterator[str]:
    for change in changes:
        if change.field in _OF_EACH_VERSION:
            continue
        old, new = (_json(value) for value in (change.old, change.new))
        if change.old is UNSET:
            yield f"+ {change.field}: {new}"
        elif change.new is UNSET:
            yield f"- {change.field}: {old}"
        else:
            yield f"~ {change.field}: {old} -> {new}"


_OF_EACH_VERSION: Final = frozenset({"/id", "/created_at", "/updated_at", "/entity_version"})
"""Fields in which any two states differ; people are not told of them."""


def _json(value: Any) -> str:
    return "" if value is UNSET else msgspec.json.encode(value).decode()
