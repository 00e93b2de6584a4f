"""Reading of the request headers that say who is calling, on what condition, why, and under which key."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from domain.precondition import Precondition
from domain.principal import ANONYMOUS, Principal

ID_CHARACTERS_MAX: Final = 256
EMAIL_CHARACTERS_MAX: Final = 320
GROUPS_MAX: Final = 100
REASON_CHARACTERS_MAX: Final = 1_000
KEY_CHARACTERS_MAX: Final = 255

_PRINCIPAL_ID: Final = "X-NMP-Principal-Id"
_EMAIL: Final = "X-NMP-Principal-Email"
_GROUPS: Final = "X-NMP-Principal-Groups"
_ON_BEHALF_OF: Final = "X-NMP-Principal-On-Behalf-Of"
_ON_BEHALF_OF_GROUPS: Final = "X-NMP-Principal-On-Behalf-Of-Groups"
_ON_BEHALF_OF_EMAIL: Final = "X-NMP-Principal-On-Behalf-Of-Email"
_IDENTITY_PREFIX: Final = b"x-nmp-principal-"
_ON_BEHALF_PREFIX: Final = b"x-nmp-principal-on-behalf-of"

_IDENTIFIER: Final = re.compile(r"[a-zA-Z0-9@._\-:+/]+")
_ALLOWED: Final = "allowed: alphanumeric, @, ., -, _, :, +, /"
_EMAIL_ADDRESS: Final = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_ENTITY_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
# Possessive, as in `*+`: nothing here can match in two ways, so that no header takes long to refuse.
_ENTITY_TAGS: Final = re.compile(
    r'(?:[\t ,]*+(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"[\t ]*+(?:,|\Z))+[\t ,]*+',
)
_OWN_TAG: Final = re.compile(r'"([1-9][0-9]{0,18})\.([1-9][0-9]{0,18})(?:-r)?"')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_QUOTED: Final = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class MalformedHeader(Exception):
    """A request header is not what it must be; `detail` names it and says what is allowed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The first header of a name in lower case."""
    for given, value in headers:
        if given == name:
            return value.decode("latin-1")
    return None


def joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """All headers of a name in lower case, as the one list that they are together."""
    values = [value.decode("latin-1") for given, value in headers if given == name]
    return ", ".join(values) if values else None


def read_principal(headers: Iterable[tuple[bytes, bytes]]) -> Principal:
    """The caller that the identity headers describe; MalformedHeader with the text that clients know.

    Header names are in lower case, as ASGI delivers them. Of a repeated header the first one counts.
    """
    given: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(_IDENTITY_PREFIX):
            given.setdefault(name, value)
    return _principal(given) if given else ANONYMOUS


def refuse_repeated_identity(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """MalformedHeader if an identity header is there twice.

    A proxy that adds its own behind the one that the client sent would have the client's believed.
    """
    names = [name for name, _ in headers if name.startswith(_IDENTITY_PREFIX)]
    for name in names:
        if names.count(name) > 1:
            message = (
                f"{name.decode('latin-1')} was sent more than once; the proxy must replace what clients send"
            )
            raise MalformedHeader(message)


def read_on_behalf_of(principal: Principal, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
    """A principal that is known otherwise, with the one on whose behalf it acts if the headers name one."""
    given: dict[bytes, bytes] = {}
    for name, value in headers:
        if name.startswith(_ON_BEHALF_PREFIX):
            given.setdefault(name, value)
    if not given or (identifier := _identifier(_ON_BEHALF_OF, given)) is None:
        return principal
    return msgspec.structs.replace(
        principal,
        on_behalf_of=identifier,
        on_behalf_of_groups=_groups(_ON_BEHALF_OF_GROUPS, given),
        on_behalf_of_email=_email(_ON_BEHALF_OF_EMAIL, given),
    )


def read_precondition(value: str | None) -> Precondition | None:
    """What an `If-Match` header demands; MalformedHeader if it is neither `*` nor a list of entity tags.

    Our tags are strong: `"<position>.<version>"` or, where something was left out for a reader,
    `"<position>.<version>-r"`. Either stands for the state itself. Weak tags and tags of others are allowed
    but match nothing.
    """
    if value is None:
        return None
    if value.strip() == "*":
        return Precondition(any=True)
    if not _ENTITY_TAGS.fullmatch(value):
        message = f"If-Match must be * or a list of entity tags in double quotes, not {value[:100]!r}"
        raise MalformedHeader(message)
    own = (_OWN_TAG.fullmatch(tag) for weak, tag in _ENTITY_TAG.findall(value) if not weak)
    return Precondition(any=False, states=frozenset((int(m[1]), int(m[2])) for m in own if m))


def none_match(value: str | None, etag: str) -> bool:
    """Whether a reader that sent this `If-None-Match` needs the body: False means 304.

    Tags are compared weakly. What is no list of tags matches nothing, so that a confused cache gets a body.
    """
    if value is None:
        return True
    if value.strip() == "*":
        return False
    return etag.removeprefix("W/") not in (tag for _, tag in _ENTITY_TAG.findall(value))


def read_reason(value: str | None) -> str | None:
    """Why a change is made, from `X-Change-Reason`: 1 to 1,000 characters, trimmed, none of them control.

    The header carries UTF-8, as it is or percent-encoded (`%C3%A9`, `%25` for the sign itself); a percent
    sign before anything but two hexadecimal digits stands for itself.
    """
    if value is None:
        return None
    try:
        # Servers hand header values over as Latin-1, one character a byte.
        reason = unquote_to_bytes(value.encode("latin-1")).decode().strip()
    except UnicodeError as error:
        message = "X-Change-Reason must be UTF-8; percent-encode what is not ASCII"
        raise MalformedHeader(message) from error
    if not 1 <= len(reason) <= REASON_CHARACTERS_MAX:
        message = f"X-Change-Reason must have 1 to {REASON_CHARACTERS_MAX:,} characters, not {len(reason):,}"
        raise MalformedHeader(message)
    if control := _CONTROL.search(reason):
        message = f"X-Change-Reason must not hold control characters, but has U+{ord(control[0]):04X}"
        raise MalformedHeader(message)
    return reason


def read_idempotency_key(value: str | None) -> str | None:
    """The key under which a write may be repeated; `abc` and `"abc"` (the quoted form) are the same key."""
    if value is None:
        return None
    key = value.strip()
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if not _VISIBLE.fullmatch(key) or len(key) > KEY_CHARACTERS_MAX:
        allowed = f"1 to {KEY_CHARACTERS_MAX} visible ASCII characters"
        message = f"Idempotency-Key must have {allowed}, not {value[:100]!r}"
        raise MalformedHeader(message)
    return key


def _principal(given: dict[bytes, bytes]) -> Principal:
    identifier = _identifier(_PRINCIPAL_ID, given)
    if identifier is None:
        return ANONYMOUS
    email, groups = _email(_EMAIL, given), _groups(_GROUPS, given)
    if _ON_BEHALF_OF.lower().encode() not in given:
        return Principal(identifier, email, groups)
    return Principal(
        identifier,
        email,
        groups,
        on_behalf_of=_identifier(_ON_BEHALF_OF, given),
        on_behalf_of_groups=_groups(_ON_BEHALF_OF_GROUPS, given),
        on_behalf_of_email=_email(_ON_BEHALF_OF_EMAIL, given),
    )


def _text(header: str, given: dict[bytes, bytes]) -> str:
    value = given.get(header.lower().encode(), b"").strip()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _identifier(header: str, given: dict[bytes, bytes]) -> str | None:
    text = _text(header, given)
    if len(text) > ID_CHARACTERS_MAX:
        message = f"{header} exceeds maximum length of {ID_CHARACTERS_MAX} characters"
        raise MalformedHeader(message)
    if text and not _IDENTIFIER.fullmatch(text):
        message = f"{header} contains invalid characters; {_ALLOWED}"
        raise MalformedHeader(message)
    return text or None


def _email(header: str, given: dict[bytes, bytes]) -> str | None:
    text = _text(header, given)
    if len(text) > EMAIL_CHARACTERS_MAX:
        message = f"{header} exceeds maximum length of {EMAIL_CHARACTERS_MAX} characters"
        raise MalformedHeader(message)
    if text and not _EMAIL_ADDRESS.fullmatch(text):
        message = f"{header} is not a valid email address"
        raise MalformedHeader(message)
    return text or None


def _groups(header: str, given: dict[bytes, bytes]) -> tuple[str, ...]:
    groups = tuple(group for part in _text(header, given).split(",") if (group := part.strip()))
    if len(groups) > GROUPS_MAX:
        message = f"{header} exceeds maximum of {GROUPS_MAX} groups"
        raise MalformedHeader(message)
    for group in groups:
        if len(group) > ID_CHARACTERS_MAX:
            message = f"{header} contains a group exceeding {ID_CHARACTERS_MAX} characters"
            raise MalformedHeader(message)
        if not _IDENTIFIER.fullmatch(group):
            message = f"{header} contains a group with invalid characters; {_ALLOWED}"
            raise MalformedHeader(message)
    return groups
