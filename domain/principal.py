"""Who does something: the principal that every event names, and the form in which the API shows it."""

from typing import Final, Self

from msgspec import Struct

_SERVICE: Final = "service:"


class Principal(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A caller as its gateway or token describes it; all defaults together are the anonymous caller."""

    id: str = ""
    email: str | None = None
    groups: tuple[str, ...] = ()
    on_behalf_of: str | None = None
    on_behalf_of_groups: tuple[str, ...] | None = None
    on_behalf_of_email: str | None = None

    @property
    def effective_id(self) -> str:
        """The id in whose name the caller acts: the one on whose behalf, where there is one."""
        return self.on_behalf_of or self.id

    @property
    def sees_auth_context(self) -> bool:
        """Whether identities stored with versions are shown to this caller: services and the anonymous."""
        effective = self.effective_id
        return not effective or effective.startswith(_SERVICE)


ANONYMOUS: Final = Principal()


class AuthContext(Struct, frozen=True):
    """The identity that a version was created with, as the API shows it."""

    principal_id: str
    principal_email: str | None
    principal_groups: tuple[str, ...]
    principal_on_behalf_of: str | None
    principal_on_behalf_of_groups: tuple[str, ...] | None
    principal_on_behalf_of_email: str | None

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """The same identity under the names of the API."""
        return cls(
            principal.id,
            principal.email,
            principal.groups,
            principal.on_behalf_of,
            principal.on_behalf_of_groups,
            principal.on_behalf_of_email,
        )
