"""What the identity, precondition, reason and idempotency headers may hold, and how each is read."""

import pytest

from app.headers import (
    MalformedHeader,
    first,
    joined,
    none_match,
    read_idempotency_key,
    read_precondition,
    read_principal,
    read_reason,
)
from domain.precondition import Precondition
from domain.principal import ANONYMOUS, AuthContext, Principal

ALLOWED = "allowed: alphanumeric, @, ., -, _, :, +, /"


def headers(**values: str | bytes) -> list[tuple[bytes, bytes]]:
    """Identity headers as ASGI delivers them, `on_behalf_of=` standing for X-NMP-Principal-On-Behalf-Of."""
    return [
        (b"host", b"localhost"),
        *(
            (
                b"x-nmp-principal-" + name.replace("_", "-").encode(),
                value.encode() if isinstance(value, str) else value,
            )
            for name, value in values.items()
        ),
    ]


def test_no_identity_header_means_anonymous():
    """A request without identity headers is the anonymous caller, who sees stored identities."""
    principal = read_principal([(b"host", b"localhost"), (b"x-nmp-other", b"x")])

    assert ANONYMOUS == principal
    assert principal.sees_auth_context


@pytest.mark.parametrize("identifier", ["", "   "])
def test_other_headers_are_ignored_without_an_id(identifier):
    """Without an id the other headers are not even looked at, malformed as they may be."""
    principal = read_principal(headers(id=identifier, email="no address", on_behalf_of="é", groups="a b"))

    assert ANONYMOUS == principal


def test_all_headers_fill_the_principal():
    """Each header fills its field; values are trimmed, empty groups dropped, duplicates kept."""
    principal = read_principal(
        headers(
            id="  service:models ",
            email=" a@b.c ",
            groups=" one, ,two,,one ",
            on_behalf_of="user@x",
            on_behalf_of_groups="",
            on_behalf_of_email="",
        )
    )

    assert (
        Principal(
            id="service:models",
            email="a@b.c",
            groups=("one", "two", "one"),
            on_behalf_of="user@x",
            on_behalf_of_groups=(),
            on_behalf_of_email=None,
        )
        == principal
    )


def test_details_need_the_header_they_belong_to():
    """On-behalf-of details count only beside the on-behalf-of header, even an empty one."""
    details = {"on_behalf_of_groups": "g", "on_behalf_of_email": "a@b"}

    assert Principal(id="u") == read_principal(headers(id="u", **details))
    assert Principal("u", on_behalf_of_groups=("g",), on_behalf_of_email="a@b") == read_principal(
        headers(id="u", on_behalf_of="", **details)
    )


def test_the_first_of_a_repeated_header_counts():
    """A second value of a header changes nothing."""
    assert Principal(id="first") == read_principal([*headers(id="first"), *headers(id="second")])


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"id": "x" * 257}, "X-NMP-Principal-Id exceeds maximum length of 256 characters"),
        ({"id": "a b"}, f"X-NMP-Principal-Id contains invalid characters; {ALLOWED}"),
        ({"id": "é"}, f"X-NMP-Principal-Id contains invalid characters; {ALLOWED}"),
        ({"id": b"\xe9"}, f"X-NMP-Principal-Id contains invalid characters; {ALLOWED}"),
        (
            {"id": "u", "email": "x" * 319 + "@b"},
            "X-NMP-Principal-Email exceeds maximum length of 320 characters",
        ),
        ({"id": "u", "email": "ab"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "email": "a@"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "email": "@b"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "email": "a@b@c"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "email": "a b@c"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "email": "a\0@c"}, "X-NMP-Principal-Email is not a valid email address"),
        ({"id": "u", "groups": ",".join("g" * 101)}, "X-NMP-Principal-Groups exceeds maximum of 100 groups"),
        (
            {"id": "u", "groups": "g" * 257},
            "X-NMP-Principal-Groups contains a group exceeding 256 characters",
        ),
        (
            {"id": "u", "groups": "a b"},
            f"X-NMP-Principal-Groups contains a group with invalid characters; {ALLOWED}",
        ),
        (
            {"id": "u", "on_behalf_of": "!"},
            f"X-NMP-Principal-On-Behalf-Of contains invalid characters; {ALLOWED}",
        ),
        (
            {"id": "u", "on_behalf_of": "v", "on_behalf_of_groups": "!"},
            f"X-NMP-Principal-On-Behalf-Of-Groups contains a group with invalid characters; {ALLOWED}",
        ),
        (
            {"id": "u", "on_behalf_of": "v", "on_behalf_of_email": "!"},
            "X-NMP-Principal-On-Behalf-Of-Email is not a valid email address",
        ),
    ],
)
def test_malformed_identity_is_refused(values, detail):
    """Each rule of the identity headers has its text, naming the header."""
    with pytest.raises(MalformedHeader) as refusal:
        read_principal(headers(**values))

    assert detail == refusal.value.detail


def test_limits_of_identity_are_inclusive():
    """The longest id, email and list of groups are accepted."""
    principal = read_principal(headers(id="x" * 256, email="x" * 318 + "@b", groups=",".join("g" * 100)))

    assert (256, 320, 100) == (len(principal.id), len(principal.email), len(principal.groups))


