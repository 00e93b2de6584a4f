"""What is shown of a config to those who may not see its secrets: everything but the secret values.

Which values are secret is told by the names they stand under, by the look of the value itself, and by rules
of the operator's own. Only values are replaced, keys and structure stay: a redacted config reads like any
other, and a field of one has the same pointer in the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

MARK: Final = "[redacted]"
"""Stands where a value is left out."""

REDACTABLE: Final = (
    "/model_spec/chat_template",
    "/executor_config/additional_envs",
    "/executor_config/additional_args",
    "/executor_config/override_config",
    "/executor_config/k8s_nim_operator_config/resources",
    "/executor_config/k8s_nim_operator_config/tolerations",
    "/executor_config/k8s_nim_operator_config/node_selector",
)
"""Where fields can be named: parts that hold people's own texts, and that no list filters or sorts by."""

Path = tuple[str, ...]
Members = Mapping[str, Any]


class Redaction(msgspec.Struct, frozen=True):
    """Rules beside those that always hold.

    `names` are patterns that a name contains, in any case; `fields` are the pointers' parts, where `*` stands
    for any member or element.
    """

    names: tuple[str, ...] = ()
    fields: tuple[Path, ...] = ()

    def redacted(self, members: Members) -> Members:
        """The members without secret values; the very same ones if there are none."""
        shown = {key: _shown(self, (key,), members[key]) for key in _PARTS if members.get(key) is not None}
        if all(shown[key] is members[key] for key in shown):
            return members
        return {**members, **shown}

    def hides(self, name: str) -> bool:
        """Whether values under this name are secret."""
        return looks_secret(name) or any(pattern.search(name) for pattern in _compiled(self.names))

    def lists(self, path: Path) -> bool:
        """Whether a field is one of the named ones; what is inside one is left out with it."""
        return any(
            len(field) == len(path) and all(a in {"*", b} for a, b in zip(field, path, strict=True))
            for field in self.fields
        )


def looks_secret(name: str) -> bool:
    """Whether a name says that its value is a secret: `HF_TOKEN`, `apiKey`, `--db-password`.

    A number of tokens is none: `MAX_TOKENS`.
    """
    if name.upper() in _WORKING_DIRECTORIES:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    if not _COUNTS.isdisjoint(words):
        words = [word for word in words if word != "tokens"]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


_PARTS: Final = ("model_spec", "executor_config")
_ENVIRONMENT: Final = ("executor_config", "additional_envs")
_ARGUMENTS: Final = ("executor_config", "additional_args")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_ENDS: Final = (
    *("token", "tokens", "secret", "secrets", "password", "passwords", "passwd", "passphrase"),
    *("apikey", "apikeys", "privatekey", "accesskey", "credential", "credentials"),
)
_SECRET_WORDS: Final = frozenset(
    [
        "key",
        "keys",
        "pass",
        "passcode",
        "pwd",
        "pw",
        "cred",
        "creds",
        "auth",
        "authorization",
        "bearer",
        "jwt",
        "cookie",
        "dsn",
        "pat",
        "salt",
    ]
)
_COUNTS: Final = frozenset(["max", "min", "num", "number", "count", "limit", "per", "total", "budget"])
_WORKING_DIRECTORIES: Final = ("PWD", "OLDPWD")
# A password in an address, and a private key in its usual clothes. Each begins with a text of its own and
# ends before the next one can begin: whoever may write a config must not be able to make reading it slow.
_SECRET_VALUE: Final = re.compile(
    r"(?<=[a-z0-9+.-])://[^/\s:@]*+:[^/\s@]++@|-----BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE
)
# An option, perhaps with its value in the same argument; and a variable, as after `--env`.
_OPTION: Final = re.compile(r"(--?[^=\s]+)(?:([=\s])(.*))?", re.DOTALL)
_VARIABLE: Final = re.compile(r"([A-Za-z_]\w*)=.*", re.DOTALL)


@lru_cache(maxsize=64)
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


def _shown(rules: Redaction, path: Path, value: Any) -> Any:
    """The value at a path as it is shown; the very same one if nothing in it is secret."""
    if rules.lists(path):
        return _hidden(value)
    if isinstance(value, dict):
        return _same_or(value, _object(rules, path, value))
    if isinstance(value, list):
        elements = [_shown(rules, (*path, str(n)), element) for n, element in enumerate(value)]
        return _same_or(value, _arguments(rules, elements) if path == _ARGUMENTS else elements)
    return MARK if isinstance(value, str) and _SECRET_VALUE.search(value) else value


def _object(rules: Redaction, path: Path, value: dict[str, Any]) -> dict[str, Any]:
    shown = {key: _shown(rules, (*path, key), part) for key, part in value.items()}
    if path == _ENVIRONMENT:
        return {key: _hidden(part) if rules.hides(key) else part for key, part in shown.items()}
    # The way in which Kubernetes writes a variable: {"name": "HF_TOKEN", "value": "..."}.
    name = value.get("name")
    if isinstance(name, str) and "value" in value and rules.hides(name):
        shown["value"] = _hidden(value["value"])
    return shown


def _arguments(rules: Redaction, arguments: Sequence[str]) -> list[str]:
    """Command line arguments without the values of options whose names look secret."""
    shown = []
    expected = False
    for argument in arguments:
        option = _OPTION.fullmatch(argument)
        if expected and not argument.startswith("--"):
            shown.append(MARK)
            expected = False
            continue
        secret = option is not None and rules.hides(option[1])
        expected = secret and option is not None and not option[2]
        if option is None or not option[2]:
            shown.append(_variable(rules, argument))
        elif secret:
            shown.append(f"{option[1]}{option[2]}{MARK}")
        else:
            given = option[3]
            value = _variable(rules, given)
            shown.append(argument if value is given else f"{option[1]}{option[2]}{value}")
    return shown


def _variable(rules: Redaction, argument: str) -> str:
    """An argument such as `HF_TOKEN=x` without its value; the very same one if it is no secret."""
    variable = _VARIABLE.fullmatch(argument)
    return f"{variable[1]}={MARK}" if variable is not None and rules.hides(variable[1]) else argument


def _hidden(value: Any) -> Any:
    """The value with its structure, but nothing that it says."""
    if isinstance(value, dict):
        return {key: _hidden(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_hidden(part) for part in value]
    return value if value is None else MARK


def _same_or(value: Any, shown: Any) -> Any:
    before, after = (part.values() if isinstance(part, dict) else part for part in (value, shown))
    return value if all(a is b for a, b in zip(before, after, strict=True)) else shown
