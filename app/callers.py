"""Who is calling: from headers that are believed, from a token that is checked, or nobody.

What callers say of themselves is believed of those on this machine (`none`), or of proxies that are listed
(`trusted-proxy`); whoever else says something is anonymous. With `jwt` nothing but a valid token counts, and
what that says of the principal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Protocol

from app.answers import Answer, problem
from app.headers import read_on_behalf_of, read_principal, refuse_repeated_identity
from app.identity_settings import Network, is_in
from app.key_set import KeySet
from app.tokens import BadToken, Tokens, UnknownKey, Verified
from domain.authorisation import UNKNOWN, Caller
from domain.principal import ANONYMOUS

OPEN_PATHS: Final = ("/health/", "/metrics", "/schema")
"""What everybody may see: how the service does, and how it is used."""

RETRY_AFTER_SECONDS: Final = 5
_BEARER: Final = b"bearer "
_NOT_QUOTABLE: Final = re.compile(r"[^ !#-\[\]-~]")
_ANONYMOUS: Final = Verified(UNKNOWN, math.inf)


class Rejection(Exception):
    """A request is turned away before any route sees it."""

    def __init__(
        self, answer: Answer, kind: str, reason: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(reason)
        self.answer = answer
        self.kind = kind
        self.reason = reason
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]


class Source(Protocol):
    """A way to find out who calls.

    `vouches` is whether the one who says who calls is believed, too, on whose behalf that is; `challenge` is
    what a caller without identity is told to send.
    """

    vouches: bool
    challenge: Mapping[str, str]

    async def of(self, scope: Any) -> Verified:
        """Who sends a request; `MalformedHeader`, or a `Rejection` of one that says something wrong."""
        ...

    def at_once(self, scope: Any) -> Verified | None:
        """The same without waiting for anything; None if that is not possible."""
        ...

    def still_holds(self, verified: Verified) -> bool:
        """Whether what was found out then would be found out now."""
        ...


class Believed:
    """Callers are who their headers say: if they are on one of these networks, None being every one."""

    vouches = True
    challenge: Mapping[str, str] = MappingProxyType({})

    def __init__(self, networks: Sequence[Network] | None) -> None:
        # The same few peers send everything.
        self._is_trusted = lru_cache(maxsize=1024)(lambda peer: is_in(peer, networks or ()))
        self._everybody = networks is None

    async def of(self, scope: Any) -> Verified:
        """By the headers; of an untrusted peer they are not even looked at."""
        return self.at_once(scope)

    def at_once(self, scope: Any) -> Verified:
        """The same: there is nothing to wait for."""
        peer = scope.get("client")
        if not self._everybody and peer and self._is_trusted(peer[0]):
            refuse_repeated_identity(scope["headers"])
            return _believed(scope)
        return _believed(scope) if self._everybody else _ANONYMOUS

    def still_holds(self, _: Verified) -> bool:
        """As long as the connection lasts."""
        return True


class Bearing:
    """Callers are who their tokens say."""

    vouches = False
    challenge: Mapping[str, str] = MappingProxyType({"www-authenticate": "Bearer"})

    def __init__(self, key_set: KeySet, tokens: Tokens) -> None:
        self._key_set = key_set
        self._tokens = tokens

    async def of(self, scope: Any) -> Verified:
        """By the token; services say in headers on whose behalf they act."""
        token = _token_of(scope)
        return _ANONYMOUS if token is None else _acting(await self._verified(token), scope)

    def at_once(self, scope: Any) -> Verified | None:
        """By the token, if it is valid by the keys that are known."""
        token = _token_of(scope)
        if token is None:
            return _ANONYMOUS
        try:
            return _acting(self._tokens.verified(token), scope)
        except BadToken:
            return None

    def still_holds(self, verified: Verified) -> bool:
        """Until it expires, or its key is none any more."""
        if verified.token is None:
            return True
        try:
            self._tokens.verified(verified.token)
        except BadToken:
            return False
        return True

    async def _verified(self, token: bytes) -> Verified:
        if not self._key_set.keys:
            await self._key_set.seek()
        if not self._key_set.keys:
            detail = (
                "Service temporarily unavailable: the keys to check tokens with cannot be read. Try again."
            )
            reason = self._key_set.problem or "no keys"
            raise Rejection(
                problem(503, detail), "no_keys", reason, {"retry-after": str(RETRY_AFTER_SECONDS)}
            )
        try:
            return self._tokens.verified(token)
        except UnknownKey:
            await self._key_set.seek()
        except BadToken as bad:
            raise _invalid(str(bad)) from bad
        try:
            return self._tokens.verified(token)
        except BadToken as bad:
            raise _invalid(str(bad)) from bad


def _believed(scope: Any) -> Verified:
    """Who the headers say that it is."""
    principal = read_principal(scope["headers"])
    return _ANONYMOUS if principal is ANONYMOUS else Verified(Caller(principal), math.inf)


def _token_of(scope: Any) -> bytes | None:
    """The token that a request bears, where one counts; several are refused."""
    if scope["path"].startswith(OPEN_PATHS):
        return None
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given or not given[0].lower().startswith(_BEARER):
        return None
    if len(given) > 1:
        raise _invalid("more than one Authorization header was sent")
    return bytes(given[0][len(_BEARER) :].strip())


def _acting(verified: Verified, scope: Any) -> Verified:
    """The caller with the one on whose behalf it acts, if it says so."""
    caller = verified.caller
    principal = read_on_behalf_of(caller.principal, scope["headers"])
    if principal is caller.principal:
        return verified
    return verified._replace(caller=caller._replace(principal=principal))


def _invalid(reason: str) -> Rejection:
    """What a token that proves nothing is answered with."""
    told = f'Bearer error="invalid_token", error_description="{_NOT_QUOTABLE.sub("?", reason)}"'
    answer = problem(401, "Invalid or expired token")
    return Rejection(answer, "invalid_token", reason, {"www-authenticate": told})
