"""Events as they are stored: under a name, as JSON, to be read for ever.

A *kind* is what clients know an event as: `deployment.updated`. The *stored name* of its first shape is the
kind itself; each later shape has one of its own, `deployment.updated.2`. Nobody but this module needs to know
former shapes: `Kinds.decode` gives the current one of whatever was stored. How a shape is changed is told in
docs/events.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import msgspec
from typing_extensions import override

from domain.deployment import DeploymentEvent
from domain.deployment_config import DeploymentConfigEvent
from domain.names import Resource, split_stream_id
from domain.stream import Event, Recorded

Upcast = Callable[[Any], Event]
"""Makes the next shape of an event from a former one, and of nothing else."""

_STORED_NAME: Final = re.compile(r"(?P<kind>[a-z-]+\.[a-z-]+)(\.([2-9]|[1-9][0-9]+))?")


class UnreadableEventError(Exception):
    """This program cannot read an event of the log: it was written by a newer one, or is damaged."""

    def __init__(self, stored_name: str, position: int | None, fault: str) -> None:
        super().__init__(stored_name, position, fault)  # all of them: it is passed between processes
        self.stored_name = stored_name
        self.position = position
        self.fault = fault

    @override
    def __str__(self) -> str:
        where = "" if self.position is None else f" at position {self.position}"
        return (
            f"this release cannot read the event{where}, stored as {self.stored_name!r}: {self.fault}; "
            "run the release that wrote it, or a newer one"
        )


class UnknownEventError(UnreadableEventError):
    """An event has a stored name that this program does not know."""

    def __init__(
        self, stored_name: str, position: int | None, fault: str = "it does not know that stored name"
    ) -> None:
        super().__init__(stored_name, position, fault)


class Kinds:
    """All events that can be read, by their stored names.

    `current` are the unions of what is written now. `upcasts` has for each former shape the function that
    makes the next one of it, which may itself be a former one.
    """

    def __init__(self, *current: Any, upcasts: Mapping[type[Event], Upcast] | None = None) -> None:
        self._upcasts = dict(upcasts or {})
        shapes: list[type[Event]] = [shape for union in current for shape in get_args(union)]
        self.names: Final = tuple(stored_name(shape) for shape in (*shapes, *self._upcasts))
        self.kinds: Final = tuple(kind_of(stored_name(shape)) for shape in shapes)
        if len(set(self.names)) < len(self.names) or len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"stored names and kinds are given once each, not as in {self.names}")
        self._decoders: dict[str, Callable[[bytes], Event]] = {
            stored_name(shape): msgspec.json.Decoder(shape).decode for shape in shapes
        }
        for former in self._upcasts:
            self._decoders[stored_name(former)] = self._upcasting(former)

    def decode(self, name: str, state: bytes, position: int | None = None) -> Event:
        """The event of a stored name, in its current shape; the position is for errors.

        Nothing is left out: a member that this program does not know makes the event unreadable.
        """
        decode = self._decoders.get(name)
        if decode is None:
            raise UnknownEventError(name, position)
        try:
            return decode(state)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableEventError(name, position, str(error)) from error

    def recorded(
        self, stream: str, stream_version: int, name: str, state: bytes, position: int
    ) -> Recorded[Any]:
        """The event that a row of the log holds, at its place."""
        workspace, _, of = split_stream_id(stream)
        return Recorded(workspace, of, stream_version, position, self.decode(name, state, position))

    def _upcasting(self, former: type[Event]) -> Callable[[bytes], Event]:
        decode, upcasts = msgspec.json.Decoder(former).decode, self._upcasts

        def upcasted(state: bytes) -> Event:
            event: Event = decode(state)
            while (upcast := upcasts.get(type(event))) is not None:
                event = upcast(event)
            return event

        return upcasted


def stored_name(shape: type[Event] | Event) -> str:
    """The name under which events of a shape are stored."""
    return str(shape.__struct_config__.tag)


def kind_of(name: str) -> str:
    """The kind of a stored name, also of one that is not known."""
    found = _STORED_NAME.fullmatch(name)
    return name if found is None else found["kind"]


def resource_of(event: Event) -> Resource:
    """Whether an event happened to a deployment or to a config."""
    return "deployments" if isinstance(event, DeploymentEvent) else "deployment-configs"


UPCASTS: Final[Mapping[type[Event], Upcast]] = {}
"""For each former shape its upcast. Both stand beside the event's current shape."""

KINDS: Final = Kinds(DeploymentEvent, DeploymentConfigEvent, upcasts=UPCASTS)
"""What this release reads."""
