"""The orders in which lists may be asked for, and their SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from psycopg import sql


class SortKey(msgspec.Struct, frozen=True):
    """A column to sort by; `nulls` is where unset values stand in ascending order, None if there are none."""

    column: str
    nulls: Literal["FIRST", "LAST"] | None = None


class Order(msgspec.Struct, frozen=True):
    """An order of rows without ties: those equal in `key` follow each other as they were created."""

    key: SortKey
    descending: bool = False


def parse_sort(text: str, sortable: Mapping[str, SortKey]) -> Order:
    """The order that a `sort` parameter means: any text means one, and what names no field creation order."""
    if not text:
        return NEWEST_FIRST
    key = sortable.get(text.lstrip("-"))
    return CREATION_ORDER if key is None else Order(key, descending=text.startswith("-"))


def order_by(order: Order) -> sql.Composable:
    """The terms of an ORDER BY clause."""
    term = sql.Identifier(order.key.column) + sql.SQL(" DESC" if order.descending else " ASC")
    if order.key == CREATED:
        return term
    if order.key.nulls is not None:
        # Descending is the exact reverse, so unset values change ends.
        first = (order.key.nulls == "FIRST") != order.descending
        term += sql.SQL(" NULLS FIRST" if first else " NULLS LAST")
    return term + sql.SQL(", {} ASC").format(sql.Identifier(CREATED.column))


def _keys(*columns: str, nulls: Literal["FIRST", "LAST"] | None = None) -> dict[str, SortKey]:
    return {column: SortKey(column, nulls) for column in columns}


CREATED: Final = SortKey("created_position")
"""Times increase with positions, so this is the order of `created_at` as well, and it has indexes."""

CREATION_ORDER: Final = Order(CREATED)
NEWEST_FIRST: Final = Order(CREATED, descending=True)

_COMMON: Final = {
    "created_at": CREATED,
    "entity_version": SortKey("version"),
    **_keys("updated_at", "name", "workspace", "id"),
    **_keys("project", nulls="FIRST"),
}

DEPLOYMENT_SORTABLE: Final[Mapping[str, SortKey]] = {
    **_COMMON,
    **_keys("config", "config_version", "status", "status_message"),
    **_keys("model_provider_id", nulls="LAST"),
}
DEPLOYMENT_CONFIG_SORTABLE: Final[Mapping[str, SortKey]] = {
    **_COMMON,
    **_keys("engine"),
    **_keys("description", "model_entity_id", nulls="LAST"),
}
