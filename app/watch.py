"""HTTP for watching: the log as Server-Sent Events, from any position on and without end."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from app.admission import Admitted, admitted_of
from app.as_of import Point, position_of
from app.broadcaster import Broadcaster
from app.documented import documented
from app.headers import MalformedHeader
from app.ledger import VARY, AnyRequest, Ledger, query_of
from app.reader import Reader
from app.watcher import Watcher
from domain.errors import WorkspaceNotFound
from domain.kinds import UnreadableEventError
from domain.names import ALL_WORKSPACES, Resource, is_workspace
from projections.following import Wanted

STALL_SECONDS_MAX: Final = 60.0
"""How long a reader may take nothing at all; it is sent away then, and can come back to where it was."""

RETRY_MILLISECONDS: Final = 1000
# Comments and hints end with one line end, not two: some clients take an empty block for an event.
_BEGIN: Final = b"retry: %d\n: watching\n" % RETRY_MILLISECONDS
_HEARTBEAT: Final = b": heartbeat\n"
_CUT_OFF: Final = b"event: cut-off\ndata: %b\n\n"
_HEADERS: Final = {
    "cache-control": "no-store",
    "vary": VARY,
    # Proxies shall pass on each event as it comes.
    "x-accel-buffering": "no",
}
_POSITION_DIGITS_MAX: Final = 18
_log = structlog.get_logger()


class WatchQuery(msgspec.Struct, frozen=True):
    """The query of a watch: the point in the log to begin behind, and which events are wanted."""

    after: Point | None = None
    resource: Resource | None = None
    name: str | None = None
    kind: str | None = None


class StreamedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of the stream, its fields as lines; not JSON."""

    id: Annotated[
        str,
        msgspec.Meta(extra_json_schema={"description": "Its position in the log.", "pattern": "^[0-9]+$"}),
    ]
    event: str
    data: Annotated[
        str,
        msgspec.Meta(
            extra_json_schema={
                "description": "What happened, as JSON on one line.",
                "contentMediaType": "application/json",
            }
        ),
    ]
    retry: int = 1000


class EventStream(ASGIResponse):
    """A response that goes on until the client leaves or the service stops.

    Nothing is left to a generator that the framework would have to close: what a stream takes, it gives back
    in one place, without awaiting anything.
    """

    _should_set_content_length = False

    def __init__(
        self,
        broadcaster: Broadcaster,
        position: int,
        wanted: Wanted,
        *,
        admitted: Admitted,
        heartbeat_seconds: float,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers=_HEADERS)
        self._watching = broadcaster.watcher(position, wanted, admitted.access.sight, admitted.over)
        self._heartbeat_seconds = heartbeat_seconds

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._watching as watcher:
            leaving = asyncio.create_task(_end_with_client(watcher, receive))
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.encode_headers()})
                await self._send_events(watcher, send)
            finally:
                leaving.cancel()

    async def _send_events(self, watcher: Watcher, send: Send) -> None:
        chunk, last = _BEGIN, b""
        while not watcher.ended:
            sending = send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                await watcher.hand_over(sending, STALL_SECONDS_MAX)
            except TimeoutError:
                return
            try:
                chunk = await watcher.next(self._heartbeat_seconds) or _HEARTBEAT
            except UnreadableEventError as unreadable:
                # Who comes back may find a newer release, and goes on there with this very event.
                _log.warning("a watcher is sent away", reason=str(unreadable))
                last = b": %b\n" % str(unreadable).encode()
                break
        if watcher.cut_off is not None:
            last = _CUT_OFF % msgspec.json.encode({"detail": watcher.cut_off})
        await send({"type": "http.response.body", "body": last, "more_body": False})


class Watch:
    """What the route needs of its process."""

    def __init__(self, broadcaster: Broadcaster, *, heartbeat_seconds: float) -> None:
        self._broadcaster = broadcaster
        self._heartbeat_seconds = heartbeat_seconds

    def stream(self, position: int, wanted: Wanted, admitted: Admitted) -> EventStream:
        """The events behind a position of the log, for a viewer, as long as that one may see them."""
        self._broadcaster.require_room()
        return EventStream(
            self._broadcaster,
            position,
            wanted,
            admitted=admitted,
            heartbeat_seconds=self._heartbeat_seconds,
        )


@get(
    "/",
    **documented(
        {200: StreamedEvent},
        "stream",
        query=WatchQuery,
        refuses=(WorkspaceNotFound,),
        media_type="text/event-stream",
    ),
)
async def watch(
    request: AnyRequest,
    workspace: FromPath[str],
    ledger: NamedDependency[Ledger],
    watching: NamedDependency[Watch],
) -> ASGIResponse:
    """Follow the events of a workspace, or of all if it is `-`: each once, in order, as they happen.

    The answer has no end. It is in the format of Server-Sent Events: `id` is the event's position, `event`
    its kind, and `data` a JSON object with `position`, `at`, `kind`, `workspace`, `resource`, `name`,
    `actor`, `reason` and `versions`, a list of `version` and `body`: the object as it is after the event,
    null if it was removed. Comments are signs of life. Whoever is cut off goes on with `Last-Event-ID`,
    however much later; position 0 is before the first event. An event that a newer release wrote and this one
    cannot read ends the stream, with a comment that says so. When the caller's token expires, or what it may
    see changes, the stream ends with an event `cut-off` without id, whose `data` has the reason as `detail`.
    """
    query = query_of(request, WatchQuery)
    if workspace != ALL_WORKSPACES and not is_workspace(workspace):
        raise WorkspaceNotFound(workspace)
    position = await _begin(ledger.reader, request.headers.get("last-event-id"), query.after)
    admitted = admitted_of(request.scope)
    only = admitted.access.readable if workspace == ALL_WORKSPACES else (workspace,)
    return watching.stream(position, Wanted(only, query.resource, query.name, query.kind), admitted)


ROUTES: Final = Router(
    "/apis/models/v2/workspaces/{workspace:str}/watch", tags=["Watch"], route_handlers=[watch]
)


async def _begin(reader: Reader, last_event_id: str | None, after: str | None) -> int:
    """The position to begin behind: that of the last event that came, else the one asked for, else now."""
    if last_event_id:
        return await _resumed(reader, last_event_id)
    return await reader.head() if after is None else await position_of(reader, after, "after")


async def _resumed(reader: Reader, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _POSITION_DIGITS_MAX):
        message = f"Last-Event-ID must be the id of an event of this service, not {text[:100]!r}"
        raise MalformedHeader(message)
    position, head = int(text), await reader.head()
    if position > head:
        message = f"Last-Event-ID {position} is none of this service: the log ends at position {head}"
        raise MalformedHeader(message)
    return position


async def _end_with_client(watcher: Watcher, receive: Receive) -> None:
    message: Any = {}
    while message.get("type") != "http.disconnect":
        message = await receive()
    watcher.end()
