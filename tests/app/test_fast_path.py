"""The fast path answers what the framework would."""

import asyncio

import pytest
from litestar import Litestar, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.admission import ADMITTED_KEY, Admitted, Denied, never
from app.authorisation import NEEDED
from app.callers import UNKNOWN
from app.fast_path import FastPath
from app.filters import BadFilter
from app.headers import MalformedHeader
from app.ledger import AnyRequest
from app.problems import HANDLERS
from app.reader import Unreadable
from app.reading import InvalidRequest, UnreadableBody
from app.writer import OutcomeUnknown, Unavailable
from domain.authorisation import EVERYONE
from domain.errors import ConfigNotFound, DeploymentExists
from domain.kinds import UnreadableEventError
from tests.support.described import application

RAISED = {
    "refusal": ConfigNotFound("w", "c"),
    "conflict": DeploymentExists("w", "d"),
    "invalid": InvalidRequest([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]),
    "unreadable": UnreadableBody(),
    "filter": BadFilter("no"),
    "denied": Denied("This needs the role viewer"),
    "header": MalformedHeader("X is bad"),
    "unknown": OutcomeUnknown("lost"),
    "unavailable": Unavailable("full"),
    "unread": Unreadable("away"),
    "newer": UnreadableEventError("deployment.newer", 1, "unknown"),
    "http": HTTPException("broken", status_code=400, headers={"x-said": "so"}),
    "gone": HTTPException("what", status_code=404),
    "fault": ZeroDivisionError("internals"),
}
LEDGER = object()


@post("/echo/{workspace:str}/{name:str}", status_code=200)
async def echo(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[object]
) -> ASGIResponse:
    """What the handler gets; and what it raises, if the name says so."""
    if name in RAISED:
        raise RAISED[name]
    body = await request.body()
    seen = [workspace, name, request.headers.getall("x-a", []), body, ledger is LEDGER, request.scope["path"]]
    route = [request.scope["path_template"], request.scope["route_handler"].handler_name]
    return ASGIResponse(body=repr((seen, route)), status_code=201, headers={"x-b": "1"})


@get("/echo/{workspace:str}/fixed")
async def fixed() -> ASGIResponse:
    """A handler of the framework's beside it, which takes nothing."""
    return ASGIResponse(body=b"fixed")


ROUTES = Litestar(
    [echo, fixed],
    dependencies={"ledger": Provide(lambda: LEDGER, sync_to_thread=False)},
    exception_handlers=HANDLERS,
    request_max_body_size=100,
    openapi_config=None,
    logging_config=None,
)
FAST = FastPath(ROUTES, LEDGER, restricted=False)


def ask(app, method, path, headers=(), body=b""):
    """The messages that an application sends in answer to a request, and whether the framework saw it."""
    sent = []
    received = [{"type": "http.request", "body": body[:5], "more_body": True}]
    received += [{"type": "http.request", "body": body[5:], "more_body": False}]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": list(headers),
        ADMITTED_KEY: Admitted(UNKNOWN, EVERYONE.access_of(UNKNOWN), never),
    }

    async def receive():
        return received.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent, "litestar_app" not in scope


def is_fast(*request):
    """Whether a request is answered without the framework; the answer is the same."""
    expected, _ = ask(ROUTES, *request)
    sent, fast = ask(FAST, *request)
    assert expected == sent
    return fast


@pytest.mark.parametrize("name", ["d", "é ü", "a:b", "..", "\U0001f600", "fixed", *RAISED])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "OPTIONS", "TRACE"])
def test_answers_are_the_frameworks(name, method):
    """Whatever the handler answers or raises, on every path and method."""
    request = (
        method,
        f"/echo/w/{name}",
        [(b"host", b"x:80"), (b"x-a", b"1"), (b"X-A", b"\xe9")],
        b"some body",
    )

    assert is_fast(*request) == (method == "POST" and name != "fixed")


@pytest.mark.parametrize(
    "path", ["/echo/w/d/", "/echo//d", "/echo/w", "/echo/w/d/e", "/", "", "/none", "/Echo/w/d"]
)
def test_paths_that_are_no_routes(path):
    """They are the framework's to answer, or what it makes of them."""
    assert not is_fast("POST", path)


@pytest.mark.parametrize(
    "host", [b"x.example:80", b"[::1]:8080", b"", b"a_b", b"x y", b"x\xe9", b"x/y", b"x\n"]
)
def test_hosts(host):
    """One that the framework refuses is refused."""
    is_usual = host in {b"x.example:80", b"[::1]:8080", b""}

    assert is_fast("POST", "/echo/w/d", [(b"host", host)]) == is_usual


@pytest.mark.parametrize("announced", [[], [(b"content-length", b"101")], [(b"content-length", b"x")]])
@pytest.mark.parametrize("size", [100, 101])
def test_sizes_of_bodies(announced, size):
    """The limit holds, for what is announced and for what comes."""
    assert is_fast("POST", "/echo/w/d", announced, b"b" * size)


def test_hot_routes_are_on_it():
    """All routes that need nothing but the ledger, and no others."""
    served = {handler.handler_name for handler in FastPath(application(), LEDGER, restricted=True).handlers}
    others = {"watch", "live", "ready", "metrics_of_all_workers"}
    others |= {"get_description_page", "get_description", "get_page_asset"}

    assert set(NEEDED) - others == served


@pytest.mark.parametrize(
    "more",
    [
        {"guards": [lambda *_: None]},
        {"before_request": lambda _: None},
        {"after_request": lambda response: response},
        {"middleware": [lambda app: app]},
        {"exception_handlers": {KeyError: lambda *_: None}},
        {"dependencies": {"ledger": Provide(lambda: None, sync_to_thread=False)}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_handlers_with_something_around_them_are_left_to_the_framework(more):
    """Nothing that is declared there is passed over."""
    dependencies = {"ledger": Provide(lambda: LEDGER, sync_to_thread=False)}
    router = Router("/", route_handlers=[echo], **more)
    routes = Litestar([router], dependencies=dependencies, openapi_config=None)

    assert not FastPath(routes, LEDGER, restricted=False).handlers
