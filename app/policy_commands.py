"""The command line `deployment-ledger policy`: what a policy file says, before it is in force."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from app.policy import BadPolicy, load_policy
from domain.authorisation import ANY, Caller, Grant, Policy, Rights
from domain.principal import Principal

DONE: Final = 0
WRONG: Final = 1

app = App(name="policy", help="Check a policy file, and ask it who may do what.", help_format="markdown")


class _Told(msgspec.Struct, frozen=True):
    """What a caller may do, and the numbers of the grants that let it."""

    principal: str
    workspaces: dict[str, list[str]]
    grants: list[int]


@app.command
def check(
    file: Path,
    /,
    *,
    as_: Annotated[
        str | None, Parameter(name="--as", help="A principal's id; `''` is the anonymous.")
    ] = None,
    group: Annotated[
        tuple[str, ...], Parameter(name="--group", help="A group it is in; again for more.")
    ] = (),
    claim: Annotated[
        tuple[str, ...],
        Parameter(name="--claim", help="A claim of its token, as `name=value`; again for more."),
    ] = (),
    workspace: Annotated[str | None, Parameter(name="--workspace", help="Only in this workspace.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")] = False,
) -> int:
    """Check a policy file, and say who may what; with `--as`, what one principal may, and by which grants.

    Exit code 1 if the file cannot be used.

    ```
    deployment-ledger policy check policy.toml
    deployment-ledger policy check policy.toml --as ann@example.com --group ml --workspace production
    ```
    """
    try:
        policy = load_policy(file)
    except BadPolicy as bad:
        sys.stderr.write(f"deployment-ledger policy: {bad}\n")
        return WRONG
    lines: Iterator[str]
    if as_ is None:
        lines = _grants(policy)
    else:
        claims = frozenset((name, value) for name, _, value in (given.partition("=") for given in claim))
        told = _told(policy, Caller(Principal(as_, groups=group), claims), workspace)
        lines = iter([msgspec.json.encode(told).decode()]) if json else _decision(told, policy)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return DONE


def _told(policy: Policy, caller: Caller, workspace: str | None) -> _Told:
    access = policy.access_of(caller)
    rights: dict[str, Rights] = {ANY: access.everywhere, **access.workspaces}
    if workspace is not None:
        rights = {workspace: access.rights(workspace)}
    return _Told(
        caller.principal.id,
        {name: sorted(given) for name, given in sorted(rights.items()) if given},
        [
            number
            for number, grant in enumerate(policy.grants, 1)
            if grant.is_for(caller) and (workspace is None or {ANY, workspace} & set(grant.workspaces))
        ],
    )


def _decision(told: _Told, policy: Policy) -> Iterator[str]:
    name = told.principal or "the anonymous"
    if not told.workspaces:
        yield f"{name}: nothing"
    for workspace, rights in told.workspaces.items():
        where = "every workspace" if workspace == ANY else workspace
        yield f"{name}: {', '.join(rights)} in {where}"
    for number in told.grants:
        yield f"  by {_grant(number, policy.grants[number - 1])}"


def _grants(policy: Policy) -> Iterator[str]:
    for number, grant in enumerate(policy.grants, 1):
        yield _grant(number, grant)
    for principal, others in policy.services.items():
        whom = "anybody" if ANY in others else ", ".join(sorted(others)) or "nobody else"
        yield f"{principal} is a service, which may act on behalf of {whom}"


def _grant(number: int, grant: Grant) -> str:
    whom: list[str] = []
    whom += ["everyone who is known" if name == ANY else name for name in sorted(grant.principals)]
    whom += [f"group {name}" for name in sorted(grant.groups)]
    if grant.claims:
        whom.append("tokens with " + " and ".join(f"{name}={value}" for name, value in sorted(grant.claims)))
    whom += ["everybody"] * grant.anonymous
    secrets = {None: "", True: " with secrets", False: " without secrets"}[grant.secrets]
    return f"grant {number}: {grant.role}{secrets} in {_named(grant.workspaces)} for {'; '.join(whom)}"


def _named(workspaces: Sequence[str]) -> str:
    return "every workspace" if ANY in workspaces else ", ".join(workspaces)
