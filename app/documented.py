"""What a route says of itself, in the form from which its OpenAPI operation is made."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from domain.errors import Refusal

T = TypeVar("T")
Traits = Literal["write", "object", "filtered-deployments", "filtered-configs", "static", "stream"]


class Pagination(msgspec.Struct, frozen=True):
    """Which part of a list a page is."""

    page: int
    page_size: int
    current_page_size: int
    total_pages: int
    total_results: int


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. Where a typed object in it holds null for a key, the key is left out."""

    data: tuple[T, ...]
    pagination: Pagination
    sort: str


class Documented(msgspec.Struct, frozen=True):
    """A route's answers and what it reads.

    `answers` maps each success status to the type of its body; None is an empty body with status 204, and
    JSON's `null` with others. `refuses` are the refusals it can answer with, beyond those its traits imply.
    Traits: `write` takes `If-Match`, `Idempotency-Key`, `X-Change-Reason` and `dry_run`; `object` answers
    with an `ETag` and takes `If-None-Match`; `filtered-…` takes that resource's filters; `static` needs no
    database; `stream` goes on without end and takes `Last-Event-ID`.
    """

    answers: dict[int, Any]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    refuses: tuple[type[Refusal], ...] = ()
    traits: tuple[Traits, ...] = ()
    media_type: str = "application/json"


class Options(TypedDict):
    """Keyword arguments of Litestar's route decorators."""

    opt: dict[str, Any]


def documented(
    answers: dict[int, Any],
    *traits: Traits,
    body: type[msgspec.Struct] | None = None,
    query: type[msgspec.Struct] | None = None,
    refuses: tuple[type[Refusal], ...] = (),
    media_type: str = "application/json",
) -> Options:
    """For a route decorator: `@get("/path", **documented({200: Body}, "object"))`."""
    return {"opt": {"documented": Documented(answers, body, query, refuses, traits, media_type)}}
