"""What validation finds: the items of a 422 answer, with the texts that clients know."""

import json
import math
from typing import Any, Final

Location = tuple[str | int, ...]
Finding = dict[str, Any]

FINDINGS_MAX: Final = 1_000
"""No answer lists many more: one byte of a hostile list would otherwise cost a hundred in the answer."""

_MESSAGES: Final = {
    "missing": "Field required",
    "string_type": "Input should be a valid string",
    "string_unicode": "Input should be a valid string, unable to parse raw data as a unicode string",
    "int_type": "Input should be a valid integer",
    "int_parsing": "Input should be a valid integer, unable to parse string as an integer",
    "int_from_float": "Input should be a valid integer, got a number with a fractional part",
    "int_parsing_size": "Unable to parse input string as an integer, exceeded maximum size",
    "finite_number": "Input should be a finite number",
    "bool_type": "Input should be a valid boolean",
    "bool_parsing": "Input should be a valid boolean, unable to interpret input",
    "list_type": "Input should be a valid list",
    "dict_type": "Input should be a valid dictionary",
    "model_attributes_type": "Input should be a valid dictionary or object to extract fields from",
    "redacted_value": "Input should have the real value where it has the mark of one that is not shown",
    "json_invalid": "JSON decode error",
    "string_too_long": "String should have at most {max_length} characters",
    "string_too_short": "String should have at least {min_length} characters",
    "string_pattern_mismatch": "String should match pattern '{pattern}'",
    "enum": "Input should be {expected}",
    "less_than_equal": "Input should be less than or equal to {le}",
    "less_than": "Input should be less than {lt}",
    "greater_than_equal": "Input should be greater than or equal to {ge}",
    "greater_than": "Input should be greater than {gt}",
}


def finding(kind: str, location: Location, value: Any, **context: Any) -> Finding:
    """One item, its keys in the contract's order; `context` fills the message and becomes `ctx`."""
    item = {"type": kind, "loc": list(location), "msg": _MESSAGES[kind].format_map(context), "input": value}
    return item | {"ctx": context} if context else item


def printable(findings: list[Finding]) -> list[Finding]:
    """The same items, with what JSON or UTF-8 cannot carry (NaN, lone surrogates) replaced by a likeness."""
    try:
        json.dumps(findings, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return [_likeness(item) for item in findings]
    return findings


def _likeness(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, dict):
        return {_likeness(key): _likeness(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_likeness(item) for item in value]
    return value
