"""Public keys of those who issue tokens, from a file or a URL, kept fresh while the service runs."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.util import base64_to_int
from typing_extensions import override

KEYS_MAX: Final = 100
BYTES_MAX: Final = 256 * 1024
FETCH_SECONDS_MAX: Final = 5.0
REFRESH_SECONDS: Final = 300.0
"""How often a URL is read though nobody asked for a key that is not known."""
FILE_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 10.0
"""How soon a URL is read again for the sake of an unknown key, or after it could not be read."""
RSA_BITS_MIN: Final = 2048

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Final[Mapping[str, frozenset[str]]] = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
}
_log = structlog.get_logger()


class BadKeySet(Exception):
    """The keys cannot be used; the text says why."""


class VerificationKey(NamedTuple):
    """A public key, its name if it has one, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: Key


class _Jwks(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]


def read_key_set(content: bytes) -> tuple[VerificationKey, ...]:
    """The keys of a JSON Web Key Set that signatures can be checked with; `BadKeySet` if there is none."""
    try:
        declared = msgspec.json.decode(content, type=_Jwks).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadKeySet(f'no JSON Web Key Set, which is {{"keys": [...]}}: {error}') from error
    if len(declared) > KEYS_MAX:
        raise BadKeySet(f"{len(declared)} keys; {KEYS_MAX} are allowed")
    usable, refused = [], []
    for number, members in enumerate(declared, 1):
        try:
            usable.append(_key(members))
        except BadKeySet as bad:
            refused.append(f"key {number} {bad}")
    if not usable:
        raise BadKeySet("no usable key" + "".join(f"; {reason}" for reason in refused))
    if refused:
        _log.warning("some keys are not used", reasons=refused)
    return tuple(usable)


def _key(members: dict[str, Any]) -> VerificationKey:
    kind = members.get("kty")
    if kind == "oct":
        raise BadKeySet("is a shared secret (oct): whoever checks tokens with it can make them, too")
    if members.get("use", "sig") != "sig" or "verify" not in members.get("key_ops", ["verify"]):
        raise BadKeySet("is not for signatures")
    kinds: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    if not isinstance(kind, str) or kind not in kinds:
        raise BadKeySet(f"is of the unknown type {kind!r}")
    try:
        if kind == "RSA" and base64_to_int(members["n"]).bit_length() < RSA_BITS_MIN:
            raise BadKeySet(f"is an RSA key of less than {RSA_BITS_MIN} bits")
        key = kinds[kind].import_key(members)
        algorithms = _algorithms(key)
    except (JoseError, UnsupportedAlgorithm, LookupError, TypeError, ValueError) as error:
        raise BadKeySet(f"cannot be read: {error!r}") from error
    if (only := members.get("alg")) is not None:
        algorithms &= {only}
    if not algorithms:
        raise BadKeySet("fits no algorithm for signatures that is accepted")
    kid = members.get("kid")
    return VerificationKey(kid if isinstance(kid, str) else None, algorithms, key)


def _algorithms(key: RSAKey | ECKey | OKPKey) -> frozenset[str]:
    if isinstance(key, RSAKey):
        return _RSA
    return _CURVES.get(key.curve_name, frozenset())


class KeySet:
    """The keys at a place, as they were when they could last be read.

    `problem` says why they cannot be read now, and `changed` is called after they have changed.
    """

    def __init__(self, place: str) -> None:
        self.keys: tuple[VerificationKey, ...] = ()
        self.problem: str | None = None
        self.changed: Callable[[], None] = lambda: None
        self._place = place
        self._is_url = is_url(place)
        self._content = b""
        self._tried_at = -RETRY_SECONDS
        self._reading = asyncio.Lock()

    async def follow(self) -> None:
        """Keep the keys fresh."""
        while True:
            await self._read()
            pause = REFRESH_SECONDS if self.keys and self.problem is None else RETRY_SECONDS
            await asyncio.sleep(pause if self._is_url else FILE_SECONDS)

    async def seek(self) -> None:
        """Look whether there are new keys, unless that was done a moment ago."""
        async with self._reading:
            if time.monotonic() - self._tried_at >= (RETRY_SECONDS if self._is_url else FILE_SECONDS):
                await self._read_now()

    async def _read(self) -> None:
        async with self._reading:
            await self._read_now()

    async def _read_now(self) -> None:
        try:
            async with asyncio.timeout(2 * FETCH_SECONDS_MAX):
                content = await asyncio.to_thread(read_place, self._place)
            if content != self._content:
                self.keys = read_key_set(content)
                self._content = content
                _log.info("the keys for tokens were read", place=self._place, keys=len(self.keys))
                self.changed()
        except TimeoutError:
            self._complain("they did not arrive in time")
        except BadKeySet as bad:
            self._complain(str(bad))
        else:
            self.problem = None
        self._tried_at = time.monotonic()

    def _complain(self, problem: str) -> None:
        if problem != self.problem:
            _log.error(
                "the keys for tokens cannot be read; those from before stay in use",
                place=self._place,
                problem=problem,
                keys=len(self.keys),
            )
        self.problem = problem


def is_url(place: str) -> bool:
    """Whether keys are at a URL, and not in a file."""
    return place.startswith(("https://", "http://"))


def read_place(place: str) -> bytes:
    """What is at a place, or `BadKeySet`; it takes some seconds at most."""
    try:
        return _fetched(place) if is_url(place) else _of_file(Path(place))
    except (OSError, HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadKeySet(f"{place} cannot be read: {reason}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where the operator says, and from nowhere else."""

    @override
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        raise urllib.error.HTTPError(req.full_url, code, f"it redirects to {newurl[:200]}", headers, fp)


def _fetched(url: str) -> bytes:
    until = time.monotonic() + FETCH_SECONDS_MAX
    handlers: list[Any] = [_NoRedirects()]
    if urlsplit(url).scheme == "http":  # only this machine's own: no proxy leads there
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310 - the scheme is checked at start
    content = b""
    with urllib.request.build_opener(*handlers).open(request, timeout=FETCH_SECONDS_MAX) as answer:
        while part := answer.read1(65_536):
            content += part
            if len(content) > BYTES_MAX:
                raise BadKeySet(f"{url} is longer than {BYTES_MAX:,} bytes")
            if time.monotonic() > until:
                raise BadKeySet(f"{url} takes longer than {FETCH_SECONDS_MAX:g} seconds")
    return content


def _of_file(path: Path) -> bytes:
    if path.stat().st_size > BYTES_MAX:
        raise BadKeySet(f"{path} is longer than {BYTES_MAX:,} bytes")
    return path.read_bytes()
