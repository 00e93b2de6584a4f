"""A connection's way out: what is written to it in one turn of the event loop leaves together."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT


class JoinedWrites:
    """A transport that sends together what is written in one turn of the loop.

    Head and body of an answer are two writes, and each would be a call of the system and a packet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send it soon; at once if it is much, so that its writer has to wait for the reader."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_LIMIT:
            self._send()

    def write_whole(self, data: bytes) -> None:
        """Send at once what is a whole answer, behind what there is."""
        if self._parts:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what there is, and close."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
