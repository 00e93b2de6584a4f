r"""Reading of request bodies and query strings into declared structs, as leniently as clients expect.

A declaration is a frozen msgspec struct: its types, and `msgspec.Meta` for lengths, limits and patterns (with
`\Z` where the published pattern has `$`). Nearly every body is what it should be and takes the fast way, a
strict decoder. Whatever that refuses is read again by `app.coercion`, which accepts more and explains what
it refuses. The fast way never accepts what the slow way would refuse: where the decoder is the more tolerant
one, the body is recognised by its bytes and goes the slow way.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

from app.coercion import oversized_integers_of, reader_of
from app.findings import FINDINGS_MAX, Finding, Location, finding, printable
from app.scalars import Reader

T = TypeVar("T", bound=msgspec.Struct)

NESTING_MAX: Final = 200
"""Levels of lists and objects. Far below what any decoder, encoder or fold here recurses through safely."""

INTEGER_DIGITS_MAX: Final = 4_300
"""Digits of an integer literal: Python's own limit, beyond which reading takes quadratic time."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# The look-behind keeps a search from starting again at every digit of a number just short of the limit.
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{%d}" % (INTEGER_DIGITS_MAX + 1))
_STEP: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[{]}"'))


class InvalidRequest(Exception):
    """The body or the query is not what the route declares; `items` say where and why."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(items)} invalid: {', '.join(str(item['loc']) for item in items[:3])}")
        self.items = items


class UnreadableBody(Exception):
    """The body cannot even be parsed: nested too deeply, or an integer of thousands of digits."""

    def __init__(self) -> None:
        super().__init__("There was an error parsing the body")


class _Declaration(Generic[T]):
    """What is derived from a struct, once, to read it."""

    def __init__(self, kind: type[T]) -> None:
        declared = msgspec.inspect.type_info(kind)
        if not isinstance(declared, msgspec.inspect.StructType):
            message = f"{kind!r} is no struct: a request is read into a struct"
            raise TypeError(message)
        self.decode: Final[Callable[[bytes], T]] = msgspec.json.Decoder(kind).decode
        self.oversized: Final = oversized_integers_of(declared) or (lambda _: False)
        self.read: Final[Reader] = reader_of(declared, kind)
        self.repeatable: Final = frozenset(
            field.encode_name
            for field in declared.fields
            if isinstance(field.type, msgspec.inspect.ListType | msgspec.inspect.VarTupleType)
        )


_declaration_of = lru_cache(maxsize=None)(_Declaration)


def read_body(kind: type[T], raw: bytes, content_type: str | None) -> T:
    """The body as `kind`; InvalidRequest with every problem found, or UnreadableBody."""
    declaration: _Declaration[T] = _declaration_of(kind)
    if not raw:
        raise InvalidRequest([finding("missing", ("body",), None)])
    if content_type != "application/json" and not _is_json(content_type or ""):
        text = raw.decode("utf-8", "replace")
        raise InvalidRequest([finding("model_attributes_type", ("body",), text)])
    if len(raw) > NESTING_MAX and _nests_too_deeply(raw):
        raise UnreadableBody
    if _decoder_is_trusted_with(raw):
        try:
            value = declaration.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # the slow way says what is wrong, or that nothing is
        else:
            if not declaration.oversized(value):
                return value
    return _read_leniently(declaration, _parsed(raw), ("body",))


def read_query(kind: type[T], pairs: Sequence[tuple[str, str]]) -> T:
    """The query's parameters as `kind`; of repeated ones the last counts, but lists take all."""
    declaration: _Declaration[T] = _declaration_of(kind)
    given: dict[str, Any] = {}
    for name, text in pairs:
        if name in declaration.repeatable:
            given.setdefault(name, []).append(text)
        else:
            given[name] = text
    return _read_leniently(declaration, given, ("query",))


def _read_leniently(declaration: _Declaration[T], value: Any, location: Location) -> T:
    findings: list[Finding] = []
    read: T = declaration.read(value, location, findings)
    if findings:
        raise InvalidRequest(printable(findings[:FINDINGS_MAX]))
    return read


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json")) and "/" not in sub


def _decoder_is_trusted_with(raw: bytes) -> bool:
    """Whether the strict decoder accepts nothing here that is to be refused.

    It lets NUL pass and, in the values of unknown fields, which it skips, invalid UTF-8 and endless integers.
    """
    if b"\\u0000" in raw:
        return False
    if len(raw) > INTEGER_DIGITS_MAX and _LONG_NUMBER.search(raw):
        return False
    return raw.isascii() or _is_utf8(raw)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _nests_too_deeply(raw: bytes) -> bool:
    """Whether any level before the first syntax error is too deep; at worst some 30 ms for a megabyte."""
    if raw.count(b"[") + raw.count(b"{") <= NESTING_MAX:
        return False
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    outside_texts = b"".join(bare.split(b'"')[::2])
    levels = accumulate(memoryview(outside_texts.translate(_STEP)).cast("b"))
    return max(levels, default=0) > NESTING_MAX


def _parsed(raw: bytes) -> Any:
    content = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        return json.loads(content.decode(), parse_int=_integer)
    except UnicodeDecodeError as error:
        _refuse_syntax(len(content[: error.start].decode()), f"Invalid UTF-8: {error.reason}")
    except json.JSONDecodeError as error:
        _refuse_syntax(error.pos, error.msg)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody from error


def _integer(literal: str) -> int:
    """What is read back later counts the sign as a digit, so this must too."""
    if len(literal) > INTEGER_DIGITS_MAX:
        raise ValueError(literal[:20])
    return int(literal)


def _refuse_syntax(offset: int, reason: str) -> NoReturn:
    raise InvalidRequest([finding("json_invalid", ("body", offset), {}, error=reason)])
