"""First answers, kept under the caller's `Idempotency-Key` in the transaction of the write they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString

import msgspec

from app.answers import Answer
from projections.sql import Session

_LOAD: Final[LiteralString] = """
    SELECT i.principal, i.key, i.fingerprint, i.status, i.body, i.position
      FROM json_to_recordset(%(keys)s) AS k (principal text, key text)
      JOIN idempotency_keys i ON i.principal = k.principal AND i.key = k.key
"""
_STORE: Final[LiteralString] = """
    INSERT INTO idempotency_keys (principal, key, fingerprint, status, body, position, recorded_at)
    SELECT principal, key, fingerprint, status, body, position, %(at)s
      FROM json_to_recordset(%(rows)s) AS r (principal text, key text, fingerprint text, status smallint,
           body text, position bigint)
"""

# Twice as many as are added, so that the table cannot outgrow what the retention keeps.
_FORGET: Final[LiteralString] = """
    DELETE FROM idempotency_keys i
     USING (SELECT principal, key
              FROM idempotency_keys
             WHERE recorded_at < %(before)s
             ORDER BY recorded_at
             LIMIT %(count)s) old
     WHERE i.principal = old.principal AND i.key = old.key
"""

RETENTION_DAYS: Final = 30
"""How long a key is known at least; afterwards it may be used anew."""

Identity = tuple[str, str]
First = tuple[str, Answer]
"""The fingerprint of the request that a key was first used for, and its answer."""


class Idempotency(msgspec.Struct, frozen=True):
    """A key, whose it is, and the fingerprint of the request it came with."""

    principal: str
    key: str
    fingerprint: str

    @property
    def identity(self) -> Identity:
        """Keys of different callers never meet."""
        return self.principal, self.key


def load(session: Session, keys: Sequence[Idempotency]) -> Callable[[], dict[Identity, First]]:
    """Ask for those of the keys that were used before; call what this returns when they are there."""
    if not keys:
        return dict
    wanted = [{"principal": key.principal, "key": key.key} for key in keys]
    rows = session.execute(_LOAD, {"keys": msgspec.json.encode(wanted).decode()})
    return lambda: {
        (principal, key): (fingerprint, Answer(status, body, position))
        for principal, key, fingerprint, status, body, position in rows
    }


def store(session: Session, answers: Sequence[tuple[Idempotency, Answer]], at: datetime) -> None:
    """Keep first answers, and forget some that are older than the retention."""
    rows = [
        {
            "principal": key.principal,
            "key": key.key,
            "fingerprint": key.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "position": answer.position,
        }
        for key, answer in answers
    ]
    session.execute(_STORE, {"rows": msgspec.json.encode(rows).decode(), "at": at})
    session.execute(_FORGET, {"before": at - timedelta(days=RETENTION_DAYS), "count": 2 * len(rows)})
