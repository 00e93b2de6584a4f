"""Bearer tokens (JSON Web Tokens, RFC 7519): whose they are, if they are valid at all.

A token says with which algorithm it claims to be signed; what counts is what the key is for. Nothing else
that a token's header says is ever followed: no address, no certificate, no key of its own.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from app.key_set import KeySet, VerificationKey
from domain.authorisation import Caller, Claim
from domain.principal import Principal

TOKEN_BYTES_MAX: Final = 16 * 1024
LEEWAY_SECONDS: Final = 30.0
"""How far the clocks of issuers may be off."""

VERIFIED_MAX: Final = 4096
IDENTIFIER_CHARACTERS_MAX: Final = 256

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_IDENTIFIER: Final = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f]{{1,{IDENTIFIER_CHARACTERS_MAX}}}")
_TYPES: Final = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")
# RFC 9864 gives EdDSA on this curve a name of its own; it is the same signature.
_MODELS: Final = {"EdDSA": "Ed25519"}


class BadToken(Exception):
    """The token proves nothing; the text says why, without repeating any of it."""


class UnknownKey(BadToken):
    """The token is signed with a key that is not known: perhaps not yet."""


class Expected(NamedTuple):
    """What a token must say: who issued it, and for whom; and where it names the principal and groups."""

    issuer: str
    audience: str
    principal_claim: str = "sub"
    groups_claim: str = "groups"


class Verified(NamedTuple):
    """Who calls, until when that holds, and the token that says so, if one does."""

    caller: Caller
    expires_at: float
    token: bytes | None = None


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Any = None
    b64: Any = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | tuple[str, ...]
    exp: int | float
    nbf: int | float | None = None
    email: Any = None


class Tokens:
    """Checks tokens with the keys that are known, and remembers for a while which ones were valid."""

    def __init__(self, key_set: KeySet, expected: Expected) -> None:
        self._key_set = key_set
        self._expected = expected
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    def forget(self) -> None:
        """Check all tokens anew: the keys have changed."""
        self._verified.clear()

    def verified(self, token: bytes) -> Verified:
        """Whose a token is, or `BadToken`."""
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken(f"it is longer than {TOKEN_BYTES_MAX:,} bytes")
        digest = hashlib.sha256(token).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verified[digest] = self._check(token)
            if len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(digest)
        if time.time() > known.expires_at:
            del self._verified[digest]
            raise BadToken("it has expired")
        return known

    def _check(self, token: bytes) -> Verified:
        parts = _COMPACT.fullmatch(token.decode("latin-1"))
        if parts is None:
            raise BadToken("it is no signed JSON Web Token")
        header = _decoded(parts[1], _Header)
        _require_plain(header)
        signed, signature = token.rpartition(b".")[0], _bytes(parts[3])
        if not any(_signs(key, header.alg, signed, signature) for key in self._keys(header)):
            raise BadToken("its signature is wrong")
        return self._read(_bytes(parts[2]))._replace(token=token)

    def _keys(self, header: _Header) -> Iterator[VerificationKey]:
        """The keys that the token may be signed with: those it names and, if it names none, all that fit."""
        named = [key for key in self._key_set.keys if header.kid is None or key.kid == header.kid]
        if not named:
            raise UnknownKey("its key is not known")
        fitting = [key for key in named if header.alg in key.algorithms]
        if not fitting:
            raise BadToken("its algorithm is not one of its key")
        return iter(fitting)

    def _read(self, payload: bytes) -> Verified:
        try:
            claims = msgspec.json.decode(payload, type=_Claims)
            members = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadToken(f"its claims are not what they must be: {error}") from error
        if claims.iss != self._expected.issuer:
            raise BadToken("another issuer made it")
        if self._expected.audience not in ((claims.aud,) if isinstance(claims.aud, str) else claims.aud):
            raise BadToken("it is for another audience")
        now = time.time()
        if now > claims.exp + LEEWAY_SECONDS:
            raise BadToken("it has expired")
        if claims.nbf is not None and now < claims.nbf - LEEWAY_SECONDS:
            raise BadToken("it does not hold yet")
        return Verified(self._caller(claims, members), claims.exp + LEEWAY_SECONDS)

    def _caller(self, claims: _Claims, members: Mapping[str, Any]) -> Caller:
        texts = frozenset(_texts(members))
        name = self._expected.principal_claim
        identifiers = [value for claim, value in texts if claim == name]
        if len(identifiers) != 1 or not _IDENTIFIER.fullmatch(identifiers[0]):
            raise BadToken(f"its claim {name!r} names no principal")
        groups = sorted(value for claim, value in texts if claim == self._expected.groups_claim)
        email = claims.email if isinstance(claims.email, str) else None
        return Caller(Principal(identifiers[0], email or None, tuple(groups)), texts)


def _require_plain(header: _Header) -> None:
    if header.crit is not None or header.b64 is not None:
        raise BadToken("its header demands what is not understood")
    if header.typ is not None and header.typ.lower() not in _TYPES:
        raise BadToken("it is no access token by its type")


def _signs(key: VerificationKey, algorithm: str, signed: bytes, signature: bytes) -> bool:
    model = JWSRegistry.algorithms[_MODELS.get(algorithm, algorithm)]
    try:
        model.check_key(key.key)
        return model.verify(signed, signature, key.key)
    except (JoseError, ValueError):
        return False


def _texts(members: Mapping[str, Any], prefix: str = "") -> Iterator[Claim]:
    """Claims that are texts, or lists of texts; those inside another as `realm_access.roles`."""
    for name, value in members.items():
        if isinstance(value, dict) and not prefix:
            yield from _texts(value, f"{name}.")
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield f"{prefix}{name}", text


def _decoded(part: str, kind: type[_Header]) -> _Header:
    try:
        return msgspec.json.decode(_bytes(part), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadToken("its header is not readable") from error


def _bytes(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part.encode())
    except ValueError as error:
        raise BadToken("it is not in base64url") from error
