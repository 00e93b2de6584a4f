"""Messages that are wrong as HTTP: each with what may come back, to see whether client and server lose each other."""

import random
from typing import NamedTuple

from tests.torture.hostile_requests import BASE, request

PROBE, SMUGGLED, OWN = b"probe", b"smuggled", b"own"
HEAD_MAX = 64 * 1024


def _get(request_id):
    return b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\n\r\n" % request_id


HIDDEN = _get(SMUGGLED)
_HEAD = (
    b"POST %b/default/deployments HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\n"
    b"Content-Type: application/json\r\n" % (BASE, OWN)
)
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_BODY = b'{"name":"wire","config":"base"}'


class Message(NamedTuple):
    """Bytes, after which a probe is sent.

    `closes`: the connection has to end without an answer to the probe. `waits`: the server may rightly wait
    for more. Without either, the probe is to be answered. `hidden` in the body is never to be answered.
    """

    name: str
    content: bytes
    closes: bool = False
    waits: bool = False


def _post(headers, body=_BODY):
    return _HEAD + headers + b"\r\n" + body


def _line(line, headers=b"Host: a\r\n"):
    return line + b"\r\n" + headers + b"\r\n"


_LENGTH = b"Content-Length: %d\r\n" % len(_BODY)
_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
_HIDDEN_LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)

