"""Events as watchers get them: in the format of Server-Sent Events, encoded once for each kind of viewer."""

from __future__ import annotations

from datetime import datetime

import msgspec

from app.answers import shown
from domain.names import Resource
from domain.sight import Sight
from projections.following import Followed
from projections.occurrences import Actor

_encode = msgspec.json.Encoder().encode


class WatchedVersion(msgspec.Struct, frozen=True):
    """A version that the event touched: its body as it is after the event, null if it was removed."""

    version: int
    body: msgspec.Raw | None


class WatchedEvent(msgspec.Struct, frozen=True):
    """The data of an event of a watch."""

    position: int
    at: datetime
    kind: str
    workspace: str
    resource: Resource
    name: str
    actor: Actor
    reason: str | None
    versions: tuple[WatchedVersion, ...]


class Encoded:
    """An event with what was encoded of it so far."""

    __slots__ = ("_forms", "event", "size")

    def __init__(self, event: Followed) -> None:
        self.event = event
        # Bodies are there some three times: as they were read, and in two forms; seldom in more.
        self.size = 2_000 + 3 * sum(len(body or "") for _, body in event.versions)
        self._forms: dict[Sight, bytes] = {}

    def form(self, sight: Sight) -> bytes:
        """What a viewer gets who sees this much."""
        form = self._forms.get(sight)
        if form is None:
            form = self._forms[sight] = sent_form(self.event, sight)
        return form


def sent_form(event: Followed, sight: Sight) -> bytes:
    """An event in the format of Server-Sent Events; JSON has no line ends of its own."""
    data = WatchedEvent(
        event.position,
        event.at,
        event.kind,
        event.workspace,
        event.resource,
        event.name,
        Actor.of(event.by, sight),
        event.reason,
        tuple(WatchedVersion(version, _raw(body, sight)) for version, body in event.versions),
    )
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.position, event.kind.encode(), _encode(data))


def _raw(body: str | None, sight: Sight) -> msgspec.Raw | None:
    return None if body is None else msgspec.Raw(shown(body, sight).encode())
