"""The point in the log that a read asks for with `as_of`: a position, or a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from msgspec import Meta

from app.reader import Reader
from app.reading import InvalidRequest

POINT_FORMS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
    {"type": "string", "format": "date-time"},
)
"""What a point in the log looks like, as JSON Schemas."""

Point = Annotated[str, Meta(extra_json_schema={"anyOf": list(POINT_FORMS)})]
"""A position of the log or a time, as a query has it; `position_of` reads it."""

_POSITION: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+ -][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_MALFORMED: Final = "Input should be a position of the log or an RFC 3339 time such as 2026-11-17T14:00:00Z"


async def position_of(reader: Reader, text: str, parameter: str = "as_of") -> int:
    """The position that `as_of` means; 0 is before the first event.

    What is neither a position nor a time, and what lies in the future, is an `InvalidRequest`: nobody can
    know yet what will be answered then.
    """
    if _POSITION.fullmatch(text) is not None:
        position = int(text)
        head = await reader.head()
        if position > head:
            raise _invalid("in_the_future", f"The log ends at position {head}", text, parameter)
        return position
    time = _time(text)
    if time is None:
        raise _invalid("as_of_parsing", _MALFORMED, text, parameter)
    now = datetime.now(UTC)
    if time > now:
        raise _invalid("in_the_future", f"It is {now:%Y-%m-%dT%H:%M:%S.%fZ}", text, parameter)
    return await reader.position_at(time)


def _time(text: str) -> datetime | None:
    """An RFC 3339 time, cut to microseconds, which are what events have."""
    if _TIME.fullmatch(text) is None:
        return None
    # A plus sign that was not percent-encoded arrives as a blank.
    plus = f"{text[:-6]}{text[-6:].replace(' ', '+')}".upper()
    cut = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", plus)
    try:
        return datetime.fromisoformat(cut).astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February, or an offset beyond the calendar
        return None


def _invalid(kind: str, message: str, text: str, parameter: str) -> InvalidRequest:
    return InvalidRequest([{"type": kind, "loc": ["query", parameter], "msg": message, "input": text}])
