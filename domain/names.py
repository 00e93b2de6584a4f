"""What a workspace, a name and a version may be, and what a stream is called."""

from __future__ import annotations

import re
from typing import Final, Literal

Resource = Literal["deployments", "deployment-configs"]
"""The two resources; the word is also the middle part of their streams' ids."""

NAME_PATTERN: Final = r"^[a-z](?!.*--)[a-z0-9\-@.+_]{1,62}(?<!-)$"
"""What the reference implementation demands of a stored name, quoted in its refusals."""

NAME_LENGTH_MAX: Final = 60
ALL_WORKSPACES: Final = "-"

_NAME: Final = re.compile(r"[a-z](?!.*--)[a-z0-9\-._]{0,59}(?<!-)", re.ASCII)
_WORKSPACE: Final = re.compile(NAME_PATTERN.removeprefix("^").removesuffix("$"), re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_VERSION_DIGITS_MAX: Final = 18  # what is longer does not fit 64 bits and names nothing
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_PAIRS: Final = tuple(high + low for high in _BASE58 for low in _BASE58)


def is_name(text: str) -> bool:
    """Whether a deployment or a config may be called so.

    The reference applies `NAME_PATTERN` to the name with a version suffix; without the suffix that means
    1 to 60 characters, of which the last is no hyphen.
    """
    return _NAME.fullmatch(text) is not None


def is_workspace(text: str) -> bool:
    """Whether a workspace may be called so: 2 to 63 characters of `NAME_PATTERN`."""
    return _WORKSPACE.fullmatch(text) is not None


def stream_id(workspace: str, resource: Resource, name: str) -> str:
    """The id of the stream that holds every event of one deployment or config, workspace first."""
    return f"{workspace}/{resource}/{name}"


def split_stream_id(stream: str) -> tuple[str, Resource, str]:
    """Workspace, resource and name of a stream; neither workspace nor name contains a slash."""
    workspace, resource, name = stream.split("/")
    if resource == "deployments":
        return workspace, "deployments", name
    if resource == "deployment-configs":
        return workspace, "deployment-configs", name
    msg = f"stream id {stream!r} names the unknown resource {resource!r}"
    raise ValueError(msg)


def version_number(text: str) -> int | None:
    """The version a literal names, 0 where no version can have that number, None where it is no integer.

    A literal is compared as it would be printed: `01` and `+1` are integers, but no version is called so.
    """
    if _INTEGER.fullmatch(text) is None:
        return None
    if text[0] in "+-0" or len(text) > _VERSION_DIGITS_MAX:
        return 0
    return int(text)


def resource_id(resource: Resource, random_bytes: bytes) -> str:
    """The id of one version: the resource's prefix and 16 random bytes in base58 (Bitcoin's alphabet)."""
    number = int.from_bytes(random_bytes, "big")
    pairs = []
    while number:
        number, pair = divmod(number, len(_BASE58_PAIRS))
        pairs.append(_BASE58_PAIRS[pair])
    prefix = "model-deployment-" if resource == "deployments" else "model-deployment-config-"
    return prefix + "".join(reversed(pairs)).lstrip(_BASE58[0])
