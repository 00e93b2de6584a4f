"""A dry run: the answer that a write would get, together with what it would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from app.answers import Answer, Effect, shown
from domain.changes import RECORDS, FieldChange, PatchOperation, changed_fields, patch
from domain.deployment import DeploymentVersion
from domain.deployment_config import DeploymentConfigVersion
from domain.sight import Sight

HIDDEN: Final = RECORDS | {"auth_context"}
"""What readers who may not see it are not told of."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def _meaning(text: str) -> Meta:
    """Where a name does not mean what it means elsewhere."""
    return Meta(extra_json_schema={"description": text})


_EFFECTS: Final = _meaning("What the write would change.")


class DryRunQuery(msgspec.Struct, frozen=True):
    """The parameter of the query that every write takes."""

    dry_run: bool = False


class WriteEffects(msgspec.Struct, frozen=True):
    """What a write would change; a version that it would add is compared with the latest one."""

    changes: tuple[FieldChange, ...]
    patch: tuple[PatchOperation, ...]


class VersionEffects(msgspec.Struct, frozen=True):
    """What a write would change in one version."""

    version: int
    changes: tuple[FieldChange, ...]


class DeletionEffects(msgspec.Struct, frozen=True):
    """What a deletion would be answered with, and what it would change."""

    status: Annotated[int, _meaning("Status of the answer without `dry_run`.")]
    versions: tuple[VersionEffects, ...]


class DryDeletion(msgspec.Struct, frozen=True):
    """The answer to a dry run of a deletion, whose own answer has no body."""

    dry_run: Annotated[DeletionEffects, _EFFECTS]


class DryDeploymentVersion(DeploymentVersion, frozen=True):
    """The version that a write would have answered with."""

    dry_run: Annotated[WriteEffects, _EFFECTS]


class DryDeploymentConfigVersion(DeploymentConfigVersion, frozen=True):
    """The version that a write would have answered with."""

    dry_run: Annotated[WriteEffects, _EFFECTS]


DRY_ANSWERS: Final[dict[type | None, type]] = {
    None: DryDeletion,
    DeploymentVersion: DryDeploymentVersion,
    DeploymentConfigVersion: DryDeploymentConfigVersion,
}
"""What a dry run answers with, by what the write itself answers with."""


def told(answer: Answer, effects: Sequence[Effect], sight: Sight) -> tuple[int, bytes]:
    """Status and body of a dry run's answer, as its reader sees it."""
    reader = _Reader(sight)
    if not answer.body.startswith("{"):
        versions = tuple(VersionEffects(effect.version, reader.changes(effect)) for effect in effects)
        return 200, _encode(DryDeletion(DeletionEffects(answer.status, versions)))
    [effect] = effects or [Effect(0, None, None)]
    made = WriteEffects(reader.changes(effect), reader.patch(effect))
    return answer.status, b'%b,"dry_run":%b}' % (shown(answer.body, sight)[:-1].encode(), _encode(made))


class _Reader(NamedTuple):
    """Whoever asked, and sees what may be seen."""

    sight: Sight

    def changes(self, effect: Effect) -> tuple[FieldChange, ...]:
        ignored = RECORDS if self.sight.auth_context else HIDDEN
        return tuple(changed_fields(*self._states(effect), ignored, self.sight.redaction))

    def patch(self, effect: Effect) -> tuple[PatchOperation, ...]:
        return tuple(patch(*self._states(effect), self.sight.redaction))

    def _states(self, effect: Effect) -> tuple[dict[str, Any], dict[str, Any]]:
        """The version before and after, empty where it is not stored."""
        # Secrets are compared before they are left out.
        authors = Sight(self.sight.auth_context)
        return _decode(shown(effect.before or "{}", authors)), _decode(shown(effect.after or "{}", authors))
