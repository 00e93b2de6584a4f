"""What answers cost without any work behind them: answers recorded from the service, given again to everyone.

They come from routes of the same framework, which read paths and bodies as the service's do, inside the
service's own layers, which find out who calls and account for every request; under `/framework` from such
routes without these layers; under `/bare` from a function, so that only the HTTP server is left.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.deployments import ROUTES, DeploymentUpdate, StatusReport
from app.edge import Application, Edge, Receive, Scope, Send
from app.framing import Framing
from app.identity import identity_of
from app.settings import handed_down
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
_HEADERS: Final = {"vary": "Origin", "etag": '"1000000.1000"'}


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


def application() -> Application:
    """All three, told apart by how paths begin: `/framework`, `/bare`, and as the service's do."""
    settings = handed_down(os.environ)
    answers = msgspec.json.decode(Path(os.environ[ANSWERS_VARIABLE]).read_bytes(), type=Answers)
    whole = Framing(
        Edge(
            _routes(answers, "/"),
            identity_of(settings),
            writes_max=settings.write_queue_max,
            body_bytes_max=settings.body_bytes_max,
            body_read_seconds=settings.body_read_seconds,
        )
    )
    framework = _routes(answers, FRAMEWORK)

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(BARE):
            await _answer(answers, scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(FRAMEWORK):
            await framework(scope, receive, send)
        else:
            await whole(scope, receive, send)

    return choose


def _routes(answers: Answers, root: str) -> Application:
    @post("/{name:str}")
    async def update(
        request: Request[Any, Any, State], workspace: FromPath[str], name: FromPath[str]
    ) -> ASGIResponse:
        _ = workspace, name, msgspec.json.decode(await request.body(), type=DeploymentUpdate)
        return _response(answers.update, 201)

    @post("/{name:str}/status", status_code=200)
    async def status(
        request: Request[Any, Any, State], workspace: FromPath[str], name: FromPath[str]
    ) -> ASGIResponse:
        _ = workspace, name, msgspec.json.decode(await request.body(), type=StatusReport)
        return _response(answers.status, 200)

    @get("/{name:str}")
    async def latest(workspace: FromPath[str], name: FromPath[str]) -> ASGIResponse:
        _ = workspace, name
        return _response(answers.get, 200)

    @get("/{name:str}/versions/{version:str}")
    async def version(workspace: FromPath[str], name: FromPath[str], version: FromPath[str]) -> ASGIResponse:
        _ = workspace, name, version
        return _response(answers.version, 200)

    @get("/")
    async def page(workspace: FromPath[str]) -> ASGIResponse:
        return _response(answers.poll if workspace == ALL_WORKSPACES else answers.page, 200)

    deployments = Router(ROUTES.path, route_handlers=[update, status, latest, version, page])
    routes: Any = Litestar([deployments], path=root, openapi_config=None, logging_config=None)
    application: Application = routes
    return application


async def _answer(answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    status, body = _of(answers, scope["method"], scope["path"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
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
    return ASGIResponse(
        body=body.encode(), status_code=status, headers=_HEADERS, media_type="application/json"
    )
