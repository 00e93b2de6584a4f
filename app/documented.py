"""What a route says of itself, in the form from which its OpenAPI operation is made."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import msgspec

Traits = Literal["write", "object", "filtered-deployments", "filtered-configs"]


class Documented(msgspec.Struct, frozen=True):
    """A route's answers and what it reads.

    `answers` maps each success status to the type of its body, None for an empty one; `refuses` are the
    statuses of refusals beyond those every route has. Traits: `write` takes `If-Match`, `Idempotency-Key` and
    `X-Change-Reason`; `object` answers with an `ETag`; `filtered-…` takes that resource's filters.
    """

    answers: dict[int, Any]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    refuses: tuple[int, ...] = ()
    traits: tuple[Traits, ...] = ()


class Options(TypedDict):
    """Keyword arguments of Litestar's route decorators."""

    opt: dict[str, Any]


def documented(
    answers: dict[int, Any],
    *traits: Traits,
    body: type[msgspec.Struct] | None = None,
    query: type[msgspec.Struct] | None = None,
    refuses: tuple[int, ...] = (),
) -> Options:
    """For a route decorator: `@get("/path", **documented({200: Body}, "object"))`."""
    return {"opt": {"documented": Documented(answers, body, query, refuses, traits)}}
