"""A connection, as a client may use it: how much it can send, how slowly, and in which order it is answered."""

import asyncio
import json
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.service import Service
from tests.torture.answers import parse
from tests.torture.wire import connected

ROOT = b"/apis/models/v2/workspaces/default"
CONNECTIONS_MAX = 40
HEAD_SECONDS = 1.0
MANY_BYTES = 64 * 2**20
ENDLESS = 24 * 2**20
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}


@pytest.fixture(scope="module")
def service(module_database_url):
    limits = ("--connections-max", CONNECTIONS_MAX, "--header-read-seconds", HEAD_SECONDS)
    running = Service("--database-url", module_database_url, "--log-level", "error", *limits)
    yield running
    running.end()


@pytest.fixture
def address(service):
    at = urlsplit(service.url)
    return at.hostname, at.port


def creation(name, headers=b"", length=None):
    """A request that creates a config, in one chunk unless it has a length."""
    body = json.dumps({"name": name, **CONFIG}).encode()
    head = b"POST %b/deployment-configs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" % ROOT
    if length is not None:
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, headers, len(body), body)
    return b"%b%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (head, headers, len(body), body)


async def rest(connection):
    """All that still comes until the connection ends."""
    received = b""
    with suppress(ConnectionError):
        while some := await asyncio.wait_for(connection.reader.read(2**16), 20):
            received += some
    return received


def answered(content):
    """The answers in what came, and whether the last one says that the connection ends."""
    answers = []
    while content:
        answer, size = parse(content)
        answers.append(answer)
        content = content[size:]
    return [answer.status for answer in answers], bool(answers) and answers[-1].closes


async def all_of(address, *sent):
    async with connected(address) as connection:
        for part in sent:
            connection.send(part)
        return answered(await rest(connection))


def test_one_connection_too_many(address):
    """It is told so; when others have gone there is room again."""

    async def crowd():
        held = [await asyncio.open_connection(*address) for _ in range(CONNECTIONS_MAX)]
        surplus = await all_of(address, LIVE)
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.2)
        async with connected(address) as late:
            late.send(LIVE)
            return surplus, (await late.answer()).status

    assert (([503], True), 200) == asyncio.run(crowd())


@pytest.mark.parametrize(
    ("sent", "again"),
    [(b"", b""), (b"", b"\r\n"), (b"GET /health/live HTTP/1.1\r\nX: ", b"a"), (LIVE, b""), (LIVE, b"\r\n")],
    ids=["nothing", "blank lines", "a head", "nothing after an answer", "blank lines after an answer"],
)
def test_a_head_that_does_not_come(address, sent, again):
    """In time: the connection is closed, though now and then there is a byte."""

    async def trickle():
        async with connected(address) as connection:
            connection.send(sent)
            ends = asyncio.create_task(rest(connection))
            began = time.monotonic()
            while not ends.done() and time.monotonic() - began < 10:
                connection.send(again)
                await asyncio.wait([ends], timeout=0.2)
            return answered(await ends)[0], time.monotonic() - began

    statuses, seconds = asyncio.run(trickle())

    assert ([200] if sent is LIVE else []) == statuses
    assert 0.5 * HEAD_SECONDS < seconds < 3 * HEAD_SECONDS


def test_a_head_may_begin_late(address):
    """The time of a head counts from its first byte, not from the answer before it."""

    async def pause():
        async with connected(address) as connection:
            for part in (LIVE[:9], LIVE[9:]):
                await asyncio.sleep(0.7 * HEAD_SECONDS)
                connection.send(part)
            return (await connection.answer()).status

    assert 200 == asyncio.run(pause())


@pytest.mark.parametrize(("count", "status"), [(98, 200), (99, 200), (100, 431)])
def test_number_of_headers(address, count, status):
    """A hundred and no more, the Host among them; the refusal is in the shape of all of them."""
    head = b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * count + b"\r\n"

    async def ask():
        async with connected(address) as connection:
            connection.send(head)
            return await connection.answer()

    answer = asyncio.run(ask())

    assert status == answer.status
    if status == 431:
        assert "at most 65536 bytes and 100 headers" in json.loads(answer.body)["detail"]


def test_trailers_are_no_headers(service, address):
    """What comes behind the body says nothing of the request, which is over by then."""
    trailers = b"X-Change-Reason: forged\r\nX-Request-Id: forged\r\nIdempotency-Key: forged\r\n\r\n"

    async def create():
        async with connected(address) as connection:
            connection.send(creation("trailed") + trailers)
            return await connection.answer()

    answer = asyncio.run(create())

    assert 201 == answer.status
    assert answer.request_id != b"forged"
    path = f"{service.url}{ROOT.decode()}/deployment-configs/trailed/history"
    [entry] = httpx.get(path).json()["data"]
    assert entry["reason"] is None


@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"", b"GET /health/live HTTP/1.1\r\nX: "),
        (b"GET %b/watch HTTP/1.1\r\nHost: a\r\n\r\n" % ROOT, b"GET /health/live HTTP/1.1\r\nX: "),
        (b"GET %b/watch HTTP/1.1\r\nHost: a\r\n\r\n" % ROOT, LIVE * 10_000),
        (creation("endless"), b"X: "),
    ],
    ids=["a head", "a head behind a watch", "requests behind a watch", "trailers"],
)
def test_what_never_ends_uses_up_no_memory(service, address, first, endless):
    """It is cut off, or not listened to."""
    worker = psutil.Process(service.worker_pids()[0])
    before = worker.memory_info().rss
    some = endless if len(endless) > 1000 else b"a" * 2**18

    async def send():
        async with connected(address) as connection:
            connection.send(first + endless)
            sent, deadline = 0, time.monotonic() + 5
            with suppress(ConnectionError, TimeoutError):
                while sent < MANY_BYTES and time.monotonic() < deadline:
                    connection.send(some)
                    await asyncio.wait_for(connection._writer.drain(), 5)
                    sent += len(some)
            # What was not read would be waited for.
            connection._writer.transport.abort()
            await asyncio.sleep(0.1)

    asyncio.run(send())

    assert worker.memory_info().rss - before < ENDLESS
    assert httpx.get(f"{service.url}/health/live").status_code == 200


def test_what_is_wrong_comes_after_what_is_right(address):
    """Requests before it get their own answers, of which the last says that the connection ends."""
    write = creation("right", length=True)

    assert ([201, 200], True) == asyncio.run(all_of(address, write + LIVE + b"\0" * 100))
    assert ([201], True) == asyncio.run(
        all_of(address, creation("wrong", length=True) + b"GET\0 / HTTP/1.1\r\n\r\n")
    )
    assert ([400], True) == asyncio.run(all_of(address, b"\0" * 100))


def test_wrong_chunks_are_the_fault_of_their_request(address):
    """It is not answered if another request waits for its answer, which is then the last."""
    wrong = creation("chunks")[:-5] + b"zz\r\n"

    assert ([400], True) == asyncio.run(all_of(address, wrong))
    assert ([200], True) == asyncio.run(all_of(address, LIVE + wrong))


def test_so_many_requests_wait_on_a_connection(address):
    """More are not taken: those that are get their answers in order."""
    statuses, closes = asyncio.run(all_of(address, LIVE * 1_000))

    assert closes
    assert {200} == set(statuses)
    assert 64 < len(statuses) < 1_000


def test_an_answer_comes_in_one_piece(address):
    """Head and body together, so that its reader is woken once."""
    with socket.create_connection(address, timeout=10) as client:
        pieces = []
        for _ in range(50):
            client.sendall(LIVE)
            pieces.append(client.recv(2**16))

    assert all(parse(piece) is not None for piece in pieces)
