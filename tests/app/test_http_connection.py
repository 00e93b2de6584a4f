"""Which requests a connection offers to the fast path, and that answers keep their order on either way."""

import asyncio
from contextlib import suppress

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from app.http_connection import HOLD_SECONDS, HttpConnection
from tests.torture.answers import parse

GET = b"GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
CHUNKED = b"POST /a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
LATE = 4 * HOLD_SECONDS


def run(coroutine):
    """On the kind of loop that serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


class Quick:
    """A fast path that takes what it is offered, unless it is chunked, and answers a moment later."""

    def __init__(self, loop):
        self.loop = loop

    def begin(self, scope, body, finish):
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            return False
        told = b"fast %s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
        self.loop.call_later(0.01, finish, 200, [(b"content-length", b"%d" % len(told))], told)
        return True


async def layers(scope, receive, send):
    """An application that says what it was asked."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    told = b"layers %s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
    headers = [(b"content-length", b"%d" % len(told))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


async def talk(*steps, count=1, heard=None):
    """What is answered to packets; between them are pauses, and what is done with the server's connection.

    All bytes of it are added to those `heard`.
    """
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(layers, interface="asgi3", log_config=None, access_log=False, lifespan="off")
    config.load()
    state, made = ServerState(), []

    def connection():
        made.append(
            HttpConnection(
                config=config,
                server_state=state,
                app_state={},
                _loop=loop,
                connections_max=10,
                fast_path=Quick(loop),
            )
        )
        return made[-1]

    server = await loop.create_server(connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await asyncio.sleep(0.005)
        elif isinstance(step, float):
            await asyncio.sleep(step)
        else:
            step(made[0])
    received, answers = b"", []
    while len(answers) < count:
        some = await asyncio.wait_for(reader.read(2**16), 5)
        received += some
        if heard is not None:
            heard += some
        while found := parse(received):
            answers.append(found[0])
            received = received[found[1] :]
        if not some:
            break
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.02)
    server.close()
    assert not state.connections
    return answers


def told(*steps, **options):
    return [answer.body for answer in run(talk(*steps, **options))]


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ([GET], b"fast GET /a/b "),
        ([GET[:20], GET[20:]], b"fast GET /a/b "),
        ([GET[:20], LATE, GET[20:]], b"fast GET /a/b "),
        ([POST], b"fast POST /a/b body"),
        ([POST[:-4], POST[-4:]], b"fast POST /a/b body"),
        ([POST[:-4], POST[-4:-2], POST[-2:]], b"fast POST /a/b body"),
        ([POST[:-4], LATE, POST[-4:]], b"layers POST /a/b body"),
        ([POST[:-2], LATE, POST[-2:]], b"layers POST /a/b body"),
        ([CHUNKED], b"layers POST /a/b body"),
        ([CHUNKED[:-8], CHUNKED[-8:]], b"layers POST /a/b body"),
        ([GET.replace(b"/b", b"/b?")], b"layers GET /a/b "),
        ([GET.replace(b"/b", b"/b?c=d")], b"layers GET /a/b "),
        ([GET.replace(b"/b", b"/%62")], b"layers GET /a/b "),
        ([GET.replace(b"/b", b"/")], b"layers GET /a/ "),
        ([GET.replace(b"/b", b"//b")], b"layers GET /a//b "),
        ([GET.replace(b"/b", b"/b#c")], b"layers GET /a/b "),
        ([GET.replace(b"HTTP/1.1", b"HTTP/1.0")], b"layers GET /a/b "),
        ([GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], b"layers GET /a/b "),
        ([POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")], b"layers POST /a/b body"),
    ],
)
def test_what_is_offered(packets, expected):
    """Whole requests with plain paths on connections that go on; a body may come a little later."""
    assert [expected] == told(*packets)


def test_a_large_body_is_not_held():
    """However fast it comes."""
    body = b"b" * 200_000
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"

    assert [b"layers POST /a " + body] == told(head + body)


def test_what_stands_in_trailers_is_not_asked_for():
    """Also where the request was held until they were there: no 100 Continue comes before the answer."""
    trailing = CHUNKED.removesuffix(b"\r\n") + b"Expect: 100-continue\r\n\r\n"

    heard = bytearray()
    assert [b"layers POST /a/b body"] == told(trailing, heard=heard)
    assert heard.startswith(b"HTTP/1.1 200 ")


def test_clients_that_leave():
    """Nothing goes wrong with the answers that nobody waits for, whatever else waits on the connection."""

    async def leave():
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        for sent in (GET, GET + GET):
            with suppress(ConnectionResetError):
                assert [] == await talk(sent, lambda connection: connection.transport.abort())
        await asyncio.sleep(0.05)
        return faults

    assert [] == run(leave())


def test_order_of_answers():
    """Requests that come together are answered one after the other, each on the way it may take."""
    slow = GET.replace(b"/b", b"/b?")

    assert [b"fast GET /a/b ", b"layers GET /a/b ", b"layers POST /a/b body"] == told(
        GET + slow + POST, count=3
    )
    assert [b"layers GET /a/b ", b"layers GET /a/b "] == told(slow + GET, count=2)
    assert [b"fast GET /a/b "] * 2 == told(GET, 0.05, GET, count=2)


def test_malformed_behind_a_fast_one():
    """The request before it gets its own answer, which says that the connection ends."""
    answers = run(talk(GET + b"\0\r\n\r\n", count=2))

    assert [(b"fast GET /a/b ", True)] == [(answer.body, answer.closes) for answer in answers]


def test_malformed_while_it_is_held():
    """It is refused, and nothing of it is answered otherwise."""
    answers = run(talk(CHUNKED[:-10], b"zz\r\n", count=2))

    assert [400] == [answer.status for answer in answers]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([GET, HttpConnection.shutdown], b"fast GET /a/b "),
        ([POST[:-4], HttpConnection.shutdown, POST[-4:]], b"layers POST /a/b body"),
    ],
    ids=["answered later", "held"],
)
def test_shutdown(steps, expected):
    """What has begun is answered, and then the connection ends."""
    answers = run(talk(*steps, count=2))

    assert [(expected, True)] == [(answer.body, answer.closes) for answer in answers]


@pytest.mark.parametrize("sent", [GET, POST[:-4]], ids=["answered later", "held"])
def test_client_that_leaves(sent):
    """Nothing fails, and nothing is sent to whoever comes next."""

    async def leave():
        loop = asyncio.get_running_loop()
        faults = []
        loop.set_exception_handler(lambda _, context: faults.append(context))
        answers = await talk(sent, lambda each: each.transport.abort())
        await asyncio.sleep(LATE)
        return answers, faults

    assert ([], []) == run(leave())