@pytest.mark.parametrize(
    ("principal", "effective", "sees"),
    [
        (Principal("alice"), "alice", False),
        (Principal("service:models"), "service:models", True),
        (Principal("service:models", on_behalf_of="alice"), "alice", False),
        (Principal("alice", on_behalf_of="service:models"), "service:models", True),
    ],
)
def test_who_sees_stored_identities(principal, effective, sees):
    """The effective caller decides: services see stored identities, named people do not."""
    assert (effective, sees) == (principal.effective_id, principal.sees_auth_context)


def test_auth_context_keys():
    """The stored identity shows six keys, in the order clients know."""
    shown = AuthContext.of(Principal("u", "a@b", ("g",), "v", (), "c@d"))

    assert ["principal_id", "principal_email", "principal_groups"] == list(shown.__struct_fields__[:3])
    assert AuthContext("u", "a@b", ("g",), "v", (), "c@d") == shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("*", Precondition(any=True)),
        (" * ", Precondition(any=True)),
        ('"12.1"', Precondition(any=False, states=frozenset({(12, 1)}))),
        ('"12.3-r"', Precondition(any=False, states=frozenset({(12, 3)}))),
        (
            '"12.1", "13.2-r",, "x,y" ,W/"14.1", "15"',
            Precondition(any=False, states=frozenset({(12, 1), (13, 2)})),
        ),
        ('W/"12"', Precondition(any=False)),
        ('"012"', Precondition(any=False)),
        ('"-1"', Precondition(any=False)),
        ('"\u00e9"', Precondition(any=False)),
        ('"' + "9" * 5000 + '"', Precondition(any=False)),
        ('""', Precondition(any=False)),
    ],
)
def test_preconditions(value, expected):
    """If-Match is read as RFC 9110 has it; only strong tags of our own form name a position."""
    assert expected == read_precondition(value)


@pytest.mark.parametrize(
    "value",
    ["", ",", "12", '"12', '12"', 'w/"12"', '"1" "2"', '"1"x', '*, "1"', '"a b"', '"\u0100"', '"1";"2"'],
)
def test_malformed_preconditions_are_refused(value):
    """What is neither * nor a list of tags must not silently match nothing."""
    with pytest.raises(MalformedHeader, match="If-Match must be"):
        read_precondition(value)


def test_what_holds():
    """A precondition holds for the states it names, or for all."""
    precondition = Precondition(any=False, states=frozenset({(3, 1)}))

    assert precondition.holds(3, 1)
    assert not precondition.holds(4, 1)
    assert not precondition.holds(3, 2)
    assert Precondition(any=True).holds(4, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, True),
        ("*", False),
        ('"7"', False),
        ('W/"7"', False),
        ('"6", W/"7"', False),
        ('"7-r"', True),
        ('"6"', True),
        ("7", True),
        ("", True),
    ],
)
def test_none_match(value, expected):
    """A body is needed unless one of the listed tags, weak or strong, is the present one."""
    assert expected is none_match(value, '"7"')


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (" roll back ", "roll back"),
        ("caf%C3%A9", "café"),
        ("café".encode().decode("latin-1"), "café"),
        ("100% sure, 50%25", "100% sure, 50%"),
        ("a+b", "a+b"),
        ("%20x%0A", "x"),
        ("%F0%9F%98%80" * 1000, "😀" * 1000),
    ],
)
def test_reasons(value, expected):
    """A reason is trimmed UTF-8, percent-encoded or not, counted in characters."""
    assert expected == read_reason(value)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("", "1 to 1,000 characters, not 0"),
        ("  %20", "1 to 1,000 characters, not 0"),
        ("x" * 1001, "1 to 1,000 characters, not 1,001"),
        ("a%00b", r"U\+0000"),
        ("a%0Ab", r"U\+000A"),
        ("a%C2%85b", r"U\+0085"),
        ("caf\xe9", "must be UTF-8"),
        ("%ED%A0%80", "must be UTF-8"),
        ("\u0100", "must be UTF-8"),
    ],
)
def test_malformed_reasons_are_refused(value, match):
    """Nothing, too much, control characters and other encodings are refused with the cause."""
    with pytest.raises(MalformedHeader, match=match):
        read_reason(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("abc", "abc"),
        (' "abc" ', "abc"),
        (r'"a\"\\b"', 'a"\\b'),
        ('a"b', 'a"b'),
        ("x" * 255, "x" * 255),
    ],
)
def test_idempotency_keys(value, expected):
    """A key is visible ASCII, bare or as a quoted string."""
    assert expected == read_idempotency_key(value)


@pytest.mark.parametrize(
    "value", ["", '""', "a b", '"a b"', '"a', '"a"b', r'"\n"', "é", "x" * 256, "a\0", "\x7f"]
)
def test_malformed_idempotency_keys_are_refused(value):
    """Anything else as a key is refused: two requests must never share a key by accident of repair."""
    with pytest.raises(MalformedHeader, match="Idempotency-Key must have 1 to 255 visible ASCII"):
        read_idempotency_key(value)


@pytest.mark.parametrize(
    ("values", "expected_first", "expected_joined"),
    [([], None, None), ([b""], "", ""), ([b"a"], "a", "a"), ([b"a", b"\xe9"], "a", "a, \xe9")],
)
def test_headers_of_a_name(values, expected_first, expected_joined):
    """The first, or all as one list; what was not sent is not the same as what is empty."""
    given = [(b"x", b"y"), *((b"if-match", value) for value in values), (b"z", b"")]

    assert expected_first == first(given, b"if-match")
    assert expected_joined == joined(given, b"if-match")
