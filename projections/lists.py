"""One page of a list, with the count of all that match, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from psycopg import sql

from projections import criteria
from projections.criteria import Condition, Field
from projections.sorting import Order, order_by
from projections.timeline import OPEN

_OFFSET_MAX: Final = OPEN // 2


class ListQuery(NamedTuple):
    """Which rows, in which order, and which page of them; pages count from 1.

    `as_of` is the position at which the rows held, None for those that hold now.
    """

    condition: Condition | None
    fields: Mapping[str, Field]
    order: Order
    all_versions: bool
    page: int
    page_size: int
    as_of: int | None = None


class Page(NamedTuple):
    """How many rows match in all, and the bodies of those on the page."""

    total: int
    bodies: list[str]


def list_statement(table: str, query: ListQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement that gives a page as one row; count and page are of one snapshot.

    The end that must be open is chosen before conditions apply: a filter never brings back a superseded
    version into a list of latest ones.
    """
    condition, operands = criteria.compile(query.condition, query.fields)
    parameters: dict[str, Any] = dict(operands)
    end = sql.Identifier("valid_until" if query.all_versions else "latest_until")
    if query.as_of is None:
        holds = sql.SQL("{} = {}").format(end, sql.Literal(OPEN))
    else:
        # A row begins no earlier than its version was created, which the index for lists is ordered by.
        holds = sql.SQL(
            "created_position <= %(as_of)s AND valid_from <= %(as_of)s AND {} > %(as_of)s"
        ).format(end)
        parameters["as_of"] = query.as_of
    rows = sql.SQL("FROM {table} WHERE {holds} AND {condition}").format(
        table=sql.Identifier(table), holds=holds, condition=condition
    )
    order = order_by(query.order)
    page = sql.SQL("{rows} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s").format(rows=rows, order=order)
    if criteria.named_workspace(query.condition) is not None:
        # Of rows that are not on the page only what places them is read, which an index may have. No two rows
        # that hold have one created_position, and within a workspace indexes find it.
        page = sql.SQL(
            "{rows} AND created_position = ANY(ARRAY(SELECT created_position {page})) ORDER BY {order}"
        ).format(rows=rows, page=page, order=order)
    statement = sql.SQL("SELECT (SELECT count(*) {rows}), ARRAY(SELECT body {page})").format(
        rows=rows, page=page
    )
    offset = min((query.page - 1) * query.page_size, _OFFSET_MAX)
    return statement, {**parameters, "limit": query.page_size, "offset": offset}
