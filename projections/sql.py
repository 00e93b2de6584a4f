"""The named statements of `.sql` files, as constants.

A file holds statements separated by a line `-- :name`; `{versions}` in one stands for the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, LiteralString, Protocol


class Session(Protocol):
    """Where statements are carried out in their order: a cursor, or what sends them together.

    A cursor's answer is to be read before its next statement, that of the other after they were sent.
    """

    def execute(
        self, statement: LiteralString, parameters: Mapping[str, Any] | None = None, /
    ) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement's answer, to be looked at once."""


def statements(file: str, package: str = "projections", **tables: str) -> dict[str, LiteralString]:
    """The statements of a file by name, with the names of tables filled in.

    What is filled in comes from this code, never from a request, which makes the result literal.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    named = (part.split("\n", 1) for part in text.split("-- :")[1:])
    return {name.strip(): body.format(**tables).strip() for name, body in named}
