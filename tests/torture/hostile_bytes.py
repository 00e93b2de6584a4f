"""Bytes that have broken parsers before, and ways to put them into requests."""

import re

DEEP = 100_000

NUMBERS = (
    b"0 1 -1 2147483648 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 "
    b"18446744073709551616 1e400 -1e400 1e-400 -0 -0.0 2.0 2.5 1e2 01 +1 1. .5 1e 0x10 1_0 NaN Infinity "
    b"-Infinity 5e-324 1.7976931348623157e308 9007199254740993 0.1e1"
).split()

# Not UTF-8: a lone byte, overlong forms, encoded surrogates, beyond U+10FFFF, cut short, UTF-16.
NOT_UTF8 = (
    b"\xff",
    b"\xc0\x80",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f\x98",
    "a\u00e9".encode("utf-16"),
)
ODD_TEXT = (
    b"\x00",
    b"\x7f",
    b"\x1b[2J",
    b"\xef\xbb\xbf",
    "\u202e\u0000\ufffe".encode(),
    "\U0001f600e\u0301\u212a".encode(),
    b"%00",
    b"%s%n",
    b"'; --",
    b"..",
    b"a" * 256,
)

TOKENS = (
    *NUMBERS,
    *(b'"%b"' % text for text in (*NOT_UTF8, *ODD_TEXT)),
    rb'"\ud800"',
    rb'"\udc00\ud800"',
    rb'"\u0000"',
    rb'"\u212a"',
    rb'"\x41"',
    rb'"\u12"',
    b'"\\"',
    b"'single'",
    b"null",
    b"true",
    b"false",
    b"True",
    b"None",
    b"undefined",
    b"{}",
    b"[]",
    b"[[]]",
    b'""',
    b'{"":""}',
    b'{"a":1,"a":2}',
    b"/* */",
    b"\xef\xbb\xbf",
    b"\x0c",
    b"\xc2\xa0",
)
"""What may stand for a value in JSON, or should not."""

LARGE = (
    b"1" * 4300,
    b"1" * 4301,
    b"-" + b"1" * 4300,
    b"0." + b"3" * 5000,
    b"1" * 100_000,
    b'"' + b"a" * 70_000 + b'"',
    b"[" * 201 + b"]" * 201,
    b"[" * 200 + b"]" * 200,
    b'{"a":' * 199 + b"1" + b"}" * 199,
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b'"' + b"\\" * 999,
    b"[" + b"1," * 9_999 + b"1]",
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(2_000)) + b"}",
)
"""The same, but such as take time: they come less often."""

PERCENT = (
    b"% %% %2 %zz %u0041 %00 %0a %0d%0a %2e %2e%2e %2f %5c %25 %2500 %252f %ff %c0%80 %ed%a0%80 %ef%bb%bf "
    b"%f0%9f%98%80 %f4%90%80%80 + & && = == ; ? # [ ] [] %5b %5D [[ a[] [a]b ~ | ^ ` { } \\ \" ' < > , ."
).split()
SEGMENTS = (
    b"",
    b".",
    b"..",
    b"...",
    b"%2e",
    b"%2e%2e",
    b"%2E%2e%2f",
    b"..%2f..",
    b"%00",
    b"a%00",
    b"%ff",
    b"%ed%a0%80",
    b"\xc3\xa9",
    b"%c3%a9",
    b"-",
    b"*",
    b"~",
    b";a=b",
    b"a;b",
    b"a%3Fb",
    b"%23",
    b"%25",
    b"%252e",
    b"0",
    b"-1",
    b"01",
    b"1.0",
    b"%2B1",
    b"9223372036854775808",
    b"9" * 5000,
    b"a" * 300,
    b"a" * 20_000,
    b"{name}",
    b"null",
    b"versions",
    b"%20",
    b"a%20b",
    b"%0d%0aX:y",
    b"\\..\\",
    b"A",
    "\u212a".encode(),
    b"%E2%84%AA",
)
TEXTS = (
    *NOT_UTF8,
    *(text for text in ODD_TEXT if b"\0" not in text),
    *PERCENT,
    b"",
    b" ",
    b"\t",
    b'"',
    b'""',
    b'W/"1.1"',
    b'"1.1"',
    b'"9223372036854775808.1"',
    b'"' + b"9" * 5000 + b'.1"',
    b"*",
    b"*, *",
    b'"a",' * 2_000,
    b", " * 5_000,
    b"a@b",
    b"@",
    b"a@b@c",
    b"service:x",
    b"g," * 99 + b"g",
    b"g," * 101,
    b"x" * 256,
    b"x" * 257,
    b"x" * 1001,
)
"""What may stand for the value of a header."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[a-z]+|[][{}:,]')


def token(random):
    """Something that may stand for a value in JSON, or should not."""
    return random.choice(LARGE if random.random() < 0.005 else TOKENS)


def mutated_json(random, body):
    """The body with a few tokens or bytes changed; sometimes as it is."""
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        body = random.choice((_token_replaced, _token_replaced, _token_moved, _bytes_changed))(random, body)
    return body


def mutated_text(random, text, tricks):
    """The text with something of the tricks in it, or a byte changed."""
    if random.random() < 0.3:
        return _bytes_changed(random, text)
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(tricks) + text[at + random.choice((0, 0, 1, 5)) :]


def _token_replaced(random, body):
    spans = [token.span() for token in _TOKEN.finditer(body[:20_000])]
    if not spans:
        return body + token(random)
    start, end = random.choice(spans)
    return body[:start] + token(random) + body[end:]


def _token_moved(random, body):
    spans = [token.span() for token in _TOKEN.finditer(body[:20_000])]
    if not spans:
        return body
    start, end = random.choice(spans)
    token = body[start:end]
    body = body if random.random() < 0.5 else body[:start] + body[end:]
    at = random.choice(spans)[0]
    return body[:at] + token * random.choice((0, 1, 1, 2, 50)) + body[at:]


def _bytes_changed(random, text):
    kind = random.randrange(4)
    at = random.randrange(len(text) + 1)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + bytes((random.randrange(256),)) + text[at + 1 :]
    if kind == 2:
        return text[:at] + random.choice((*NOT_UTF8, *ODD_TEXT)) + text[at:]
    end = random.randrange(at, len(text) + 1)
    return text[:at] + text[at:end] * 2 + text[end:]
