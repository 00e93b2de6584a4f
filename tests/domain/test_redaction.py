"""Redaction: what looks secret, and that no secret is anywhere in what is shown."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.answers import Answer, Effect, list_item, shown
from app.dry_run import told as told_of_dry_run
from domain.changes import UNSET, changed_fields, patch
from domain.redaction import MARK, Redaction, looks_secret
from domain.sight import Sight
from projections.blame import leaves
from tests.support.patches import patched

RULES = Redaction(("^dsn_", "LICEN[CS]E"), (("executor_config", "override_config", "*", "inner"),))
BLIND = Sight(auth_context=False, redaction=RULES)
SECRET_NAMES = [
    "HF_TOKEN",
    "NGC_API_KEY",
    "db-password",
    "apiKey",
    "AWS_SECRET_ACCESS_KEY",
    "MY_LICENSE",
    "Dsn_x",
]
PLAIN_NAMES = [
    "MAX_TOKENS",
    "TOKENIZER",
    "MONKEY",
    "LOG_LEVEL",
    "PWD",
    "NUM_BATCHED_TOKENS",
    "KEYBOARD",
    "HOST",
]


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "hf_token",
        "hfToken",
        "HFTOKEN",
        "API_TOKENS",
        "apikey",
        "API-KEY",
        "--api-key",
        "SSH.KEY",
        "Key",
        "PASSWORD",
        "PGPASSWORD",
        "DB_PASS",
        "ROOT_PWD",
        "PASSPHRASE",
        "CLIENT_SECRET",
        "secrets",
        "GCP_CREDENTIALS",
        "BASIC_AUTH",
        "AUTHORIZATION",
        "SESSION_COOKIE",
        "JWT",
        "SENTRY_DSN",
        "PRIVATEKEY",
        "privateKey2",
    ],
)
def test_secret_names(name):
    """However they are spelled."""
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *PLAIN_NAMES,
        "--max-tokens",
        "maxTotalTokens",
        "OLDPWD",
        "MODEL",
        "",
        "PATH",
        "COMPASS",
        "BYPASS_CACHE",
        "AUTHOR",
        "OMP_NUM_THREADS",
        "TURKEY",
        "PATCH",
        "1",
    ],
)
def test_plain_names(name):
    """Parts of words are no words, and a number of tokens is no token."""
    assert not looks_secret(name)


TEXTS = st.text("ab /:", max_size=6)
secrets = st.uuids().map(lambda uuid: f"s3cr3t-{uuid.hex}")


@st.composite
def configs(draw):
    """A config's members, and the secrets in it."""
    hidden = [draw(secrets) for _ in range(draw(st.integers(0, 6)))]
    pool = iter(hidden)
    envs, args, free = {}, [], {}
    placed = []
    for secret in pool:
        placed.append(secret)
        name = draw(st.sampled_from(SECRET_NAMES))
        match draw(
            st.sampled_from(["env", "env-url", "option", "option-alone", "k8s", "listed", "pem", "url"])
        ):
            case "env":
                envs[name] = secret
            case "env-url":
                envs[f"ADDRESS_{len(envs)}"] = f"postgres://u:{secret}@host/db"
            case "option":
                args.append(f"--{name}={secret}")
            case "option-alone":
                args += [f"--{name}", secret]
            case "k8s":
                free.setdefault("env", []).append({"name": name, "value": secret, "n": 1})
            case "listed":
                free[f"part{len(free)}"] = {
                    "inner": draw(st.sampled_from([secret, [secret], {"deep": [secret, 1]}]))
                }
            case "pem":
                free[f"pem{len(free)}"] = [f"-----BEGIN RSA PRIVATE KEY-----\n{secret}"]
            case "url":
                args.append(f"redis://:{secret}@cache")
    envs |= draw(st.dictionaries(st.sampled_from(PLAIN_NAMES), TEXTS))
    args += [f"--plain={text}" for text in draw(st.lists(TEXTS, max_size=2))]
    members = {
        "id": "c-1",
        "workspace": "w1",
        "entity_version": draw(st.integers(1, 9)),
        "description": None,
        "model_spec": {"model_name": draw(TEXTS), "chat_template": None},
        "executor_config": {
            "gpu": 1,
            "additional_envs": draw(st.sampled_from([envs, envs or None])),
            "additional_args": args,
            "override_config": free or None,
        },
    }
    text = json.dumps(members)
    return members, [secret for secret in placed if secret in text]


def body(members):
    return msgspec.json.encode(members).decode()


def structure(value):
    if isinstance(value, dict):
        return {key: structure(part) for key, part in value.items()}
    return [structure(part) for part in value] if isinstance(value, list) else value is None


