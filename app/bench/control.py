"""The control of rebuilds: the finished rows copied table to table, by PostgreSQL alone."""

from __future__ import annotations

import time
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import Connection, sql

from projections.references import TABLES

_SCHEMA = sql.Identifier("control")


class Copied(NamedTuple):
    """Seconds for both tables, with their indexes in place, and with the indexes built afterwards."""

    in_place: float
    afterwards: float


def copy_rows(url: str) -> Copied:
    """Copy the rows of both tables into new ones of the same shape, which are dropped again."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off; SET maintenance_work_mem = '256MB'")
        return Copied(_in_place(connection), _afterwards(connection))


def _in_place(connection: Connection[Any]) -> float:
    _make(connection, "INCLUDING ALL")
    began = time.monotonic()
    _insert(connection)
    seconds = time.monotonic() - began
    _drop(connection)
    return seconds


def _afterwards(connection: Connection[Any]) -> float:
    _make(connection, "INCLUDING ALL EXCLUDING INDEXES")
    began = time.monotonic()
    _insert(connection)
    for table in TABLES.values():
        for (definition,) in connection.execute(
            "SELECT replace(indexdef, ' ON public.', ' ON control.') FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename = %s",
            [table],
        ).fetchall():
            connection.execute(definition)
    seconds = time.monotonic() - began
    _drop(connection)
    return seconds


def _make(connection: Connection[Any], like: LiteralString) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(_SCHEMA))
    for table in TABLES.values():
        connection.execute(
            sql.SQL("CREATE TABLE {0}.{1} (LIKE public.{1} {2})").format(
                _SCHEMA, sql.Identifier(table), sql.SQL(like)
            )
        )


def _insert(connection: Connection[Any]) -> None:
    for table in TABLES.values():
        connection.execute(
            sql.SQL("INSERT INTO {0}.{1} SELECT * FROM public.{1}").format(_SCHEMA, sql.Identifier(table))
        )


def _drop(connection: Connection[Any]) -> None:
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(_SCHEMA))
