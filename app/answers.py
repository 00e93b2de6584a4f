"""What a write is answered with, and which status each refusal has."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain import errors
from domain.errors import Refusal
from domain.names import Resource
from domain.sight import Sight, Sights

AUTH_CONTEXT_KEY: Final = ',"auth_context":'
_CONFIG_KEY: Final = ',"executor_config":'


class Effect(msgspec.Struct, frozen=True):
    """What a write makes of a version: its body before and after, None where it is not stored then.

    Of a version that is added, `before` is the version that was the latest.
    """

    version: int
    before: str | None
    after: str | None


class Answer(msgspec.Struct, frozen=True):
    """Status and body of an answer, before it is fitted to its reader.

    `position` is that of the event that last changed what the body shows: its ETag. `body` is empty where
    the answer has none. `effects` are those that a dry run would have had.
    """

    status: int
    body: str
    position: int | None = None
    replayed: bool = False
    effects: tuple[Effect, ...] | None = None


STATUS: Final[dict[type[Refusal], int]] = {
    errors.DeploymentNotFound: 404,
    errors.DeploymentVersionNotFound: 404,
    errors.DeploymentToUpdateNotFound: 400,
    errors.DeploymentExists: 409,
    errors.DeploymentIsDeleting: 409,
    errors.NothingToRollBackTo: 409,
    errors.AlreadyCurrent: 409,
    errors.NoEarlierConfigVersion: 409,
    errors.ConfigAlreadyCurrent: 409,
    errors.ReferencedConfigNotFound: 400,
    errors.ConfigNotFound: 404,
    errors.ConfigVersionNotFound: 404,
    errors.ConfigToUpdateNotFound: 400,
    errors.ConfigExists: 409,
    errors.ConfigInUse: 409,
    errors.InvalidVersion: 400,
    errors.InvalidName: 422,
    errors.WorkspaceCannotExist: 422,
    errors.WorkspaceNotFound: 404,
    errors.InvalidEntityReference: 400,
    errors.PluginDisabled: 403,
    errors.TwoRevisions: 400,
    errors.GenericEngineLacks: 400,
    errors.GenericEngineBlanks: 400,
    errors.GenericEngineLora: 400,
    errors.PreconditionFailed: 412,
    errors.IdempotencyKeyReused: 422,
}


def problem(status: int, detail: str | list[dict[str, Any]]) -> Answer:
    """An error in the contract's shape: a sentence, or a list of what is wrong with the request."""
    return Answer(status, msgspec.json.encode({"detail": detail}).decode())


def refused(refusal: Refusal) -> Answer:
    """The answer that tells a refusal."""
    status = STATUS[type(refusal)]
    if isinstance(refusal, errors.InvalidName):
        item = {
            "type": "string_pattern_mismatch",
            "loc": ["body", "name"],
            "msg": str(refusal),
            "input": refusal.name,
            "ctx": {"pattern": refusal.pattern},
        }
        return problem(status, [item])
    return problem(status, str(refusal))


def shown(body: str, sight: Sight) -> str:
    """A body as a reader sees it; the very same one if nothing is left out."""
    if not sight.auth_context:
        body = without_auth_context(body)
    if sight.redaction is None or _CONFIG_KEY not in body:
        return body
    members = _decode(body)
    redacted = sight.redaction.redacted(members)
    return body if redacted is members else _encode(redacted).decode()


def without_auth_context(body: str) -> str:
    """A body for a reader who may not see who wrote it; that of a config stays as it is.

    The key is the last one, and quotes inside JSON texts are escaped: the last occurrence is the key.
    """
    if not has_auth_context(body):
        return body
    return body[: body.rfind(AUTH_CONTEXT_KEY)] + AUTH_CONTEXT_KEY + "null}"


def has_auth_context(body: str) -> bool:
    """Whether the body is a deployment's that says who wrote it: only these end with an object.

    The key alone does not tell: a config may have it in a part that is the user's own.
    """
    return body.endswith("}}") and AUTH_CONTEXT_KEY in body


def list_item(resource: Resource, body: str, sights: Sights) -> bytes:
    """A body as an item of a list: keys of typed objects that hold null are left out, at every depth."""
    item = _decode(body)
    sight = sights(item["workspace"])
    if not sight.auth_context:
        item.pop("auth_context", None)
    if sight.redaction is not None:
        item = dict(sight.redaction.redacted(item))
    return _encode(_without_nulls(item, _TYPED[resource]))


class _Typed(dict[str, "_Typed"]):
    """The typed objects inside an object, by key; what is under other keys is the user's own."""


_TYPED: Final[dict[Resource, _Typed]] = {
    "deployments": _Typed(auth_context=_Typed()),
    "deployment-configs": _Typed(
        model_spec=_Typed(tool_call_config=_Typed()),
        executor_config=_Typed(k8s_nim_operator_config=_Typed()),
    ),
}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _without_nulls(value: dict[str, Any], typed: _Typed) -> dict[str, Any]:
    return {
        key: _without_nulls(part, typed[key]) if key in typed else part
        for key, part in value.items()
        if part is not None
    }
