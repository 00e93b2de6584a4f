"""Questions that take more than one statement, written once for both kinds of connection.

A question is a generator: it yields statements, is sent their rows, and returns its answer. Servers answer it
with `asked` on an asynchronous connection, programs with `answered` on a plain one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, LiteralString, NamedTuple, TypeAlias, TypeVar

from psycopg import AsyncConnection, Connection

T = TypeVar("T")
Rows: TypeAlias = list[tuple[Any, ...]]


class Ask(NamedTuple):
    """A statement and its parameters."""

    statement: LiteralString
    parameters: dict[str, Any]


Question: TypeAlias = Generator[Ask, Rows, T]


async def asked(connection: AsyncConnection[tuple[Any, ...]], question: Question[T]) -> T:
    """The answer to a question, on an asynchronous connection."""
    try:
        ask = next(question)
        while True:
            cursor = await connection.execute(ask.statement, ask.parameters)
            ask = question.send(await cursor.fetchall())
    except StopIteration as ended:
        answer: T = ended.value
        return answer


def answered(connection: Connection[tuple[Any, ...]], question: Question[T]) -> T:
    """The answer to a question, on a plain connection."""
    try:
        ask = next(question)
        while True:
            ask = question.send(connection.execute(ask.statement, ask.parameters).fetchall())
    except StopIteration as ended:
        answer: T = ended.value
        return answer
