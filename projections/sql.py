"""The named statements of `.sql` files, as constants.

A file holds statements separated by a line `-- :name`; `{versions}` in one stands for the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, LiteralString

from psycopg import Cursor
from psycopg.rows import tuple_row


def statements(file: str, package: str = "projections", **tables: str) -> dict[str, LiteralString]:
    """The statements of a file by name, with the names of tables filled in.

    What is filled in comes from this code, never from a request, which makes the result literal.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    named = (part.split("\n", 1) for part in text.split("-- :")[1:])
    return {name.strip(): body.format(**tables).strip() for name, body in named}


def ask(
    cursor: Cursor[Any], statement: LiteralString, parameters: Mapping[str, Any]
) -> Cursor[tuple[Any, ...]]:
    """A cursor of its own for a statement's answer, so that several can be on their way in a pipeline."""
    return cursor.connection.cursor(row_factory=tuple_row).execute(statement, parameters)
