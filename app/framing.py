"""Where requests end: those on which two readers could disagree, and those whose body nobody reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.answers import problem
from app.edge import Application, Message, Receive, Scope, Send

_COMES_BACK: Final = 503
"""Whoever is turned away comes back, at little cost on the same connection: mostly the body has arrived."""


class Framing:
    """An ASGI application around another that leaves no doubt which request an answer belongs to.

    The server itself refuses lengths that contradict each other; of a length beside chunks it believes the
    chunks, and closes the connection after the answer.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that is ambiguous; say so if the connection ends because its body is not read."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        ambiguity, has_body = _framed(scope["headers"])
        if ambiguity is not None:
            await _refuse(ambiguity, send)
            return
        if not has_body:
            await self._application(scope, receive, send)
            return

        body_was_read = False

        async def receive_noting() -> Message:
            nonlocal body_was_read
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                body_was_read = True
            return message

        async def send_closing(message: Message) -> None:
            unread = message["type"] == "http.response.start" and not body_was_read
            if unread and message["status"] != _COMES_BACK:
                # The rest of the body would be taken for the next request: the server closes, unannounced.
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._application(scope, receive_noting, send_closing)


def _framed(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, bool]:
    """Why the headers do not say for whom the request is or where it ends, and whether it has a body."""
    hosts, body = 0, False
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            body = body or value != b"0"
        elif name == b"transfer-encoding":
            body = True
            if value.strip().lower() != b"chunked":
                return "Transfer-Encoding must be chunked, if it is sent", True
    return "There must not be several Host headers" if hosts > 1 else None, body


async def _refuse(detail: str, send: Send) -> None:
    body = problem(400, detail).body.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
