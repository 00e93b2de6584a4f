"""Tokens: which are valid, and every trick that must not make one so."""

import asyncio
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app import key_set as key_sets
from app.key_set import BadKeySet, KeySet, read_key_set
from app.tokens import TOKEN_BYTES_MAX, VERIFIED_MAX, BadToken, Expected, Tokens, UnknownKey
from tests.support import tokens as made
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    claims,
    ec_key,
    ed_key,
    jwks,
    oct_key,
    part,
    published,
    rsa_key,
    signed,
)

RSA, OTHER_RSA, EC, P384, P521, ED = (
    rsa_key(),
    rsa_key("other"),
    ec_key(),
    ec_key("p384", ec.SECP384R1()),
    ec_key("p521", ec.SECP521R1()),
    ed_key(),
)
KEYS = read_key_set(jwks(RSA, EC, P384, P521, ED))


EXPECTED = Expected(ISSUER, AUDIENCE)


def checker(keys=KEYS, expected=EXPECTED):
    key_set = KeySet("nowhere")
    key_set.keys = keys
    return Tokens(key_set, expected)


def principal(token, **options):
    return checker(**options).verified(token).caller.principal


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, f"{family}{bits}") for family in ("RS", "PS") for bits in (256, 384, 512)]
    + [(EC, "ES256"), (P384, "ES384"), (P521, "ES512"), (ED, "EdDSA"), (ED, "Ed25519")],
)
def test_valid_tokens(key, algorithm):
    """Of every type of key, with and without naming it."""
    said = claims("ann@example.com", email="a@b", groups=["x", "a"], nbf=None)

    for kid in ({}, {"kid": None}):
        caller = principal(signed(key, algorithm, said, **kid))
        assert ("ann@example.com", "a@b", ("a", "x")) == (caller.id, caller.email, caller.groups)


VALID = signed(RSA, "RS256", claims())
MALLORY = rsa_key("rsa")
HEAD, BODY, SIGNATURE = VALID.split(b".")
PEM = RSA.as_pem(private=False)
CONFUSED = oct_key(PEM, "rsa")
NOW = int(time.time())

