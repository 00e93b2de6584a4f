"""The fast path answers what the framework would, or leaves it to that."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from app.admission import ADMITTED_KEY
from app.authorisation import NEEDED
from app.bodies import SMALL_BYTES_MAX
from app.documented import documented
from app.edge import Edge
from app.fast_path import FastPath
from app.filters import BadFilter
from app.framing import Framing
from app.headers import MalformedHeader
from app.identity import identity_of
from app.json_response import JsonResponse
from app.ledger import AnyRequest, raw_body
from app.problems import HANDLERS
from app.reader import Unreadable
from app.reading import InvalidRequest, UnreadableBody
from app.settings import Settings
from app.writer import OutcomeUnknown, Unavailable
from domain.errors import ConfigNotFound, DeploymentExists
from domain.kinds import UnreadableEventError
from tests.support.described import application

RAISED = {
    "refusal": ConfigNotFound("w", "c"),
    "conflict": DeploymentExists("w", "d"),
    "invalid": InvalidRequest([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]),
    "unreadable": UnreadableBody(),
    "filter": BadFilter("no"),
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
OF_ONE = documented({200: None}, "object")
REQUEST_ID = (b"x-request-id", b"of-the-caller")


@post("/echo/{workspace:str}/{name:str}", status_code=200, **documented({200: None}, "write"))
async def echo(
    request: AnyRequest, workspace: FromPath[str], name: FromPath[str], ledger: NamedDependency[object]
) -> ASGIResponse:
    """What the handler gets; and what it raises, if the name says so; the rest of it runs later."""
    if name in RAISED:
        raise RAISED[name]
    later = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(later.set_result, "later")
    scope = request.scope
    seen = [workspace, name, scope["headers"], await raw_body(request), ledger is LEDGER, scope["path"]]
    route = [scope["path_template"], scope["route_handler"].handler_name, await later]
    if name.endswith("-later"):
        raise RAISED[name.removesuffix("-later")]
    return JsonResponse(repr((seen, route)).encode(), [(b"x-b", b"1")], 201)


@get("/fixed/{workspace:str}")
async def fixed(workspace: FromPath[str]) -> ASGIResponse:
    """A handler of the framework's beside it."""
    return ASGIResponse(body=workspace.encode())


@get("/listed/{workspace:str}", **documented({200: None}))
async def listed(
    request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[object]
) -> ASGIResponse:
    """One that may do anything, such as take a connection with a limit of time, for which there is no task."""
    _ = request, workspace, ledger
    async with asyncio.timeout(1):
        await asyncio.sleep(0)
    return ASGIResponse(body=b"listed")


class Both:
    """Routes with the service's layers around them, and the fast path to them."""

    def __init__(self, *routes, writes_max=1):
        made = Litestar(
            [*routes],
            dependencies={"ledger": Provide(lambda: LEDGER, sync_to_thread=False)},
            exception_handlers=HANDLERS,
            request_max_body_size=100,
            openapi_config=None,
            logging_config=None,
        )
        self.edge = Edge(
            made, identity_of(Settings()), writes_max=writes_max, body_bytes_max=100, body_read_seconds=1
        )
        self.layers = Framing(self.edge)
        self.fast = FastPath(made, LEDGER, self.edge, body_bytes_max=100, restricted=False)


BOTH = Both(echo, fixed, listed)


def scope_of(method, path, headers):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [REQUEST_ID, *headers],
    }


async def by_layers(layers, method, path, headers, body):
    """Status, headers and body of the answer that comes through all layers."""
    sent = []
    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return received.pop(0)

    async def send(message):
        sent.append(message)

    await layers(scope_of(method, path, headers), receive, send)
    return sent[0]["status"], sent[0]["headers"], b"".join(part["body"] for part in sent[1:])


async def by_fast_path(fast, method, path, headers, body):
    """The same from the fast path; None if it does not take the request."""
    answer = asyncio.get_running_loop().create_future()
    scope = scope_of(method, path, headers)
    before = set(scope)
    if not fast.begin(scope, body, lambda *told: answer.set_result(told)):
        assert set(scope) <= {*before, ADMITTED_KEY}
        return None
    return await asyncio.wait_for(answer, 5)


def is_fast(method, path, headers=(), body=b"{}", both=BOTH):
    """Whether a request is answered on the fast path; the answer is the same."""

    async def ask():
        expected = await by_layers(both.layers, method, path, headers, body)
        found = await by_fast_path(both.fast, method, path, headers, body)
        if found is None:
            return False
        assert (expected[0], sorted(expected[1]), expected[2]) == (found[0], sorted(found[1]), found[2])
        return True

    return asyncio.run(ask())


@pytest.mark.parametrize("name", ["d", "a:b", "..", "fixed", *RAISED, "refusal-later", "fault-later"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "OPTIONS", "TRACE"])
def test_answers_are_the_frameworks(name, method):
    """Whatever the handler answers or raises, at once or later, on every path and method."""
    headers = [(b"host", b"x:80"), (b"x-a", b"1"), (b"x-a", b"\xe9")]

    assert is_fast(method, f"/echo/w/{name}", headers, b"some body") == (method == "POST")


