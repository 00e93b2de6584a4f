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
    """Which rows, in which order, and which page of them; pages count from 1."""

    condition: Condition | None
    fields: Mapping[str, Field]
    order: Order
    all_versions: bool
    page: int
    page_size: int


class Page(NamedTuple):
    """How many rows match in all, and the bodies of those on the page."""

    total: int
    bodies: list[str]


def list_statement(table: str, query: ListQuery) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement that gives a page as one row; count and page are of one snapshot.

    The end that must be open is chosen before conditions apply: a filter never brings back a superseded
    version into a list of latest ones.
    """
    condition, parameters = criteria.compile(query.condition, query.fields)
    rows = sql.SQL("FROM {table} WHERE {end} = {open} AND {condition}").format(
        table=sql.Identifier(table),
        end=sql.Identifier("valid_until" if query.all_versions else "latest_until"),
        open=sql.Literal(OPEN),
        condition=condition,
    )
    statement = sql.SQL(
        "SELECT (SELECT count(*) {rows}),"
        " ARRAY(SELECT body {rows} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s)"
    ).format(rows=rows, order=order_by(query.order))
    offset = min((query.page - 1) * query.page_size, _OFFSET_MAX)
    return statement, {**parameters, "limit": query.page_size, "offset": offset}
