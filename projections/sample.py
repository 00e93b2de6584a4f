"""A fixed log in which everything happens that a fold distinguishes; `fold_version` tells folds apart by it.

Events stand as they are stored, in the order of their positions, streams mixed. Whoever changes a line here,
or adds one, changes the version of a projection: that is right for a new kind of event, or for a way in which
folds may differ that was missing, and for nothing else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from domain.names import Resource


class Sampled(NamedTuple):
    """An event as it is stored, with its stream; the first one is at position 1."""

    workspace: str
    resource: Resource
    name: str
    topic: str
    state: bytes


def sample() -> list[Sampled]:
    """The log."""
    begin = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    log = []
    for position, (stream, kind, members) in enumerate((*_SHORT, *_LONG), 1):
        workspace, resource, name = stream
        topic = f"{resource.removesuffix('s')}.{kind}"
        at = begin + timedelta(minutes=position, microseconds=position % 3)
        state = msgspec.json.encode({"kind": topic, "at": at, **members})
        log.append(Sampled(workspace, resource, name, topic, state))
    return log


_Stream = tuple[str, Resource, str]
_Event = tuple[_Stream, str, dict[str, Any]]

_A: Final[_Stream] = ("w1", "deployments", "a")
_B: Final[_Stream] = ("w2", "deployments", "b.c")
_C: Final[_Stream] = ("w1", "deployments", "c")
_E: Final[_Stream] = ("w2", "deployments", "e")
_F: Final[_Stream] = ("w1", "deployment-configs", "f")
_G: Final[_Stream] = ("w2", "deployment-configs", "g")

_ANN: Final[dict[str, Any]] = {
    "by": {
        "id": "ann",
        "email": "ann@example.com",
        "groups": ["admins", "ops"],
        "on_behalf_of": "bob",
        "on_behalf_of_groups": ["dev"],
        "on_behalf_of_email": "bob@example.com",
    },
    "reason": "because",
}
_MODEL: Final = {
    "model_type": "llm",
    "model_namespace": "meta",
    "model_name": "llama",
    "model_revision": "r1",
    "chat_template": "{{ ü }}",
    "tool_call_config": {"tool_call_parser": "p", "tool_call_plugin": "q", "auto_tool_choice": True},
    "lora_enabled": True,
}
_EXECUTOR: Final = {
    "gpu": 2,
    "disk_size": "1Ti",
    "image_name": "image",
    "image_tag": "tag",
    "health_check_path": "/health",
    "run_as_user": 1,
    "run_as_group": 3,
    "additional_envs": {"B": "2", "A": "1"},
    "additional_args": ["--x", "y"],
    "k8s_nim_operator_config": {
        "resources": {"limits": {"cpu": 1.5, "memory": "1Gi"}},
        "tolerations": [{"key": "gpu"}],
        "node_selector": {"zone": "a"},
        "startup_probe_grace_seconds": 30,
    },
    "override_config": {"b": [1, 2.0, 1e300, True, None], "a": {"": -0.0}},
}
_FULL: Final[dict[str, Any]] = {"model_spec": _MODEL, "executor_config": _EXECUTOR}


def _added(version: int, config_version: int = 1, **members: Any) -> dict[str, Any]:
    given = {"version": version, "id": f"id-{version}", "config": f"f{config_version}"}
    return {**given, "config_version": config_version, **members}


def _config(version: int, **members: Any) -> dict[str, Any]:
    given = {"version": version, "id": f"id-{version}", "engine": "nim", "model_spec": {}}
    return {**given, "executor_config": {"gpu": 1}, **members}


def _status(version: int, status: str, message: str, **members: Any) -> dict[str, Any]:
    return {"version": version, "status": status, "status_message": message, **members}


_SHORT: Final[list[_Event]] = [
    (_F, "created", _config(1)),
    (_A, "created", _added(1)),
    (_G, "created", _config(1, project="p", description="d", model_entity_id="w/m", **_FULL, **_ANN)),
    (_F, "updated", _config(2, engine="vllm", model_entity_id="m", **_FULL)),
    (_A, "updated", _added(2, 2, project="p", **_ANN)),
    (_B, "created", _added(1, project="p", **_ANN)),
    # A status of a version that is not the latest, one that says nothing new, one with another message only.
    (_A, "status-changed", _status(1, "READY", "serving", model_provider_id="provider")),
    (_A, "status-changed", _status(1, "READY", "serving", reason="again")),
    (_A, "status-changed", _status(1, "READY", "still serving", **_ANN)),
    (_A, "status-changed", _status(2, "ERROR", "still serving", model_provider_id="other")),
    (_A, "status-changed", _status(2, "LOST", "still serving")),
    # Marked one by one and together; the removal of the latest brings the one before it back.
    (_A, "deletion-requested", {"versions": [2], **_ANN}),
    (_A, "status-changed", _status(2, "DELETED", "")),
    (_A, "purged", {"versions": [2], **_ANN}),
    (_A, "updated", _added(3)),
    (_A, "rolled-back", _added(4, restored_version=1)),
    (_A, "rolled-back", _added(5, 2, project="p", restored_version=3, **_ANN)),
    # The removal of one that is not the latest; of several with the latest; of the latest: a gap.
    (_A, "purged", {"versions": [4]}),
    (_A, "updated", _added(6)),
    (_A, "purged", {"versions": [5, 6]}),
    (_A, "deletion-requested", {"versions": [1, 3]}),
    (_A, "updated", _added(7)),
    (_A, "status-changed", _status(7, "READY", "serving")),
    (_A, "purged", {"versions": [3]}),
    (_A, "purged", {"versions": [7]}),
    (_A, "purged", {"versions": [1]}),
    (_A, "created", _added(8, project="q")),
    (_A, "updated", _added(9)),
    (_B, "deletion-requested", {"versions": [1]}),
    (_B, "purged", {"versions": [1]}),
    # Removed all at once, and made again.
    (_C, "created", _added(1)),
    (_C, "updated", _added(2)),
    (_C, "updated", _added(3)),
    (_C, "purged", {"versions": [1, 2, 3]}),
    (_C, "created", _added(4)),
    # Configs: rolled back; the latest removed, one in the middle, one not stored, all; and made again.
    (_F, "rolled-back", _config(3, restored_version=1)),
    (_F, "rolled-back", _config(4, restored_version=2, model_entity_id="m", **_FULL, **_ANN)),
    (_G, "rolled-back", _config(2, restored_version=1, project="p", description="d", engine="generic")),
    (_F, "deleted", {"versions": [4]}),
    (_F, "deleted", {"versions": [2], **_ANN}),
    (_F, "updated", _config(5, project="p", description="", **_ANN)),
    (_F, "deleted", {"versions": [1, 2, 3, 5]}),
    (_F, "created", _config(6, project="q", model_spec={"model_type": "embed"})),
    (_G, "deleted", {"versions": [1]}),
    (_E, "created", _added(1)),
]
# More statuses than a version's history keeps.
_LONG: Final[list[_Event]] = [
    (_E, "status-changed", _status(1, ("READY", "UNKNOWN", "PENDING")[n % 3], f"{n}")) for n in range(104)
]
