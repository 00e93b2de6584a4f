"""Lenient reading of texts, integers, booleans and enumerations, as pydantic's lax mode reads them.

Two things are stricter, because what is read ends in PostgreSQL: no NUL in texts, no integer beyond 64 bits.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from msgspec import inspect

from app.findings import Finding, Location, finding

Reader = Callable[[Any, Location, list[Finding]], Any]
"""Answers the value to use, or adds to the findings and answers something meaningless."""

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

_DIGITS_MAX: Final = len(str(INTEGER_MAX))
_INTEGER: Final = re.compile(r"([+-]?)([0-9]+(?:_[0-9]+)*)(?:\.0+)?")
# The characters of Unicode's White_Space property; `str.strip()` would also take U+001C to U+001F.
_BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_COMPARISONS: Final[tuple[tuple[str, str, Callable[[int, int], bool]], ...]] = (
    ("le", "less_than_equal", int.__le__),
    ("lt", "less_than", int.__lt__),
    ("ge", "greater_than_equal", int.__ge__),
    ("gt", "greater_than", int.__gt__),
)
_WORDS: Final = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WITHOUT_NUL: Final = r"^[^\u0000]*$"


def scalar_reader_of(declared: inspect.Type, spelled: Any) -> Reader:
    """How to read `declared`, which the source spells so; TypeError if it has no lenient reading."""
    match declared:
        case inspect.StrType():
            return _text_reader(declared)
        case inspect.IntType(multiple_of=None):
            return _integer_reader(declared)
        case inspect.BoolType():
            return _read_boolean
        case inspect.EnumType():
            return _choice_reader({member.value: member for member in declared.cls})
        case inspect.LiteralType():
            return _choice_reader({value: value for value in _literal_values(spelled)})
        case _:
            message = f"{declared!r} cannot be read leniently: declare another type, or extend this function"
            raise TypeError(message)


def check_storable(text: str, location: Location, findings: list[Finding]) -> None:
    """A finding if the text holds what neither UTF-8 (lone surrogates) nor PostgreSQL (NUL) can hold."""
    if _SURROGATE.search(text):
        findings.append(finding("string_unicode", location, text))
    elif "\0" in text:
        findings.append(finding("string_pattern_mismatch", location, text, pattern=_WITHOUT_NUL))


def _text_reader(declared: inspect.StrType) -> Reader:
    """Texts within the declared lengths and pattern, the first broken rule being the finding."""
    longest, shortest = declared.max_length, declared.min_length
    matches = re.compile(declared.pattern).search if declared.pattern else None
    # Clients know `$` as the very end. Python spells that `\Z`: its own `$` also allows a final newline.
    shown = re.sub(r"\\Z$", "$", declared.pattern or "")

    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        if type(value) is not str:
            findings.append(finding("string_type", location, value))
        elif _SURROGATE.search(value):
            findings.append(finding("string_unicode", location, value))
        elif longest is not None and len(value) > longest:
            findings.append(finding("string_too_long", location, value, max_length=longest))
        elif shortest is not None and len(value) < shortest:
            findings.append(finding("string_too_short", location, value, min_length=shortest))
        elif matches is not None and not matches(value):
            findings.append(finding("string_pattern_mismatch", location, value, pattern=shown))
        else:
            check_storable(value, location, findings)
        return value

    return read


def _integer_reader(declared: inspect.IntType) -> Reader:
    """Integers of 64 bits within the declared limits, also spelled `2.0`, `true` or `" +1_0 "`."""
    limits = [
        (name, kind, holds, limit)
        for name, kind, holds in _COMPARISONS
        if (limit := getattr(declared, name)) is not None
    ]

    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        number = _integer(value)
        if isinstance(number, str):
            findings.append(finding(number, location, value))
            return None
        for name, kind, holds, limit in limits:
            if not holds(number, limit):
                findings.append(finding(kind, location, value, **{name: limit}))
                break
        return number

    return read


def _integer(value: Any) -> int | str:
    """The number meant by `value`, or the kind of finding that it is."""
    if isinstance(value, int):
        return int(value) if INTEGER_MIN <= value <= INTEGER_MAX else "int_parsing_size"
    if isinstance(value, str):
        return _integer_from_text(value)
    if not isinstance(value, float):
        return "int_type"
    if not math.isfinite(value):
        return "finite_number"
    if not value.is_integer():
        return "int_from_float"
    # Symmetric, so -2.0**63 is refused although it would fit: clients know it so.
    return int(value) if abs(value) < -INTEGER_MIN else "int_parsing_size"


def _integer_from_text(text: str) -> int | str:
    match = _INTEGER.fullmatch(text.strip(_BLANKS))
    if match is None:
        return "int_parsing"
    digits = match[2].replace("_", "").lstrip("0") or "0"
    # Counting first keeps `int` from its quadratic work on a text of a million digits.
    number = int(match[1] + digits) if len(digits) <= _DIGITS_MAX else INTEGER_MAX + 1
    return number if INTEGER_MIN <= number <= INTEGER_MAX else "int_parsing_size"


def _read_boolean(value: Any, location: Location, findings: list[Finding]) -> bool | None:
    """Truth values, also spelled 1, `0.0`, `"YES"` or `"off"`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Not every letter whose lower case is ASCII is ASCII: the Kelvin sign becomes a k.
        meant = _WORDS.get(value.lower()) if value.isascii() else None
        unreadable = "bool_parsing"
    else:
        number = _integer(value)
        meant = {0: False, 1: True}.get(number) if isinstance(number, int) else None
        unreadable = "bool_parsing" if isinstance(number, int) else "bool_type"
    if meant is None:
        findings.append(finding(unreadable, location, value))
    return meant


def _literal_values(spelled: Any) -> tuple[Any, ...]:
    """The values of the literal type in `spelled`, in the order of the source: msgspec sorts them."""
    if get_origin(spelled) is Literal:
        return tuple(value for value in get_args(spelled) if value is not None)
    return next(filter(None, map(_literal_values, get_args(spelled))), ())


def _choice_reader(choices: Mapping[Any, Any]) -> Reader:
    """The member that a text names exactly."""
    *others, last = (f"'{value}'" for value in choices)
    expected = f"{', '.join(others)} or {last}" if others else last

    def read(value: Any, location: Location, findings: list[Finding]) -> Any:
        if isinstance(value, str) and value in choices:
            return choices[value]
        findings.append(finding("enum", location, value, expected=expected))
        return None

    return read
