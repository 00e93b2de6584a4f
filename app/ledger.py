"""What routes work with: the writer, the reader, and how an answer becomes a response."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypedDict, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException
from litestar.response.base import ASGIResponse

from app import answers, headers
from app.admission import admitted_of, require
from app.answers import Answer
from app.as_of import Point, position_of
from app.batch import Write
from app.dry_run import DryRunQuery, told
from app.filters import parse_filter
from app.findings import finding
from app.idempotency import Idempotency
from app.json_response import JsonResponse
from app.random_bytes import RANDOM
from app.reader import Found, Reader
from app.reading import InvalidRequest, read_body, read_query
from app.streams import AnyCommand
from app.writer import Writer
from domain.errors import WorkspaceNotFound
from domain.names import ALL_WORKSPACES, Resource, is_workspace, resource_id
from domain.precondition import Precondition
from domain.principal import Principal
from domain.redaction import MARK
from domain.sight import Sight
from domain.stream import version_asked
from projections.criteria import Field, in_workspace, named_workspace, within
from projections.lists import ListQuery
from projections.sorting import SortKey, parse_sort
from projections.versions import VersionsTable

T = TypeVar("T", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, State]

_NOT_TO_BE_RETRIED: Final = (409, 412)
VARY: Final = (
    "Origin, Authorization, X-NMP-Principal-Id, X-NMP-Principal-Groups, X-NMP-Principal-On-Behalf-Of, "
    "X-NMP-Principal-On-Behalf-Of-Groups"
)
BODY_KEY: Final = "ledger.body"
"""Where the outermost layer leaves the body in the ASGI scope if it has read it."""
_VARY: Final = (b"vary", VARY.encode())
_MARK: Final = MARK.encode()
_encode = msgspec.json.Encoder().encode


class Circumstances(TypedDict):
    """What every command has beside what it is about."""

    by: Principal
    reason: str | None
    if_match: Precondition | None


FromOne = Annotated[int, msgspec.Meta(ge=1)]


class PageQuery(msgspec.Struct, frozen=True):
    """The parameters of a list that are not filters."""

    page: FromOne = 1
    page_size: FromOne = 100
    sort: str = "created_at"
    as_of: Point | None = None


class DeploymentPageQuery(PageQuery, frozen=True):
    """The parameters of a list of deployments that are not filters."""

    all_versions: bool = False


class PointQuery(msgspec.Struct, frozen=True):
    """The query of a read: the point in the log whose state is asked for, now if it is left out."""

    as_of: Point | None = None


class Rollback(msgspec.Struct, frozen=True):
    """The body that rolls back: the version to restore; null takes the newest earlier one that was READY."""

    version: int | None = None


class Ledger:
    """The service behind the routes of one process."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self.writer = writer
        self.reader = reader

    async def body(self, request: AnyRequest, kind: type[T]) -> T:
        """The request's body as declared."""
        raw = await raw_body(request)
        if "executor_config" in kind.__struct_fields__ and _MARK in raw and sight_of(request).redaction:
            # Read, changed and written back by someone who does not see the secrets: they would be lost.
            raise InvalidRequest([finding("redacted_value", ("body",), MARK)])
        return read_body(kind, raw, headers.first(request.scope["headers"], b"content-type"))

    async def write(self, request: AnyRequest, command: AnyCommand) -> ASGIResponse:
        """The answer to a command; of a dry run the answer it would get, whatever key it comes with."""
        dry_run = bool(request.scope["query_string"]) and query_of(request, DryRunQuery).dry_run
        key = headers.read_idempotency_key(headers.first(request.scope["headers"], b"idempotency-key"))
        idempotency = None
        if key is not None and not dry_run:
            principal = caller(request)
            identity = f"{principal.id} {principal.on_behalf_of or ''}"
            idempotency = Idempotency(identity, key, _fingerprint(request, await raw_body(request)))
        answer = await self.writer.submit(Write(command, idempotency, dry_run))
        if answer.effects is None:
            return response(request, answer)
        status, body = told(answer, answer.effects, sight_of(request))
        return JsonResponse(body, [_VARY, (b"dry-run", b"true")], status)

    async def latest(
        self, request: AnyRequest, table: VersionsTable[Any], workspace: str, name: str
    ) -> Found | None:
        """The latest version of a name, now or as of what the query asks for."""
        position = await self._as_of(request)
        if position is None:
            return await self.reader.latest(table, workspace, name)
        return await self.reader.latest_as_of(table, workspace, name, position)

    async def version(
        self, request: AnyRequest, table: VersionsTable[Any], workspace: str, name: str, literal: str
    ) -> Found | None:
        """The version of a name that a literal names, now or as of what the query asks for."""
        position = await self._as_of(request)
        version = version_asked(literal)
        if position is None:
            return await self.reader.version(table, workspace, name, version)
        return await self.reader.version_as_of(table, workspace, name, version, position)

    async def _as_of(self, request: AnyRequest) -> int | None:
        if not request.scope["query_string"]:
            return None
        text = query_of(request, PointQuery).as_of
        return None if text is None else await position_of(self.reader, text)

    async def page(
        self,
        request: AnyRequest,
        table: VersionsTable[Any],
        workspace: str,
        fields: Mapping[str, Field],
        sortable: Mapping[str, SortKey],
        parameters: type[PageQuery] = PageQuery,
    ) -> ASGIResponse:
        """One page of a list, as the query asks for it."""
        pairs = _query_pairs(request)
        condition = parse_filter(pairs, fields)
        query = read_query(parameters, pairs)
        if workspace != ALL_WORKSPACES and not is_workspace(workspace):
            raise WorkspaceNotFound(workspace)
        access = admitted_of(request.scope).access
        if workspace == ALL_WORKSPACES:
            if (named := named_workspace(condition)) is not None:
                require(access, "read", named)
            condition = within(condition, access.readable)
        all_versions = isinstance(query, DeploymentPageQuery) and query.all_versions
        found = await self.reader.page(
            table,
            ListQuery(
                in_workspace(condition, workspace),
                fields,
                parse_sort(query.sort, sortable),
                all_versions,
                query.page,
                query.page_size,
                None if query.as_of is None else await position_of(self.reader, query.as_of),
            ),
        )
        pages = -(-found.total // query.page_size) or (0 if all_versions else 1)
        items = b",".join(answers.list_item(table.resource, body, access.sight) for body in found.bodies)
        pagination = {
            "page": query.page,
            "page_size": query.page_size,
            "current_page_size": len(found.bodies),
            "total_pages": pages,
            "total_results": found.total,
        }
        return as_json(
            b'{"data":[%b],"pagination":%b,"sort":%b}' % (items, _encode(pagination), _encode(query.sort))
        )

    async def versions(
        self, request: AnyRequest, table: VersionsTable[Any], workspace: str, name: str
    ) -> ASGIResponse:
        """All versions of a name, highest first; of a name that is not stored there are none."""
        if not is_workspace(workspace):
            raise WorkspaceNotFound(workspace)
        position = await self._as_of(request)
        if position is None:
            bodies = await self.reader.versions(table, workspace, name)
        else:
            bodies = await self.reader.versions_as_of(table, workspace, name, position)
        sight = sight_of(request)
        return as_json(f"[{','.join(answers.shown(body, sight) for body in bodies)}]".encode())


def query_of(request: AnyRequest, kind: type[T]) -> T:
    """The request's query as declared."""
    return read_query(kind, _query_pairs(request))


def new_id(resource: Resource) -> str:
    """A new random id for a version."""
    return resource_id(resource, RANDOM.take(16))


def caller(request: AnyRequest) -> Principal:
    """Who sent the request."""
    return admitted_of(request.scope).caller.principal


def sight_of(request: AnyRequest) -> Sight:
    """What the one who sent the request sees of the objects in the workspace of its path."""
    return admitted_of(request.scope).access.sight(request.scope["path_params"]["workspace"])


def circumstances(request: AnyRequest) -> Circumstances:
    """Who sends a command, why, and on which condition."""
    given = request.scope["headers"]
    return {
        "by": caller(request),
        "reason": headers.read_reason(headers.first(given, b"x-change-reason")),
        "if_match": headers.read_precondition(headers.joined(given, b"if-match")),
    }


def found_response(request: AnyRequest, found: Found) -> ASGIResponse:
    """A stored object as its reader sees it, or 304 if the reader has it already."""
    body = answers.shown(found.body, sight_of(request))
    etag = _etag(found.position, body, redacted=body is not found.body)
    sent = [_VARY, (b"etag", etag.encode())]
    if_none_match = headers.first(request.scope["headers"], b"if-none-match")
    if if_none_match is not None and not headers.none_match(if_none_match, etag):
        return JsonResponse(b"", sent, 304)
    return JsonResponse(body.encode(), sent)


def response(request: AnyRequest, answer: Answer) -> ASGIResponse:
    """The answer to a write as its reader sees it."""
    sent = [_VARY]
    body = answer.body
    if answer.position is not None:
        body = answers.shown(body, sight_of(request))
        etag = _etag(answer.position, body, redacted=body is not answer.body)
        sent.append((b"etag", etag.encode()))
    if answer.replayed:
        sent.append((b"idempotency-replayed", b"true"))
    sent += [(name.encode(), value.encode()) for name, value in retry_advice(answer.status).items()]
    return JsonResponse(body.encode(), sent, answer.status)


def retry_advice(status: int) -> dict[str, str]:
    """Clients repeat a 409 unless they are told that it is final."""
    return {"x-should-retry": "false"} if status in _NOT_TO_BE_RETRIED else {}


async def raw_body(request: AnyRequest) -> bytes:
    """The request's body as it was sent."""
    content = request.scope.get(BODY_KEY)
    if isinstance(content, bytes):
        return content
    try:
        return await request.body()
    except InternalServerException as broken:
        # The framework's word for a body that ended early: its chunks are malformed, or the client left.
        detail = "The request body ended before it was complete, or its chunks are malformed"
        raise HTTPException(detail, status_code=400) from broken


def _query_pairs(request: AnyRequest) -> list[tuple[str, str]]:
    return parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)


def as_json(body: bytes) -> ASGIResponse:
    """A body without an ETag, which single objects have only."""
    return JsonResponse(body, [_VARY])


_VERSION: Final = re.compile(r'"entity_version":([0-9]+)')


def _etag(position: int, body: str, *, redacted: bool) -> str:
    """Position and version: one event, such as a deletion, can change several versions."""
    version = _VERSION.search(body)  # no key before it holds text with quotes
    tag = f"{position}.{version[1]}" if version else f"{position}"
    return f'"{tag}-r"' if redacted else f'"{tag}"'


def _fingerprint(request: AnyRequest, body: bytes) -> str:
    """What makes a repeated request the same: method, path, query and body."""
    scope = request.scope
    parts: Sequence[bytes] = (
        scope["method"].encode(),
        scope["path"].encode(),
        scope["query_string"],
        body,
    )
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
