"""What audit commands have in common: options, exit codes, and how their failures are told."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, ParamSpec

import msgspec
from cyclopts import Parameter, validators
from typing_extensions import override

from app.audit.database import OutsideTheLog
from app.audit.export import ExportRefused
from app.audit.scope import (
    Moment,
    Named,
    Scope,
    VersionAt,
    moment_argument,
    named_argument,
    reference_argument,
    scope_argument,
)
from app.policy import BadPolicy, load_policy
from app.settings import DEFAULTS, BadSetting, Resolved, describe, resolve
from domain.errors import Refusal
from domain.kinds import UnreadableEventError
from domain.redaction import Redaction
from domain.sight import EVERYTHING_SEEN, Sight

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
NOTHING_FOUND: Final = 3
INTERRUPTED: Final = 130

AT_LEAST_0: Final = validators.Number(gte=0, lt=2**63)
AT_LEAST_1: Final = validators.Number(gte=1, lt=2**63)

P = ParamSpec("P")


def _argument(converter: Callable[..., Any], text: str) -> Parameter:
    return Parameter(converter=converter, n_tokens=1, accepts_keys=False, show_default=False, help=text)


ScopeArgument = Annotated[
    Scope,
    _argument(
        scope_argument,
        "A workspace, or `WORKSPACE/deployments/NAME`, or `WORKSPACE/deployment-configs/NAME`; "
        "nothing, or `all`, for everything.",
    ),
]
NamedArgument = Annotated[
    Named,
    _argument(
        named_argument,
        "A deployment, as `NAME` in the workspace `default` or as `WORKSPACE/NAME`; "
        "a config as `WORKSPACE/deployment-configs/NAME`.",
    ),
]
MomentArgument = Annotated[
    Moment, _argument(moment_argument, "A time such as `2026-11-17T14:00` (UTC), or a position of the log.")
]
ReferenceArgument = Annotated[
    VersionAt, _argument(reference_argument, "A version, `@` and a position of the log, or a time.")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """Where the database is."""

    database_url: Annotated[str | None, Parameter(help=describe("database_url"))] = None
    data_dir: Annotated[
        str | None,
        Parameter(
            help=f"{describe('data_dir')} A server that runs there is used. [default: {DEFAULTS.data_dir}]"
        ),
    ] = None
    settings: Annotated[Path | None, Parameter(help="TOML file with settings.")] = None

    def resolved(self) -> Resolved:
        """All settings, of which audits need those of the database."""
        given = {"database_url": self.database_url, "data_dir": self.data_dir}
        return resolve(given, os.environ, self.settings)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options(DatabaseOptions):
    """Where the database is, and for whom the output is."""

    json: Annotated[
        bool,
        Parameter(name="--json", negative="", help="Print JSON for programs, lists as one object a line."),
    ] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OwnerOptions(Options):
    """Where the database is, also for who may change its tables, and for whom the output is."""

    owner_url: Annotated[str | None, Parameter(help=describe("owner_url"))] = None

    @override
    def resolved(self) -> Resolved:
        """All settings, of which those of the database are needed."""
        given = {name: getattr(self, name) for name in ("database_url", "owner_url", "data_dir")}
        return resolve(given, os.environ, self.settings)


WithSecrets = Annotated[
    bool,
    Parameter(negative="", help="Show the values of secrets, too, which are otherwise `[redacted]`."),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShowingOptions(Options):
    """Where the database is, for whom the output is, and whether secrets are in it."""

    with_secrets: WithSecrets = False

    @property
    def sight(self) -> Sight:
        """What is shown of objects."""
        return sight_of(self.resolved(), with_secrets=self.with_secrets)


def sight_of(resolved: Resolved, *, with_secrets: bool) -> Sight:
    """What is shown of objects: all but secrets, which are what they are for the service."""
    if with_secrets:
        return EVERYTHING_SEEN
    file = resolved.settings.policy_file
    try:
        return Sight(True, Redaction() if file is None else load_policy(Path(file)).redaction)
    except BadPolicy as bad:
        raise BadSetting("policy_file", str(bad), resolved.origins["policy_file"]) from bad


class NothingFound(Exception):
    """What was asked for is not there; the text says what."""


class WrongUse(Exception):
    """The command line contradicts itself; the text says how."""


class Interrupted(Exception):
    """The command was interrupted; the text says how far it had come."""


CODES: Final[dict[type[Exception], int]] = {
    NothingFound: NOTHING_FOUND,
    Refusal: NOTHING_FOUND,  # what the questions are refused for is that something is not there
    WrongUse: WRONG_USE,
    OutsideTheLog: WRONG_USE,
    ExportRefused: FAILED,
    UnreadableEventError: FAILED,
    Interrupted: INTERRUPTED,
}


def told(command: Callable[P, int]) -> Callable[P, int]:
    """The command, with its failures as a line on stderr and an exit code."""
    # The package is called as its group of commands.
    group = command.__module__.split(".")[1]

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> int:
        try:
            return command(*arguments, **options)
        except tuple(CODES) as failure:
            note(f"deployment-ledger {group}: {failure}")
            return next(code for kind, code in CODES.items() if isinstance(failure, kind))
        except KeyboardInterrupt:
            note(f"deployment-ledger {group}: interrupted")
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read the output has left. What is still buffered must not be tried again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED

    return run


def print_json(data: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(f"{msgspec.json.encode(data).decode()}\n")


def print_all(items: Iterable[Any]) -> int:
    """Print a line of JSON for each; the number of them."""
    count = 0
    for item in items:
        print_json(item)
        count += 1
    return count


def note(text: str) -> None:
    """Tell people something that is not output."""
    sys.stderr.write(f"{text}\n")
