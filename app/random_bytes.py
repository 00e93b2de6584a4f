"""Random bytes of the system, fetched many at a time: to ask it costs more than what is made of them."""

from __future__ import annotations

import os
from typing import Final

POOL_BYTES: Final = 4096


class RandomBytes:
    """Unpredictable bytes, none given out twice; of one process, which is not to be forked."""

    def __init__(self) -> None:
        self._pool = b""
        self._given = 0

    def take(self, count: int) -> bytes:
        """So many of them, up to `POOL_BYTES`."""
        begin, end = self._given, self._given + count
        if end > len(self._pool):
            self._pool = os.urandom(POOL_BYTES)
            begin, end = 0, count
        self._given = end
        return self._pool[begin:end]


RANDOM: Final = RandomBytes()