@pytest.mark.parametrize("path", ["/echo/w", "/echo/w/d/e", "/none", "/Echo/w/d", "/fixed/w", "/listed/w"])
def test_other_routes(path):
    """They are the framework's to answer, also those that could only take a part of what it gives them."""
    assert not is_fast("POST", path)
    assert not is_fast("GET", path)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a_b")],
        [(b"host", b"x y")],
        [(b"host", b"x\xe9")],
        [(b"host", b"x")] * 2,
        [(b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"x-nmp-principal-id", b"a b")],
        [(b"x-nmp-principal-id", b"a" * 257)],
    ],
)
def test_unusual_requests(headers):
    """What a layer refuses, or does for it, is left to the layer."""
    assert is_fast("POST", "/echo/w/d")
    assert not is_fast("POST", "/echo/w/d", headers)


@pytest.mark.parametrize("size", [99, 100, 101, SMALL_BYTES_MAX + 1])
def test_sizes_of_bodies(size):
    """The limit holds."""
    assert is_fast("POST", "/echo/w/d", body=b"b" * size) == (size <= 100)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"host", b"x-a", b"if-match", b"x-nmp-principal-id", b"x-nmp-principal-email", b"content-length"]
        ),
        st.sampled_from([b"x", b"", b"a@b.example", b"service:x", b'"1.1"', b"\xff", b"2"]),
    ),
    max_size=4,
)


@given(
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    path=st.lists(st.sampled_from(["echo", "w", "d", "fixed", "listed", "refusal"]), min_size=1, max_size=4),
    headers=HEADERS,
    body=st.binary(max_size=110),
)
def test_any_request(method, path, headers, body):
    """Its answer is the same on either way that it may take."""
    is_fast(method, "/" + "/".join(path), headers, body)


class Waiting(Both):
    """One route, whose writes are answered once `going_on` is set; one of them finds a place."""

    def __init__(self):
        self.going_on = asyncio.get_running_loop().create_future()

        @post("/wait/{workspace:str}", **documented({201: None}, "write"))
        async def wait(
            request: AnyRequest, workspace: FromPath[str], ledger: NamedDependency[object]
        ) -> ASGIResponse:
            _ = workspace, ledger
            return JsonResponse(await self.going_on + await raw_body(request), [], 201)

        super().__init__(wait)

    def begin(self):
        """A request on the fast path: its scope, and its answer to come."""
        scope, answer = scope_of("POST", "/wait/w", ()), asyncio.get_running_loop().create_future()
        assert self.fast.begin(scope, b"body", lambda *told: answer.set_result(told))
        return scope, answer

    async def finds_the_place_free(self):
        """Whether every place was given back once."""
        for _ in range(3):
            assert 201 == (await by_fast_path(self.fast, "POST", "/wait/w", (), b""))[0]


def test_places_of_writes():
    """A write that finds none is held until there is one, on either way, those who came first before others."""

    async def run():
        both = Waiting()
        (_, first), (_, second) = both.begin(), both.begin()
        third = asyncio.create_task(by_layers(both.layers, "POST", "/wait/w", (), b""))
        await asyncio.sleep(0.005)
        assert not any(each.done() for each in (first, second, third))
        both.going_on.set_result(b"some ")
        assert [(201, b"some body")] * 2 == [(told[0], told[2]) for told in (await first, await second)]
        assert 201 == (await third)[0]
        await both.finds_the_place_free()

    asyncio.run(run())


def test_writes_that_are_turned_away():
    """Where no place becomes free soon, the answer is that of the layers, and there is no line of log."""

    async def run():
        both = Waiting()
        _, first = both.begin()
        scope, second = both.begin()
        expected = await by_layers(both.layers, "POST", "/wait/w", (), b"")
        assert 503 == expected[0]
        assert expected == await asyncio.wait_for(second, 5)
        assert "path_template" not in scope
        both.going_on.set_result(b"some ")
        assert 201 == (await first)[0]
        await both.finds_the_place_free()

    asyncio.run(run())


def test_writes_whose_caller_changes_while_they_are_held(capsys):
    """They begin again on the other way, which finds out who calls and what they may do now."""

    async def run():
        both = Waiting()
        _, first = both.begin()
        scope, second = both.begin()
        scope[ADMITTED_KEY] = scope[ADMITTED_KEY]._replace(over=lambda: "The token has expired")
        both.going_on.set_result(b"some ")
        await first
        status, headers, body = await asyncio.wait_for(second, 5)
        assert (201, b"some body") == (status, body)
        assert REQUEST_ID in headers
        assert scope[ADMITTED_KEY].over() is None
        await both.finds_the_place_free()

    asyncio.run(run())
    assert 5 == capsys.readouterr().out.count("path=/wait/w")


def test_routes_of_one_object_are_on_it():
    """All that read or write one, and no others."""
    expected = {
        name
        for name, right in NEEDED.items()
        if (right == "write" or name.startswith("get_deployment"))
        and not name.endswith(("_history", "_blame", "_diff"))
    }
    fast = FastPath(application(), LEDGER, None, body_bytes_max=1, restricted=True)

    assert expected == {handler.handler_name for handler in fast.handlers}


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

    assert not FastPath(routes, LEDGER, None, body_bytes_max=1, restricted=False).handlers


def test_callers_are_named_in_the_log(capsys):
    """The line of a request has who called and its id, whichever way it took."""
    headers = [(b"x-nmp-principal-id", b"ann")]
    assert is_fast("POST", "/echo/w/d", headers)

    lines = [line for line in capsys.readouterr().out.splitlines() if "of-the-caller" in line]
    assert 2 == len(lines)
    assert all("ann" in line and "/echo/w/d" in line and "201" in line for line in lines)
