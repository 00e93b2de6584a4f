"""The policy file: TOML that says who may do what, checked as a whole, and read again when it changes."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from domain.authorisation import ANY, Access, Caller, Grant, Policy, Role
from domain.names import is_workspace
from domain.redaction import REDACTABLE, Redaction

POLL_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 0.1
"""A file that changes is read again after this time, until it stays the same: it may be half written."""

FILE_BYTES_MAX: Final = 2**20
CALLERS_KNOWN_MAX: Final = 10_000

_log = structlog.get_logger()


class BadPolicy(Exception):
    """The policy cannot be used; the text says where it is wrong and what is allowed there."""


class _Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role
    workspaces: tuple[str, ...]
    principals: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: dict[str, str | tuple[str, ...]] = {}
    anonymous: bool = False
    secrets: bool | None = None


class _Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    principal: str
    on_behalf_of: tuple[str, ...] = ()


class _Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grants: tuple[_Grant, ...]
    services: tuple[_Service, ...] = ()
    secrets: _Secrets = _Secrets()


def read_policy(content: bytes) -> Policy:
    """The policy that a file's content states, or `BadPolicy`."""
    if len(content) > FILE_BYTES_MAX:
        raise BadPolicy(f"it has {len(content):,} bytes; {FILE_BYTES_MAX:,} are allowed")
    try:
        declared = msgspec.convert(tomllib.loads(content.decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPolicy(f"not a TOML file: {error}") from error
    except msgspec.ValidationError as error:
        raise BadPolicy(str(error)) from error
    return Policy(
        tuple(_grant(n, grant) for n, grant in enumerate(declared.grants, 1)),
        {service.principal: frozenset(service.on_behalf_of) for service in declared.services},
        _redaction(declared.secrets),
    )


def load_policy(path: Path) -> Policy:
    """The policy in a file, or `BadPolicy`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadPolicy(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return read_policy(content)
    except BadPolicy as bad:
        raise BadPolicy(f"{path}: {bad}") from bad


class Policies:
    """The policy in force, which is that of a file if there is one, as that was when it was last right.

    `problem` says what is wrong with the file now, and `is_missing` that there was no policy before either.
    `changed` is called after another policy came into force.
    """

    def __init__(self, policy: Policy, path: Path | None = None) -> None:
        self.current = policy
        self.problem: str | None = None
        self.is_missing = False
        self.changed: Callable[[], None] = lambda: None
        self._path = path
        self._content = b""
        self._fault: str | None = None
        self._known: dict[Caller, Access] = {}
        if path is not None:
            self._roles_claim = policy.roles_claim
            self._begin(path)

    @property
    def is_fixed(self) -> bool:
        """Whether no other policy can come into force."""
        return self._path is None

    def access_of(self, caller: Caller) -> Access:
        """What a caller may do now."""
        if self.current.unrestricted is not None:
            return self.current.access_of(caller)
        access = self._known.get(caller)
        if access is None:
            if len(self._known) >= CALLERS_KNOWN_MAX:
                self._known.clear()
            access = self._known[caller] = self.current.access_of(caller)
        return access

    async def follow(self) -> None:
        """Take over what the file says whenever it changes."""
        while self._path is not None:
            await asyncio.sleep(POLL_SECONDS)
            await self._look(self._path)

    def _begin(self, path: Path) -> None:
        """Take the file as it is; if it cannot be used, nobody may do anything until it can."""
        try:
            self._content = path.read_bytes()
            self.current = self._read()
        except (OSError, BadPolicy) as bad:
            self.current = Policy()
            self.is_missing = True
            self._note(f"{path}: {bad}")

    async def _look(self, path: Path) -> None:
        try:
            content = await asyncio.to_thread(path.read_bytes)
            while content != self._content:
                before = content
                await asyncio.sleep(SETTLE_SECONDS)
                content = await asyncio.to_thread(path.read_bytes)
                if content == before:
                    self._content = content
                    self._take_over()
            self._note(self._fault)
        except OSError as error:
            self._note(f"{path}: cannot be read: {error.strerror}")

    def _take_over(self) -> None:
        try:
            policy = self._read()
        except BadPolicy as bad:
            self._fault = f"{self._path}: {bad}"
            return
        self._fault = None
        self._known = {}
        self.is_missing = False
        self.current = policy
        _log.info("the policy file has changed and is in force", file=str(self._path))
        self.changed()

    def _read(self) -> Policy:
        return msgspec.structs.replace(read_policy(self._content), roles_claim=self._roles_claim)

    def _note(self, problem: str | None) -> None:
        if problem not in {None, self.problem}:
            _log.error("the policy file cannot be used; what was in force before stays so", problem=problem)
        self.problem = problem


def _grant(number: int, declared: _Grant) -> Grant:
    where = f"grant {number}"
    if not declared.workspaces:
        raise BadPolicy(f'{where} has no workspaces; name some, or "*" for all')
    for workspace in declared.workspaces:
        if workspace != ANY and not is_workspace(workspace):
            raise BadPolicy(f'{where}: {workspace!r} is no name of a workspace; "*" alone stands for all')
    claims = frozenset(
        (name, value)
        for name, values in declared.claims.items()
        for value in ((values,) if isinstance(values, str) else values)
    )
    if not (declared.principals or declared.groups or claims or declared.anonymous):
        raise BadPolicy(
            f'{where} is for nobody; give it principals ("*" for everyone who is known), groups, claims, or '
            "anonymous = true"
        )
    if "" in {*declared.principals, *declared.groups}:
        raise BadPolicy(f"{where}: '' names nobody; for callers without identity there is anonymous = true")
    return Grant(
        declared.role,
        declared.workspaces,
        frozenset(declared.principals),
        frozenset(declared.groups),
        claims,
        declared.anonymous,
        declared.secrets,
    )


def _redaction(declared: _Secrets) -> Redaction:
    for pattern in declared.names:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPolicy(f"secrets.names: {pattern!r} is no regular expression: {error}") from error
    for field in declared.fields:
        if not any(f"{field}/".startswith(f"{part}/") for part in REDACTABLE):
            raise BadPolicy(f"secrets.fields: {field!r} is in none of {', '.join(REDACTABLE)}")
    fields = tuple(tuple(_unescaped(key) for key in field.split("/")[1:]) for field in declared.fields)
    return Redaction(declared.names, fields)


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")
