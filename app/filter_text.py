r"""The text spelling of a filter, as the tree that the other spellings make as well.

    either     := all ("OR" all)*
    all        := term ("AND"? term)*
    term       := "-"? ( comparison | "(" either ")" )
    comparison := field (":" | "~" | ">" | ">=" | "<" | "<=") scalar
                | field "NOT"? "IN" "[" ( scalar ("," scalar)* )? "]"
    scalar     := text in double quotes with JSON's backslash escapes | number | "null"

Keywords are read in any case, field names as they are; blanks around tokens mean nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, NoReturn, TypeAlias

from app.filter_tree import BadFilter

NESTING_MAX: Final = 20
"""Parentheses, brackets and braces that may be open at once, in any spelling."""

Tree: TypeAlias = dict[str, object]


def parse_text(text: str) -> Tree:
    """The tree that the text means; raises `BadFilter` with the place of the first error."""
    return _Parser(text).parse()


class _Token(NamedTuple):
    """The kind of a sign is the sign, that of a keyword the keyword in capitals."""

    kind: str
    text: str
    position: int


class _Parser:
    """Recursive descent with one token of look-ahead in `_token`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._nesting = 0
        self._token = self._scan()

    def parse(self) -> Tree:
        tree = self._either()
        if self._token.kind != "end":
            self._fail("AND, OR or the end of the filter")
        return tree

    def _either(self) -> Tree:
        alternatives = [self._all()]
        while self._token.kind == "OR":
            self._advance()
            alternatives.append(self._all())
        return _combined("$or", alternatives)

    def _all(self) -> Tree:
        terms = [self._term()]
        while self._token.kind == "AND" or self._starts_term():
            if self._token.kind == "AND":
                self._advance()
            terms.append(self._term())
        return _combined("$and", terms)

    def _starts_term(self) -> bool:
        return self._token.kind in {"word", "-", "("}

    def _term(self) -> Tree:
        negated = self._token.kind == "-"
        if negated:
            self._advance()
        tree = self._group() if self._token.kind == "(" else self._comparison()
        return {"$not": tree} if negated else tree

    def _group(self) -> Tree:
        if self._nesting == NESTING_MAX:
            raise BadFilter(f"A filter may nest {NESTING_MAX} levels at most")
        self._nesting += 1
        self._take("(")
        tree = self._either()
        self._take(")")
        self._nesting -= 1
        return tree

    def _comparison(self) -> Tree:
        if self._token.kind != "word":
            self._fail("a field name")
        field = self._advance().text
        if self._token.kind in _COMPARISONS:
            operator = _COMPARISONS[self._advance().text]
            return {field: {operator: self._scalar()}}
        operator = "$in"
        if self._token.kind == "NOT":
            self._advance()
            operator = "$nin"
        if self._token.kind != "IN":
            self._fail("IN" if operator == "$nin" else "one of : ~ > >= < <= IN, NOT IN")
        self._advance()
        return {field: {operator: self._list()}}

    def _list(self) -> list[object]:
        self._take("[")
        elements: list[object] = []
        while self._token.kind != "]":
            if elements:
                self._take(",")
            elements.append(self._scalar())
        self._advance()
        return elements

    def _scalar(self) -> object:
        read = _SCALARS.get(self._token.kind)
        if read is None:
            self._fail("a text in double quotes, a number or null")
        token = self._advance()
        try:
            return read(token.text)
        except ValueError as error:
            self._fail_at(token.position, str(error))

    def _take(self, sign: str) -> None:
        if self._token.kind != sign:
            self._fail(f"'{sign}'")
        self._advance()

    def _advance(self) -> _Token:
        taken, self._token = self._token, self._scan()
        return taken

    def _scan(self) -> _Token:
        match = _TOKEN.match(self._text, self._position)
        if match is None or match.lastgroup is None:
            start = len(self._text) - len(self._text[self._position :].lstrip())
            self._fail_at(start, "this is no part of a filter; texts need double quotes at both ends")
        self._position = match.end()
        group = match.lastgroup
        text = match[group]
        is_own_kind = group == "sign" or (group == "word" and text.upper() in _KEYWORDS)
        return _Token(text.upper() if is_own_kind else group, text, match.start(group))

    def _fail(self, expected: str) -> NoReturn:
        self._fail_at(self._token.position, f"expected {expected}")

    def _fail_at(self, position: int, what: str) -> NoReturn:
        found = (
            ascii(self._text[position : position + _FOUND_MAX]) if position < len(self._text) else "the end"
        )
        raise BadFilter(f"Filter syntax error at character {position + 1}, {found}: {what}")


def _combined(operator: str, trees: list[Tree]) -> Tree:
    return trees[0] if len(trees) == 1 else {operator: trees}


def _unquoted(token: str) -> str:
    # Control characters may stand in the text as they are.
    return str(json.loads(token, strict=False))


_FOUND_MAX: Final = 20  # characters of the filter that an error repeats
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "NULL"})
_COMPARISONS: Final[Mapping[str, str]] = {
    ":": "$eq",
    "~": "$like",
    ">": "$gt",
    ">=": "$gte",
    "<": "$lt",
    "<=": "$lte",
}
_SCALARS: Final[Mapping[str, Callable[[str], object]]] = {
    "text": _unquoted,
    "number": float,
    "NULL": lambda _: None,
}
_TOKEN: Final = re.compile(
    r"""\s*+(?:
        (?P<text>"(?:[^"\\]|\\.)*+")
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))
      | (?P<word>[^\W\d][\w.]*+)
      | (?P<sign>[<>]=?|[:~()\[\],-])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
