"""What differs between two states, field by field.

A field is named by its JSON Pointer (RFC 6901), such as `/config_version` or `/executor_config/gpu`: objects
are compared member by member, everything else, lists too, as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from domain.redaction import Redaction

RECORDS: Final = frozenset({"status_history"})
"""Members that are themselves records of changes; nobody gives them their value."""


class FieldChange(msgspec.Struct, frozen=True):
    """A field that differs; `old` or `new` is unset where the field is absent."""

    field: str
    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


class PatchOperation(msgspec.Struct, frozen=True):
    """An operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any | UnsetType = UNSET


def changed_fields(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    ignored: Collection[str] = RECORDS,
    redaction: Redaction | None = None,
) -> list[FieldChange]:
    """The fields that differ, in the order of `before` and then of what only `after` has.

    An empty mapping stands for what does not exist: then every field of the other is listed. With a redaction
    a field whose secret value differs is listed too, without telling either value.
    """
    kept = [{key: value for key, value in side.items() if key not in ignored} for side in (before, after)]
    differences = list(_differences("", kept[0], kept[1]))
    if redaction is None:
        return differences
    old, new = (redaction.redacted(side) for side in kept)
    return [_shown(change, old, new) for change in differences]


def patch(
    before: Mapping[str, Any], after: Mapping[str, Any], redaction: Redaction | None = None
) -> list[PatchOperation]:
    """A JSON Patch that makes `after` of `before`; all members count."""
    return [_operation(change) for change in changed_fields(before, after, (), redaction)]


def value_at(members: Mapping[str, Any], pointer: str) -> Any:
    """The value that a JSON Pointer of a member names; unset where there is none."""
    value: Any = members
    for key in pointer.split("/")[1:]:
        value = value.get(key.replace("~1", "/").replace("~0", "~"), UNSET)
    return value


def _differences(pointer: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for key in (*before, *(key for key in after if key not in before)):
        path = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        old, new = before.get(key, UNSET), after.get(key, UNSET)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(path, old, new)
        elif not _same(old, new):
            yield FieldChange(path, old, new)


def _shown(change: FieldChange, old: Mapping[str, Any], new: Mapping[str, Any]) -> FieldChange:
    """The change with the values that the redacted sides have there: they have the same members."""
    return FieldChange(
        change.field,
        change.old if change.old is UNSET else value_at(old, change.field),
        change.new if change.new is UNSET else value_at(new, change.field),
    )


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON: `1`, `1.0` and `true` are three values, and so are `0.0` and `-0.0`."""
    if old is UNSET or new is UNSET:
        return old is new
    return msgspec.json.encode(old) == msgspec.json.encode(new)


def _operation(change: FieldChange) -> PatchOperation:
    if change.old is UNSET:
        return PatchOperation("add", change.field, change.new)
    if change.new is UNSET:
        return PatchOperation("remove", change.field)
    return PatchOperation("replace", change.field, change.new)
