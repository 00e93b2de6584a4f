"""What answers cost without any work behind them: answers recorded from the service, given again to everyone.

They come from routes of the same framework, which read paths and bodies as the service's do, on the service's
fast path and inside its layers, which find out who calls, call the routes' handlers and account for every
request; under `/framework` from such routes as the framework itself calls them, without any of that; under
`/bare` from a function, so that only the HTTP server is left.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, cast

import msgspec
from litestar import Litestar, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.deployments import ROUTES, DeploymentUpdate, StatusReport
from app.documented import documented
from app.edge import Application, Edge, Receive, Scope, Send
from app.fast_path import FastPath
from app.framing import Framing
from app.identity import identity_of
from app.json_response import JsonResponse
from app.ledger import VARY, AnyRequest, Ledger, raw_body
from app.main import Service
from app.settings import Settings, handed_down
from domain.names import ALL_WORKSPACES

ANSWERS_VARIABLE: Final = "LEDGER_BENCH_ANSWERS"
"""Names the file with the answers."""
FRAMEWORK: Final = "/framework"
BARE: Final = "/bare"
ROOTS: Final = {"whole": "", "framework": FRAMEWORK, "bare": BARE}
TITLES: Final = {
    "whole": "constant inside the service's layers",
    "framework": "constant from the framework",
    "bare": "constant from the HTTP server",
}
GOAL: Final = (
    "the goal is of the former; the latter takes the same short cuts as the service, so it is the stricter"
    " measure of what the work itself costs."
)
_HEADERS: Final = [(b"vary", VARY.encode()), (b"etag", b'"1000000.1000"')]


class Answers(msgspec.Struct, frozen=True):
    """One body of each kind of answer."""

    update: str = ""
    status: str = ""
    get: str = ""
    version: str = ""
    page: str = ""
    poll: str = ""
    """A page of the workspace `-`."""


def recorded(file: Path, answers: Answers) -> dict[str, str]:
    """Write answers down; the environment of a server that is to give them."""
    file.write_bytes(msgspec.json.encode(answers))
    return {ANSWERS_VARIABLE: str(file)}


def application() -> Service:
    """The application of a worker process, with the answers of a file."""
    answers = msgspec.json.decode(Path(os.environ[ANSWERS_VARIABLE]).read_bytes(), type=Answers)
    return made(answers, handed_down(os.environ))


def made(answers: Answers, settings: Settings) -> Service:
    """All three, told apart by how paths begin: `/framework`, `/bare`, and as the service's do."""
    routes = _routes(answers, "/")
    edge = Edge(
        cast("Application", routes),
        identity_of(settings),
        writes_max=settings.write_queue_max,
        body_bytes_max=settings.body_bytes_max,
        body_read_seconds=settings.body_read_seconds,
    )
    whole = Framing(edge)
    framework = cast("Application", _routes(answers, FRAMEWORK))

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(BARE):
            await _answer(answers, scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(FRAMEWORK):
            await framework(scope, receive, send)
        else:
            await whole(scope, receive, send)

    ledger = cast("Ledger", answers)
    fast_path = FastPath(routes, ledger, edge, body_bytes_max=settings.body_bytes_max, restricted=False)
    return Service(choose, fast_path)


def _routes(answers: Answers, root: str) -> Litestar:
    """Handlers as the service's are, given the answers where those are given the ledger."""
    return Litestar(
        [Router(ROUTES.path, route_handlers=[_update, _status, _latest, _version, _page])],
        path=root,
        dependencies={"ledger": Provide(lambda: answers, sync_to_thread=False, use_cache=True)},
        openapi_config=None,
        logging_config=None,
    )


@post("/{name:str}", **documented({201: None}, "write"))
async def _update(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Answers]
) -> ASGIResponse:
    _ = workspace, name, msgspec.json.decode(await raw_body(request), type=DeploymentUpdate)
    return _response(ledger.update, 201)


@post("/{name:str}/status", status_code=200, **documented({200: None}, "write"))
async def _status(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Answers]
) -> ASGIResponse:
    _ = workspace, name, msgspec.json.decode(await raw_body(request), type=StatusReport)
    return _response(ledger.status, 200)


@get("/{name:str}", **documented({200: None}, "object"))
async def _latest(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[Answers]
) -> ASGIResponse:
    _ = request, workspace, name
    return _response(ledger.get, 200)


@get("/{name:str}/versions/{version:str}", **documented({200: None}, "object"))
async def _version(
    request: AnyRequest,
    workspace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    ledger: NamedDependency[Answers],
) -> ASGIResponse:
    _ = request, workspace, name, version
    return _response(ledger.version, 200)


@get("/")
async def _page(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[Answers]
) -> ASGIResponse:
    _ = request
    return _response(ledger.poll if workspace == ALL_WORKSPACES else ledger.page, 200)


async def _answer(answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    status, body = _of(answers, scope["method"], scope["path"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_HEADERS]})
    await send({"type": "http.response.body", "body": body})


def _of(answers: Answers, method: str, path: str) -> tuple[int, bytes]:
    if method == "POST":
        return (200, answers.status.encode()) if path.endswith("/status") else (201, answers.update.encode())
    if "/versions/" in path:
        return 200, answers.version.encode()
    if not path.endswith("/deployments"):
        return 200, answers.get.encode()
    return 200, (answers.poll if f"/{ALL_WORKSPACES}/" in path else answers.page).encode()


def _response(body: str, status: int) -> ASGIResponse:
    return JsonResponse(body.encode(), _HEADERS, status)