BAD = {
    "empty": b"",
    "two parts": HEAD + b"." + BODY,
    "four parts": VALID + b"." + BODY,
    "no signature": HEAD + b"." + BODY + b".",
    "of another key": signed(MALLORY, "RS256", claims()),
    "claims exchanged": HEAD + b"." + part(claims("root")) + b"." + SIGNATURE,
    "header exchanged": part({"alg": "PS256", "kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "padded": VALID + b"=",
    "with a blank": VALID.replace(b".", b". ", 1),
    "none": part({"alg": "none"}) + b"." + BODY + b".",
    "none, signed": part({"alg": "none", "kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "None": part({"alg": "None", "kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "no algorithm": part({"kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "algorithm of another type": part({"alg": ["RS256"], "kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "the public key as a shared secret": signed(CONFUSED, "HS256", claims()),
    "the same without naming it": signed(CONFUSED, "HS256", claims(), kid=None),
    "algorithm of another key": part({"alg": "ES256", "kid": "rsa"}) + b"." + BODY + b"." + SIGNATURE,
    "named by another's name": signed(RSA, "RS256", claims(), kid="ec"),
    "a key of its own": signed(MALLORY, "RS256", claims(), jwk=MALLORY.as_dict(private=False)),
    "the key's name is a path": signed(MALLORY, "RS256", claims(), kid="../../dev/null"),
    "the key's name is a number": signed(RSA, "RS256", claims(), kid=1),
    "critical": signed(RSA, "RS256", claims(), crit=["exp"]),
    "nothing critical": signed(RSA, "RS256", claims(), crit=[]),
    "unencoded": signed(RSA, "RS256", claims(), b64=False),
    "of another type": signed(RSA, "RS256", claims(), typ="logout+jwt"),
    "for nobody": signed(RSA, "RS256", claims(aud=None)),
    "for another": signed(RSA, "RS256", claims(aud="x")),
    "for others": signed(RSA, "RS256", claims(aud=["x", f"{AUDIENCE}x"])),
    "for a number": signed(RSA, "RS256", claims(aud=[1, AUDIENCE])),
    "part of the audience": signed(RSA, "RS256", claims(aud=AUDIENCE[:-1])),
    "of nobody": signed(RSA, "RS256", claims(iss=None)),
    "of another": signed(RSA, "RS256", claims(iss=f"{ISSUER}/")),
    "without end": signed(RSA, "RS256", claims(exp=None)),
    "with an end in words": signed(RSA, "RS256", claims(exp=str(NOW + 99))),
    "with true for an end": signed(RSA, "RS256", claims(exp=True)),
    "ended": signed(RSA, "RS256", claims(exp=NOW - 31)),
    "not yet": signed(RSA, "RS256", claims(nbf=NOW + 3600)),
    "without a subject": signed(RSA, "RS256", claims(sub=None)),
    "with an empty subject": signed(RSA, "RS256", claims(sub="")),
    "with a blank in the subject": signed(RSA, "RS256", claims(sub="ann bob")),
    "with a long subject": signed(RSA, "RS256", claims(sub="a" * 257)),
    "with several subjects": signed(RSA, "RS256", claims(sub=["ann", "bob"])),
    "with a number for a subject": signed(RSA, "RS256", claims(sub=5)),
    "claims are a list": signed(RSA, "RS256", [claims()]),
    "claims are no JSON": signed(RSA, "RS256", b"{"),
    "claims are no text": signed(RSA, "RS256", b'{"iss":"\xff"}'),
    "claims nest": signed(RSA, "RS256", b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    "oversized": signed(RSA, "RS256", claims(filler="x" * TOKEN_BYTES_MAX)),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_tokens(name):
    """None of them is anybody's."""
    with pytest.raises(BadToken) as bad:
        principal(BAD[name])

    assert not any(text in str(bad.value) for text in ("ann", "root", "mallory"))


def test_an_invalid_token_is_so_only_for_its_reason():
    """What the examples above are made of is valid."""
    now = int(time.time())
    assert "ann" == principal(VALID).id
    for typ in ("at+jwt", "application/at+JWT", None):
        assert "ann" == principal(signed(RSA, "RS256", claims(), typ=typ)).id
    assert "ann" == principal(signed(RSA, "RS256", claims(aud=["x", AUDIENCE], exp=now - 5, nbf=now + 5))).id


def test_unknown_keys_are_told_apart():
    """They may be looked for, once."""
    with pytest.raises(UnknownKey):
        principal(signed(OTHER_RSA, "RS256", claims()))


def test_claims_are_chosen():
    """Principal and groups may stand in other claims, also inside one; all texts can be asked for."""
    expected = Expected(ISSUER, AUDIENCE, "preferred_username", "realm_access.roles")
    said = claims(
        preferred_username="ann", realm_access={"roles": ["ops", 5, "ml"]}, sub="0815", team="x", n=1
    )

    caller = checker(expected=expected).verified(signed(ED, "EdDSA", said)).caller

    assert ("ann", ("ml", "ops")) == (caller.principal.id, caller.principal.groups)
    assert {("team", "x"), ("realm_access.roles", "ml"), ("sub", "0815")} <= caller.claims


def test_what_was_verified_is_remembered_for_its_time(monkeypatch):
    """Until it expires, or the keys change; and of many tokens only the last."""
    tokens, now = checker(), int(time.time())
    short = signed(EC, "ES256", claims(exp=now + 5))
    assert tokens.verified(short) is tokens.verified(short)

    monkeypatch.setattr(time, "time", lambda: now + 36)
    with pytest.raises(BadToken, match="expired"):
        tokens.verified(short)
    monkeypatch.undo()
    first = tokens.verified(VALID)
    tokens.forget()
    assert first is not tokens.verified(VALID)
    tokens._key_set.keys = read_key_set(jwks(EC))
    tokens.forget()
    with pytest.raises(UnknownKey):
        tokens.verified(VALID)
    assert len(tokens._verified) <= VERIFIED_MAX


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no JSON Web Key Set"),
        (b"[]", "no JSON Web Key Set"),
        (b'{"keys": {}}', "no JSON Web Key Set"),
        (b'{"keys": []}', "no usable key"),
        (made.json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).encode(), "shared secret"),
        (
            made.json.dumps({"keys": [{"kty": "RSA", "e": "AQAB", "n": "x" * 170 + "w"}]}).encode(),
            "less than 2048 bits",
        ),
        (jwks(RSA, use="enc"), "not for signatures"),
        (jwks(RSA, key_ops=["encrypt"]), "not for signatures"),
        (jwks(RSA, alg="HS256"), "fits no algorithm"),
        (jwks(ec_key(curve=ec.SECP256K1())), "fits no algorithm"),
        (b'{"keys": [{"kty": "RSA"}]}', "cannot be read"),
        (b"\xff", "no JSON Web Key Set"),
        (b'{"keys": ' + b"[" * 10_000, "no JSON Web Key Set"),
        (b'{"keys": [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}]}', "cannot be read"),
        (b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}]}', "cannot be read"),
        (b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": 5}]}', "cannot be read"),
        (b'{"keys": [{"kty": ["RSA"]}]}', "unknown type"),
        (b'{"keys": [{"kty": "XX"}]}', "unknown type 'XX'"),
        (made.json.dumps({"keys": [{}] * 101}).encode(), "100 are allowed"),
    ],
)
def test_key_sets_that_are_refused(content, reason):
    """Each with its reason."""
    with pytest.raises(BadKeySet, match=reason):
        read_key_set(content)


def test_keys_that_cannot_be_used_are_left_out():
    """The others are used; and one for a certain algorithm for that alone."""
    whole = made.json.loads(jwks(RSA, alg="PS256"))["keys"] + [{"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"}]
    keys = read_key_set(made.json.dumps({"keys": whole}).encode())

    assert "ann" == principal(signed(RSA, "PS256", claims()), keys=keys).id
    with pytest.raises(BadToken, match="algorithm"):
        principal(VALID, keys=keys)


async def eventually(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody rings when it does
            await asyncio.sleep(0.005)


def test_keys_of_a_url_are_sought_and_kept(monkeypatch):
    """New ones are found; while they cannot be read, or are wrong, the last good ones stay in use."""
    monkeypatch.setattr(key_sets, "RETRY_SECONDS", 0.05)

    async def run(publisher):
        key_set = KeySet(publisher.url)
        changes = []
        key_set.changed = lambda: changes.append(len(key_set.keys))
        following = asyncio.create_task(key_set.follow())
        await eventually(lambda: len(key_set.keys) == 1)
        for status, content, reason in [
            (500, b"", "500"),
            (200, b"{}", "no JSON"),
            (302, b"", "redirects"),
            (200, b"x" * (key_sets.BYTES_MAX + 1), "longer"),
        ]:
            publisher.status, publisher.content = status, content
            await asyncio.sleep(0.06)
            await key_set.seek()
            assert reason in key_set.problem
            assert 1 == len(key_set.keys)
        publisher.status, publisher.content = 200, jwks(RSA, EC)
        await asyncio.sleep(0.06)
        await key_set.seek()
        assert key_set.problem is None
        assert [1, 2] == changes
        following.cancel()

    with published(jwks(RSA)) as publisher:
        asyncio.run(run(publisher))


def test_unknown_keys_do_not_make_many_requests():
    """However many tokens name one, the URL is asked once in a while."""

    async def run(publisher):
        key_set = KeySet(publisher.url)
        await asyncio.gather(*[key_set.seek() for _ in range(50)])
        await key_set.seek()
        assert 1 == publisher.asked

    with published(jwks(RSA)) as publisher:
        publisher.delay = 0.1
        asyncio.run(run(publisher))
