"""What clients asked of one service, and what they were answered, with the times of both."""

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

Kind = Literal["create", "update", "status", "delete", "read", "versions", "list"]
WRITES = ("create", "update", "status", "delete")


class Seen(NamedTuple):
    """A version as an answer shows it; the position is that of its ETag, None where it comes without."""

    number: int
    id: str
    config_version: int
    status: str
    message: str
    statuses: tuple[tuple[str, str], ...]
    position: int | None

    @classmethod
    def of(cls, body, etag=None):
        """From a body of the API."""
        return cls(
            body["entity_version"],
            body["id"],
            body["config_version"],
            body["status"],
            body["status_message"],
            tuple((item["status"], item["status_message"]) for item in body["status_history"]),
            position_of(etag),
        )


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request about one deployment; `version` None means the latest, of a deletion all."""

    kind: Kind
    config_version: int = 0
    version: int | None = None
    status: str = ""
    message: str = ""
    if_match: tuple[int, int] | None = None
    """Position and version of the ETag sent."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Status and what the body shows; of a 412 the position and version of the ETag it tells."""

    status: int
    shown: tuple[Seen, ...] = ()
    current: tuple[int, int] | None = None


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request, repeated under its key or not: `answer` None means that its outcome is not known.

    It took effect at most once: between `invoked` and `answered`, or, without an answer, at any time after
    `invoked` or never.
    """

    number: int
    client: int
    deployment: str
    call: Call
    invoked: float
    answered: float | None = None
    answer: Answer | None = None
    attempts: int = 1


def position_of(etag):
    """The position that an ETag names."""
    return None if etag is None else int(etag.strip('"').partition(".")[0])


def by_deployment(operations):
    """The operations of each deployment: what one asks of a deployment depends on nothing else."""
    parts = {}
    for operation in operations:
        parts.setdefault(operation.deployment, []).append(operation)
    return parts


def save(path: Path, operations):
    """Keep a history, one operation a line."""
    with path.open("wb") as file:
        for operation in operations:
            file.write(msgspec.json.encode(operation) + b"\n")


def load(path: Path):
    """A history as it was kept."""
    decode = msgspec.json.Decoder(Operation).decode
    return [decode(line) for line in path.read_bytes().splitlines()]
