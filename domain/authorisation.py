"""Who may do what in which workspace: decided by who they are and what a policy grants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from domain.principal import ANONYMOUS, Principal
from domain.redaction import Redaction
from domain.sight import Sight

Role = Literal["viewer", "editor", "admin"]
Right = Literal["read", "write", "secrets", "authors"]
"""To read objects, to write them, to see secrets, and to see who wrote what with email and groups."""

Rights = frozenset[Right]
NONE: Final[Rights] = frozenset()
ROLE_RIGHTS: Final[dict[Role, Rights]] = {
    "viewer": frozenset({"read"}),
    "editor": frozenset({"read", "write", "secrets"}),
    "admin": frozenset({"read", "write", "secrets", "authors"}),
}
ANY: Final = "*"
_ALL_BUT_AUTHORS: Final[Rights] = ROLE_RIGHTS["editor"]

Claim = tuple[str, str]


class Caller(NamedTuple):
    """Who calls: the principal, and what its token says beside that, as name and text each."""

    principal: Principal
    claims: frozenset[Claim] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who it is."""
        return not self.principal.id

    @property
    def effective(self) -> tuple[str, frozenset[str], frozenset[Claim]]:
        """Whose rights count: id, groups and claims of the one on whose behalf, where there is one."""
        principal = self.principal
        if principal.on_behalf_of:
            return principal.on_behalf_of, frozenset(principal.on_behalf_of_groups or ()), frozenset()
        return principal.id, frozenset(principal.groups), self.claims


class Access(msgspec.Struct, frozen=True):
    """What a caller may do: everywhere, and in some workspaces, where that includes the former."""

    everywhere: Rights = NONE
    workspaces: dict[str, Rights] = {}
    redaction: Redaction = Redaction()

    def rights(self, workspace: str) -> Rights:
        """What may be done in a workspace, whether or not there is anything in it."""
        return self.workspaces.get(workspace, self.everywhere)

    def sight(self, workspace: str) -> Sight:
        """What is seen of the objects in a workspace."""
        rights = self.rights(workspace)
        return Sight("authors" in rights, None if "secrets" in rights else self.redaction)

    @property
    def readable(self) -> tuple[str, ...] | None:
        """The workspaces that may be read, None for all."""
        if "read" in self.everywhere:
            return None
        return tuple(sorted(name for name, rights in self.workspaces.items() if "read" in rights))

    @property
    def is_nothing(self) -> bool:
        """Whether nothing may be done anywhere."""
        return not self.everywhere and not self.workspaces


class Grant(msgspec.Struct, frozen=True):
    """A role in some workspaces for all whom one of its parts names; `claims` must hold together.

    `secrets` overrides whether the role sees them.
    """

    role: Role
    workspaces: tuple[str, ...]
    principals: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    claims: frozenset[Claim] = frozenset()
    anonymous: bool = False
    secrets: bool | None = None

    @property
    def rights(self) -> Rights:
        """What the role gives here."""
        rights = ROLE_RIGHTS[self.role]
        if self.secrets is None:
            return rights
        return rights | {"secrets"} if self.secrets else rights - {"secrets"}

    def is_for(self, caller: Caller) -> bool:
        """Whether the caller is one of those; what the anonymous may do, everybody may."""
        identifier, groups, claims = caller.effective
        if self.anonymous:
            return True
        return bool(identifier) and (
            ANY in self.principals
            or identifier in self.principals
            or not self.groups.isdisjoint(groups)
            or (bool(self.claims) and self.claims <= claims)
        )


class Policy(msgspec.Struct, frozen=True):
    """Who may do what. `services` are principals that are services: for whom each may act, `*` for anybody.

    `unrestricted` says that there is no policy: everyone may do everything, or everyone who is known.
    `roles_claim` names a claim that holds roles itself, as `editor:production`.
    """

    grants: tuple[Grant, ...] = ()
    services: Mapping[str, frozenset[str]] = {}
    redaction: Redaction = Redaction()
    unrestricted: Literal["everyone", "identified"] | None = None
    roles_claim: str | None = None

    def access_of(self, caller: Caller) -> Access:
        """What a caller may do."""
        if self.unrestricted is not None:
            return self._unrestricted(caller)
        granted: dict[str, Rights] = {}
        for workspaces, rights in [*self._granted(caller), *self._of_token(caller)]:
            for workspace in workspaces:
                granted[workspace] = granted.get(workspace, NONE) | rights
        if caller.effective[0] in self.services:
            granted = {workspace: rights | {"authors"} for workspace, rights in granted.items()}
        everywhere = granted.pop(ANY, NONE)
        return Access(
            everywhere,
            {workspace: rights | everywhere for workspace, rights in granted.items()},
            self.redaction,
        )

    def may_act_for_another(self, principal: Principal) -> bool:
        """Whether a principal is a service for the one it names; one that names nobody need not be."""
        if not principal.on_behalf_of:
            return True
        return not self.services.get(principal.id, frozenset()).isdisjoint({ANY, principal.on_behalf_of})

    def _unrestricted(self, caller: Caller) -> Access:
        if self.unrestricted == "everyone":
            return _OPEN if caller.principal.sees_auth_context else _OPEN_WITHOUT_AUTHORS
        return _CLOSED if caller.is_anonymous else _OPEN_WITHOUT_AUTHORS

    def _granted(self, caller: Caller) -> list[tuple[tuple[str, ...], Rights]]:
        return [(grant.workspaces, grant.rights) for grant in self.grants if grant.is_for(caller)]

    def _of_token(self, caller: Caller) -> list[tuple[tuple[str, ...], Rights]]:
        if self.roles_claim is None:
            return []
        values = [value for name, value in caller.effective[2] if name == self.roles_claim]
        roles = [value.partition(":") for value in sorted(values)]
        return [
            ((workspace,), ROLE_RIGHTS[name])
            for given, _, workspace in roles
            for name in ROLE_RIGHTS
            if given == name and workspace
        ]


_OPEN: Final = Access(ROLE_RIGHTS["admin"])
_OPEN_WITHOUT_AUTHORS: Final = Access(_ALL_BUT_AUTHORS)
_CLOSED: Final = Access()
UNKNOWN: Final = Caller(ANONYMOUS)
EVERYONE: Final = Policy(unrestricted="everyone")
IDENTIFIED: Final = Policy(unrestricted="identified")
