"""HTTP answers read from raw bytes, strictly: what is no answer is an error, never skipped."""

import re
from typing import NamedTuple

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
WITHOUT_BODY = (204, 304)


class NoAnswer(Exception):
    """The bytes are not an HTTP answer: client and server have lost each other."""


class Answer(NamedTuple):
    """One final answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def request_id(self):
        return self.headers.get(b"x-request-id")

    @property
    def closes(self):
        return self.headers.get(b"connection", b"").lower() == b"close"


def parse(buffer, *, to_head=False):
    """The first final answer in the buffer and the number of bytes it took; None if it is not whole yet."""
    start = 0
    while True:
        end = buffer.find(b"\r\n\r\n", start)
        if end < 0:
            if start < len(buffer) and not b"HTTP/1.".startswith(buffer[start : start + 7]):
                raise NoAnswer(bytes(buffer[start : start + 100]))
            return None
        line, *fields = bytes(buffer[start:end]).split(b"\r\n")
        matched = STATUS_LINE.fullmatch(line)
        if matched is None:
            raise NoAnswer(line[:100])
        status, start = int(matched[1]), end + 4
        if status >= 200:
            break
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    if to_head or status in WITHOUT_BODY:
        return Answer(status, headers, b""), start
    if headers.get(b"transfer-encoding") == b"chunked":
        return _chunked(buffer, start, status, headers)
    length = int(headers.get(b"content-length", b"0"))
    if len(buffer) < start + length:
        return None
    return Answer(status, headers, bytes(buffer[start : start + length])), start + length


def _chunked(buffer, start, status, headers):
    body = b""
    while True:
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return None
        size = int(buffer[start:end], 16)
        if len(buffer) < end + 2 + size + 2:
            return None
        body += buffer[end + 2 : end + 2 + size]
        start = end + 2 + size + 2
        if size == 0:
            return Answer(status, headers, body), start
