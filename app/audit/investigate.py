"""Audit commands that show events and what they changed: history, who, diff and blame."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token
from psycopg import Connection
from rich.text import Text

from app.audit import tables
from app.audit.database import as_the_service, position_before, position_until, snapshot
from app.audit.log import last_position
from app.audit.options import (
    AT_LEAST_1,
    DONE,
    MomentArgument,
    NamedArgument,
    NothingFound,
    ReferenceArgument,
    ScopeArgument,
    ShowingOptions,
    print_json,
    told,
)
from app.audit.scope import Moment, Named, Scope, VersionAt
from app.audit.search import Search
from domain.kinds import KINDS
from domain.names import Resource
from projections.blame import BlamedField
from projections.blame import blame as blame_question
from projections.comparison import Comparison, compare
from projections.history import Selection, Span
from projections.questions import answered
from projections.references import Name, Reference

NO_OPTIONS: Final = ShowingOptions()
EVERYTHING: Final = Scope()
LATEST: Final = VersionAt(None, None)


def kind_argument(_type: Any, tokens: Sequence[Token]) -> str:
    """A kind of event, as the command line has it."""
    kind = tokens[0].value
    if kind not in KINDS.kinds:
        raise ValueError(f"{kind!r} is no kind of event; there are {', '.join(KINDS.kinds)}")
    return kind


Actor = Annotated[str | None, Parameter(help="Only what this principal did, or others on behalf of it.")]
Kind = Annotated[
    str | None,
    Parameter(
        converter=kind_argument,
        n_tokens=1,
        accepts_keys=False,
        help="Only this, such as `deployment.updated`.",
    ),
]
Since = Annotated[MomentArgument | None, Parameter(help="Only from this time or position on.")]
Until = Annotated[MomentArgument | None, Parameter(help="Only up to this time or position.")]
Limit = Annotated[int | None, Parameter(validator=AT_LEAST_1, help="At most so many.")]
OldestFirst = Annotated[bool, Parameter(negative="", help="Oldest first instead of newest first.")]


@told
def history(
    scope: ScopeArgument = EVERYTHING,
    /,
    *,
    actor: Actor = None,
    kind: Kind = None,
    resource: Annotated[Resource | None, Parameter(help="Only deployments, or only configs.")] = None,
    name: Annotated[str | None, Parameter(help="Only deployments and configs of this name.")] = None,
    since: Since = None,
    until: Until = None,
    oldest_first: OldestFirst = False,
    limit: Limit = None,
    options: ShowingOptions = NO_OPTIONS,
) -> int:
    """Show what happened, newest first: when, to what, by whom, why, and the fields it changed.

    Of everything, of a workspace, or of one deployment or config. The table leaves out fields that differ in
    any two versions; `--json` has them all. Exit code 3 if nothing is found.

    ```
    deployment-ledger audit history production --since 2026-11-17T14:00
    deployment-ledger audit history production/deployments/llama --kind deployment.updated
    deployment-ledger audit history all --actor alice@example.com --limit 20 --json
    ```
    """
    selection = Selection(scope.resource or resource, scope.name or name, kind, actor)
    with snapshot(options.resolved()) as connection:
        span = _span(connection, since, until)._replace(newest_first=not oldest_first)
        count = Search(connection, scope, selection, span, options.sight, limit=limit).show(
            as_json=options.json
        )
    if not count:
        raise NothingFound(f"no such event of {scope.title}")
    return DONE


@told
def who(
    principal: str,
    /,
    *,
    since: Since = None,
    until: Until = None,
    oldest_first: OldestFirst = False,
    limit: Limit = None,
    options: ShowingOptions = NO_OPTIONS,
) -> int:
    """Show everything that a principal did, or that was done on behalf of it, newest first.

    The anonymous caller is `""`. Exit code 3 if there is nothing.

    ```
    deployment-ledger audit who alice@example.com
    deployment-ledger audit who service:models-controller --since 2026-11-17 --json
    ```
    """
    with snapshot(options.resolved()) as connection:
        span = _span(connection, since, until)._replace(newest_first=not oldest_first)
        search = Search(connection, EVERYTHING, Selection(actor=principal), span, options.sight, limit=limit)
        count = search.show(as_json=options.json)
    if not count:
        raise NothingFound(f"no event by {principal!r}, or on behalf of it")
    return DONE


@told
def diff(
    name: NamedArgument,
    before: ReferenceArgument,
    after: ReferenceArgument = LATEST,
    /,
    *,
    options: ShowingOptions = NO_OPTIONS,
) -> int:
    """Show what differs between two states of a deployment or config, and in the configs it refers to.

    A state is a version, `@` and a position, or a time; without AFTER, the latest version now. The table
    leaves out fields that differ in any two versions; `--json` has them all, as a JSON Patch (RFC 6902)
    too. Exit code 3 if one of the two never was.

    ```
    deployment-ledger audit diff production/llama 3 4
    deployment-ledger audit diff production/llama 2026-11-17T14:00
    deployment-ledger audit diff production/deployment-configs/llama-2gpu 1 @1234
    ```
    """
    with snapshot(options.resolved()) as connection:
        as_the_service(connection)
        sides = [_reference(connection, state) for state in (before, after)]
        found = answered(connection, compare(_name(name), sides[0], sides[1], options.sight))
    if options.json:
        print_json(found)
        return DONE
    _show_difference(found)
    return DONE


@told
def blame(
    name: NamedArgument,
    /,
    *,
    version: Annotated[
        int | None, Parameter(validator=AT_LEAST_1, help="A version instead of the latest one.")
    ] = None,
    options: ShowingOptions = NO_OPTIONS,
) -> int:
    """Show for each field of a version the event that gave it its value: by whom, when, and why.

    Exit code 3 if there is no such version.

    ```
    deployment-ledger audit blame production/llama
    deployment-ledger audit blame production/deployment-configs/llama-2gpu --version 2 --json
    ```
    """
    with snapshot(options.resolved()) as connection:
        as_the_service(connection)
        question = blame_question(_name(name), Reference(version), options.sight)
        found = answered(connection, question)
    if options.json:
        print_json(found)
    else:
        tables.print_table(
            ("field", "value", "version", "position", "time", "what", "by", "reason"),
            map(_blame_row, found.fields),
            details=1,
        )
    return DONE


def _show_difference(found: Comparison) -> None:
    tables.print_line(f"{found.workspace}/{found.name}")
    for sign, side in (("from", found.origin), ("to", found.to)):
        made, changed = side.created, side.changed
        tables.print_line(
            Text.assemble(
                f"  {sign:5}version {side.version}, made {tables.time(made.at)} by ",
                tables.who(made.actor),
                tables.plain("" if made.reason is None else f": {made.reason}"),
                f"; as it was since {tables.time(changed.at)} (position {side.position})",
            )
        )
    tables.print_table(("field", "from", "to"), tables.change_rows(found.changes))
    if found.effective is not None:
        config = found.effective.config
        tables.print_line(
            f"config {config.origin.name} {config.origin.version} → {config.to.name} {config.to.version}"
        )
        tables.print_table(("field", "from", "to"), tables.change_rows(config.changes))


def _span(connection: Connection[Any], since: Moment | None, until: Moment | None) -> Span:
    low = 0 if since is None else position_before(connection, since)
    high = last_position(connection, EVERYTHING) if until is None else position_until(connection, until)
    return Span(low, high)


def _reference(connection: Connection[Any], state: VersionAt) -> Reference:
    if state.moment is None:
        return Reference(state.version)
    return Reference(None, position_until(connection, state.moment))


def _name(named: Named) -> Name:
    return Name(named.resource, named.workspace, named.name)


def _blame_row(field: BlamedField) -> tuple[str | Text, ...]:
    return (
        field.field.removeprefix("/"),
        tables.value(field.value),
        str(field.version),
        str(field.position),
        tables.time(field.at),
        field.kind,
        tables.who(field.actor),
        field.reason or "",
    )