MESSAGES = (
    Message("chunks beside a length", _post(_CHUNKED + b"Content-Length: 999\r\n", _CHUNKS), closes=True),
    Message(
        "a length beside chunks",
        _post(b"Content-Length: 5\r\n" + _CHUNKED, b"0\r\n\r\n" + HIDDEN),
        closes=True,
    ),
    Message("two lengths", _post(_LENGTH + b"Content-Length: 0\r\n", HIDDEN), closes=True),
    Message("two equal lengths", _post(_LENGTH * 2), closes=True),
    Message("a list of lengths", _post(b"Content-Length: 2, 2\r\n"), closes=True),
    *(
        Message(f"length {value!r}", _post(b"Content-Length: %b\r\n" % value), closes=True)
        for value in (b"+2", b"-2", b"0x2", b"2.0", b"1e1", b"18446744073709551618", b"2 2", b"a", b"\xb2")
    ),
    Message("a blank before the colon", _post(b"Content-Length : 2\r\n"), closes=True),
    *(
        Message(f"coding {value!r}", _post(b"Transfer-Encoding: %b\r\n" % value, _CHUNKS), closes=True)
        for value in (
            b"identity",
            b"gzip",
            b"gzip, chunked",
            b"chunked, gzip",
            b"xchunked",
            b"\x0bchunked",
            b"chunked;a",
        )
    ),
    Message("two codings", _post(_CHUNKED + b"Transfer-Encoding: identity\r\n", _CHUNKS), closes=True),
    Message("CHUNKED", _post(b"Transfer-Encoding: CHUNKED\r\n", _CHUNKS)),
    Message("chunks in HTTP/1.0", _post(_CHUNKED, _CHUNKS).replace(b"1.1", b"1.0", 1), closes=True),
    Message("chunk extensions", _post(_CHUNKED, _CHUNKS.replace(b"\r\n", b';a="b"\r\n', 1))),
    Message("trailers", _post(_CHUNKED, _CHUNKS[:-2] + b"X-NMP-Principal-Id: a b\r\n\r\n")),
    Message(
        "a length in trailers", _post(_CHUNKED, _CHUNKS[:-2] + b"Content-Length: 9\r\n\r\n"), closes=True
    ),
    *(
        Message(f"chunks {chunks!r}", _post(_CHUNKED, chunks + b"\r\n0\r\n\r\n" + HIDDEN), closes=True)
        for chunks in (
            b"zz\r\n{}",
            b"-2\r\n{}",
            b"f" * 20 + b"\r\n{}",
            b"2\r\n{}}",
            b"2\n{}",
            b"\r\n",
            b"0x2\r\n{}",
            b" 2\r\n{}",
        )
    ),
    Message("a chunk without end", _post(_CHUNKED, b"5\r\n{"), waits=True),
    Message("a body without end", _post(b"Content-Length: 999\r\n"), waits=True),
    Message("headers without end", _HEAD + b"X: ", waits=True),
    Message("line feeds only", _post(_LENGTH).replace(b"\r\n", b"\n"), closes=True),
    Message(
        "a body of GET",
        b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + _HIDDEN_LENGTH + b"\r\n" + HIDDEN,
        closes=True,
    ),
    Message(
        "a body of nothing",
        _post(_HIDDEN_LENGTH, HIDDEN).replace(b"/deployments", b"/nothing", 1),
    ),
    Message(
        "a body of a bad caller", _post(b"X-NMP-Principal-Id: a b\r\n" + _HIDDEN_LENGTH, HIDDEN), closes=True
    ),
    Message("a body of PUT", _post(_HIDDEN_LENGTH, HIDDEN).replace(b"POST", b"PUT", 1)),
    Message(
        "a body of a wrong type", _post(_HIDDEN_LENGTH, HIDDEN).replace(b"application/json", b"text/plain")
    ),
    Message(
        "a body too large", _post(b"Content-Length: 2000000\r\n", (HIDDEN * 40_000)[:2_000_000]), closes=True
    ),
    Message(
        "chunks too large",
        _post(_CHUNKED, b"1e8480\r\n" + (HIDDEN * 40_000)[:2_000_000] + b"\r\n0\r\n\r\n"),
        closes=True,
    ),
    Message("an expectation", _post(b"Expect: 100-continue\r\n" + _LENGTH)),
    Message("an expectation unmet", _post(b"Expect: 100-continue\r\n" + _LENGTH, b""), waits=True),
    Message("an odd expectation", _post(b"Expect: 200-ok\r\n" + _LENGTH)),
    Message("two hosts", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nHost: b\r\n"), closes=True),
    *(
        Message(f"target {target!r}", _line(b"GET %b HTTP/1.1" % target))
        for target in (
            b"*",
            b"/",
            b"//",
            b"/..",
            b"/../../etc/passwd",
            b"/schema/assets/..%2f..%2fapp",
            b"/schema/assets/%2e%2e",
            b"/schema/assets/../page.js",
            b"/schema/assets/page.js%00",
            b"http://b/health/live",
            b"/%ff",
            b"/;a=b",
            b"/health//live",
            b"/health/live/",
            b"/%68ealth/live",
            b"/a" * 20_000,
        )
    ),
    *(
        Message(f"target {target!r}", _line(b"GET %b HTTP/1.1" % target), closes=True)
        for target in (
            b"",
            b"?a",
            b"http://b",
            b"http://b?a",
            b"b:80",
            b"/\xc3\xa9",
            b"/\xff",
            b"/a b",
            b"/\x00",
            b"/\x7f",
            b"/" + b"a" * 70_000,
        )
    ),
    *(
        Message(f"method {method[:9]!r}", _line(b"%b /health/live HTTP/1.1" % method))
        for method in (b"TRACE", b"PROPFIND")
    ),
    *(
        Message(f"method {method[:9]!r}", _line(b"%b /health/live HTTP/1.1" % method), closes=True)
        for method in (b"CONNECT", b"BREW", b"get", b"B" * 3_000, b"G\x00T", b"G(T", b"\xc3\x89", b"")
    ),
    *(
        Message(f"version {version!r}", _line(b"GET /health/live %b" % version), closes=True)
        for version in (
            b"HTTP/0.9",
            b"HTTP/1.2",
            b"HTTP/2.0",
            b"HTTP/1",
            b"HTTP/11",
            b"http/1.1",
            b"HTTP/1.1 x",
        )
    ),
    Message("a malformed HEAD", _line(b"HEAD /health/live HTTP/1.1", b"Host: a\r\n\0: a\r\n"), closes=True),
    Message("HTTP/1.0", _line(b"GET /health/live HTTP/1.0"), closes=True),
    Message("HTTP/0.9", b"GET /health/live\r\n\r\n", closes=True),
    Message("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", closes=True),
    Message("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", closes=True),
    Message("blank lines first", b"\r\n\r\n"),
    Message(
        "an upgrade to HTTP/2",
        _line(
            b"GET /health/live HTTP/1.1",
            b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        ),
        closes=True,
    ),
    Message(
        "an upgrade to WebSocket",
        _line(
            b"GET /health/live HTTP/1.1",
            b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        ),
        closes=True,
    ),
    Message(
        "90 headers",
        _line(b"GET /health/live HTTP/1.1", b"Host: a\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(90))),
    ),
    Message(
        "1,000 headers",
        _line(
            b"GET /health/live HTTP/1.1", b"Host: a\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(1_000))
        ),
        closes=True,
    ),
    Message(
        "a header of 60 kB", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nX: %b\r\n" % (b"a" * 60_000))
    ),
    Message(
        "a header of 1 MB",
        _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nX: %b\r\n" % (b"a" * 2**20)),
        closes=True,
    ),
    Message(
        "a folded header", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nX: a\r\n b\r\n"), closes=True
    ),
    Message("NUL in a header", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nX: a\0b\r\n"), closes=True),
    Message(
        "a lone carriage return", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\nX: a\rb\r\n"), closes=True
    ),
    Message(
        "a header without a name", _line(b"GET /health/live HTTP/1.1", b"Host: a\r\n: a\r\n"), closes=True
    ),
)


def damaged(seed, number):
    """A request of the whole API with bytes of its framing damaged: whatever comes back must be sound."""
    chosen = random.Random(f"{seed}:damage:{number}")
    content = bytearray(request(seed, number).encoded(OWN)[:HEAD_MAX])
    end = content.find(b"\r\n\r\n") + 4
    for _ in range(chosen.choice((1, 1, 2, 5))):
        at = chosen.randrange(min(end, len(content)) if end > 4 else len(content))
        kind = chosen.randrange(4)
        if kind == 0:
            content[at] = chosen.randrange(256)
        elif kind == 1:
            del content[at : at + chosen.choice((1, 2, 20))]
        elif kind == 2:
            content[at:at] = chosen.choice(
                (b"\r\n", b"\n", b"\r", b"\0", b" ", b":", _CHUNKED, b"Content-Length: 1\r\n")
            )
        else:
            content[at:at] = content[at : at + chosen.choice((1, 10, 100))]
    return Message(f"damaged {number}", bytes(content), waits=True)