@given(configs(), configs())
def test_no_secret_is_in_anything_that_is_shown(one, other):
    """Not in objects, lists, changes, patches, blame, or what dry runs tell."""
    sides = [one[0], other[0]]
    before, after = map(body, sides)
    answer = Answer(201, after, 5, effects=())
    outputs = [
        shown(before, BLIND),
        list_item("deployment-configs", before, lambda _: BLIND),
        changed_fields(*sides, redaction=RULES),
        changed_fields({}, sides[1], redaction=RULES),
        changed_fields(sides[0], {}, redaction=RULES),
        patch(*sides, RULES),
        list(leaves(RULES.redacted(sides[0]))),
        told_of_dry_run(answer, [Effect(2, before, after)], BLIND)[1],
        told_of_dry_run(Answer(204, ""), [Effect(2, before, None)], BLIND)[1],
    ]

    told = "".join(part if isinstance(part, str) else str(part) for part in outputs)
    assert [] == [secret for secret in one[1] + other[1] if secret in told]
    assert (MARK in shown(before, BLIND)) == bool(one[1])


@given(configs(), configs())
def test_a_redacted_config_reads_like_any_other(one, other):
    """Same members, same order; what is not secret is unchanged; and the patch still makes the one of the other."""
    before, after = RULES.redacted(one[0]), RULES.redacted(other[0])

    assert structure(one[0]) == structure(before)
    assert list(one[0]) == list(before)
    assert (before is one[0]) == (not one[1])
    assert before == RULES.redacted(before)
    for (path, value), (_, was) in zip(leaves(before), leaves(one[0]), strict=True):
        assert value == was or MARK in json.dumps(value), path
    assert after == patched(before, msgspec.to_builtins(patch(one[0], other[0], RULES)))


def test_a_secret_that_changes_is_a_change():
    """That it did is told, neither value is."""
    sides = [
        {"executor_config": {"additional_envs": {"HF_TOKEN": value, "A": "1"}}} for value in ("old", "new")
    ]

    [change] = changed_fields(*sides, redaction=Redaction())

    assert ("/executor_config/additional_envs/HF_TOKEN", MARK, MARK) == (change.field, change.old, change.new)
    [added] = changed_fields({}, sides[0], redaction=Redaction())
    assert (UNSET, {"additional_envs": {"HF_TOKEN": MARK, "A": "1"}}) == (added.old, added.new)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--api-key", "x", "y"], ["--api-key", MARK, "y"]),
        (["--api-key", "-x"], ["--api-key", MARK]),
        (["--api-key", "--debug", "x"], ["--api-key", "--debug", "x"]),
        (["--api-key=", "x"], [f"--api-key={MARK}", "x"]),
        (["--api-key"], ["--api-key"]),
        (["--max-tokens", "5", "--token", "a=b"], ["--max-tokens", "5", "--token", MARK]),
        (["--api-key x y", "z"], [f"--api-key {MARK}", "z"]),
        (["--env", "HF_TOKEN=x", "-e", "A=x"], ["--env", f"HF_TOKEN={MARK}", "-e", "A=x"]),
        (["--env=HF_TOKEN=x", "--env A=x"], [f"--env=HF_TOKEN={MARK}", "--env A=x"]),
    ],
)
def test_values_of_options(arguments, expected):
    """Given with a sign of equality, after a blank, as the next argument, or to a variable."""
    assert (
        expected
        == Redaction().redacted({"executor_config": {"additional_args": arguments}})["executor_config"][
            "additional_args"
        ]
    )


@pytest.mark.parametrize("text", ["a", "a://", "a://b:", "://:", "-----BEGIN ", "A", "x="])
def test_no_text_takes_long(text):
    """Whoever writes a config cannot hold up those who read it."""
    long = text * (200_000 // len(text))
    config = {
        "model_spec": {"chat_template": long},
        "executor_config": {"additional_envs": {long: ""}, "additional_args": [long, f"--{long}"]},
    }
    began = time.process_time()
    Redaction().redacted(config)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("see x1http://u:p@host/path", True),
        ("URL=postgres+asyncpg://u:p@h", True),
        ("redis://:p@h", True),
        ("s3://bucket/a:b@c", False),
        ("https://host:8080/a@b", False),
        ("://u:p@h", False),
    ],
)
def test_passwords_in_addresses(text, secret):
    """Wherever they stand in a text."""
    shown = Redaction().redacted({"model_spec": {"chat_template": text}})["model_spec"]["chat_template"]

    assert (MARK if secret else text) == shown
