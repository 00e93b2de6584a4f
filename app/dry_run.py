"""A dry run: the answer that a write would get, together with what it would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from app.answers import Answer, Effect, without_auth_context
from domain.changes import RECORDS, FieldChange, PatchOperation, changed_fields, patch

HIDDEN: Final = RECORDS | {"auth_context"}
"""What readers who may not see it are not told of."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class DryRunQuery(msgspec.Struct, frozen=True):
    """The parameter of the query that every write takes."""

    dry_run: bool = False


class Effects(msgspec.Struct, frozen=True):
    """What a write would change: of a version it would add, against the version that is the latest now."""

    changes: tuple[FieldChange, ...]
    patch: tuple[PatchOperation, ...]


class VersionEffects(msgspec.Struct, frozen=True):
    """What a write would change in one version."""

    version: int
    changes: tuple[FieldChange, ...]


class DeletionEffects(msgspec.Struct, frozen=True):
    """What a deletion would be answered with, and what it would change."""

    status: int
    versions: tuple[VersionEffects, ...]


class DryDeletion(msgspec.Struct, frozen=True):
    """The answer to a dry run of a deletion, whose own answer has no body."""

    dry_run: DeletionEffects


def told(answer: Answer, effects: Sequence[Effect], *, auth_context: bool) -> tuple[int, bytes]:
    """Status and body of a dry run's answer, for a reader who may see who wrote a version, or may not."""
    if not answer.body.startswith("{"):
        versions = tuple(
            VersionEffects(effect.version, _changes(effect, auth_context=auth_context)) for effect in effects
        )
        return 200, _encode(DryDeletion(DeletionEffects(answer.status, versions)))
    body = answer.body if auth_context else without_auth_context(answer.body)
    operations: list[PatchOperation] = []
    changes: tuple[FieldChange, ...] = ()
    for effect in effects:  # at most one, of the version that the body shows
        changes = _changes(effect, auth_context=auth_context)
        operations = patch(*_states(effect, auth_context=auth_context))
    return answer.status, b'%b,"dry_run":%b}' % (
        body[:-1].encode(),
        _encode(Effects(changes, tuple(operations))),
    )


def _changes(effect: Effect, *, auth_context: bool) -> tuple[FieldChange, ...]:
    before, after = _states(effect, auth_context=auth_context)
    return tuple(changed_fields(before, after, RECORDS if auth_context else HIDDEN))


def _states(effect: Effect, *, auth_context: bool) -> list[dict[str, Any]]:
    """The version before and after, as its reader sees it; empty where it is not stored."""
    bodies = (effect.before or "{}", effect.after or "{}")
    return [_decode(body if auth_context else without_auth_context(body)) for body in bodies]
