"""How bodies and queries are read: each row of the tables of coercions and findings, and hostile input."""

import json
import threading
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from app.findings import FINDINGS_MAX, finding
from app.reading import NESTING_MAX, InvalidRequest, UnreadableBody, read_body, read_query
from domain.deployment_config import ExecutorConfig

JSON = "application/json"


class Status(StrEnum):
    """An enumeration as a class."""

    READY = "READY"
    ERROR = "ERROR"
    LOST = "LOST"


class Inner(msgspec.Struct, frozen=True):
    """An object inside another."""

    gpu: Annotated[int, Meta(ge=0)]
    grace: Annotated[int, Meta(gt=0)] | None = None


class Body(msgspec.Struct, frozen=True):
    """One field of each kind that can be declared."""

    name: Annotated[str, Meta(max_length=5, pattern=r"^[\w\-.]+\Z")] = "n"
    number: int | None = None
    flag: bool = False
    status: Status | None = None
    kind: Literal["llm", "embed", "another"] | None = "llm"
    inner: Inner | None = None
    inners: list[Inner] = []
    words: tuple[str, ...] = ()
    labels: dict[str, str] | None = None
    counts: dict[str, int] | None = None
    free: dict[str, Any] | None = None
    frees: list[dict[str, Any]] | None = None


class Update(msgspec.Struct, frozen=True):
    """The body of the busiest route."""

    config: Annotated[str, Meta(max_length=255)]
    config_version: int | None = None


class Query(msgspec.Struct, frozen=True):
    """Parameters of each kind."""

    page: Annotated[int, Meta(ge=1)] = 1
    all_versions: bool = False
    sort: str = "created_at"
    kinds: list[str] = []


def body(text: str | bytes) -> Body:
    """`text` read as a JSON body."""
    return read_body(Body, text.encode() if isinstance(text, str) else text, JSON)


def refused(
    text: str | bytes, kind: type[Any] = Body, content_type: str | None = JSON
) -> list[dict[str, Any]]:
    """The items of the refusal of `text`, which must be fit to be sent."""
    with pytest.raises(InvalidRequest) as refusal:
        read_body(kind, text.encode() if isinstance(text, str) else text, content_type)
    json.dumps(refusal.value.items, allow_nan=False, ensure_ascii=False).encode()
    return refusal.value.items


def summary(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Type and location of each item."""
    return [(item["type"], *item["loc"]) for item in items]


@pytest.mark.parametrize(
    ("literal", "number"),
    [
        ("2", 2),
        ("-7", -7),
        ("2.0", 2),
        ("-0.0", 0),
        ("1e3", 1000),
        ("true", 1),
        ("false", 0),
        ('" 2 "', 2),
        ('"\u00a02\u3000"', 2),
        ('"+1"', 1),
        ('"007"', 7),
        ('"1_0"', 10),
        ('"2.0"', 2),
        (f'"{"0" * 5000}1"', 1),
        ("9223372036854774784.0", 2**63 - 1024),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        ("null", None),
    ],
)
def test_integers_are_read_leniently(literal, number):
    """Every spelling of an integer that clients use is that integer, and an `int`."""
    value = body(f'{{"number":{literal}}}').number

    assert number == value
    assert type(number) is type(value)


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        *(
            (f'"{text}"', "int_parsing")
            for text in ["", "1e0", "1.", ".0", "0x1", "٣", "-", "_1", "1__0", "\x1c1", "a"]
        ),
        ("1.5", "int_from_float"),
        ("9223372036854775808.0", "int_parsing_size"),
        ("1e300", "int_parsing_size"),
        (str(2**63), "int_parsing_size"),
        (str(-(2**63) - 1), "int_parsing_size"),
        ("1" * 4300, "int_parsing_size"),
        (f'"{2**63}"', "int_parsing_size"),
        (f'"{"1" * 5000}"', "int_parsing_size"),
        ("[]", "int_type"),
        ("{}", "int_type"),
        ("1e999", "finite_number"),
        ("NaN", "finite_number"),
    ],
)
def test_what_is_no_integer_is_refused(literal, kind):
    """Each way of not being a 64-bit integer has its type."""
    literal = literal.replace("\x1c", r"\u001c")

    assert [(kind, "body", "number")] == summary(refused(f'{{"number":{literal}}}'))


@pytest.mark.parametrize(
    ("literal", "truth"),
    [("true", True), ("1", True), ("1.0", True), ("0", False), ("-0.0", False)]
    + [(f'"{word}"', True) for word in ["true", "T", "yes", "Y", "oN", "1"]]
    + [(f'"{word}"', False) for word in ["FALSE", "f", "no", "n", "off", "0"]],
)
def test_booleans_are_read_leniently(literal, truth):
    """Every spelling of a boolean that clients use is that boolean."""
    assert truth is body(f'{{"flag":{literal}}}').flag


@pytest.mark.parametrize(
    ("literal", "kind"),
    [(text, "bool_parsing") for text in ['" true"', '""', '"oK"', '"o\u212a"', "2", "-1", "2.0"]]
    + [(text, "bool_type") for text in ["null", "0.5", "[]", "{}", "1e999", str(2**70)]],
)
def test_what_is_no_boolean_is_refused(literal, kind):
    """Other words and numbers cannot be interpreted, other values are of a wrong type."""
    assert [(kind, "body", "flag")] == summary(refused(f'{{"flag":{literal}}}'))


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ('{"name":5}', finding("string_type", ("body", "name"), 5)),
        ('{"name":"ab!def"}', finding("string_too_long", ("body", "name"), "ab!def", max_length=5)),
        (
            '{"name":"a\\n"}',
            finding("string_pattern_mismatch", ("body", "name"), "a\n", pattern=r"^[\w\-.]+$"),
        ),
        ('{"name":""}', finding("string_pattern_mismatch", ("body", "name"), "", pattern=r"^[\w\-.]+$")),
        (
            '{"status":"ready"}',
            finding("enum", ("body", "status"), "ready", expected="'READY', 'ERROR' or 'LOST'"),
        ),
        ('{"kind":3}', finding("enum", ("body", "kind"), 3, expected="'llm', 'embed' or 'another'")),
        ('{"inner":{"gpu":"-1"}}', finding("greater_than_equal", ("body", "inner", "gpu"), "-1", ge=0)),
        ('{"inner":{"gpu":1,"grace":0}}', finding("greater_than", ("body", "inner", "grace"), 0, gt=0)),
        ('{"inner":{"x":1}}', finding("missing", ("body", "inner", "gpu"), {"x": 1})),
        ('{"inner":[]}', finding("model_attributes_type", ("body", "inner"), [])),
        ('{"inners":null}', finding("list_type", ("body", "inners"), None)),
        ('{"inners":[{"gpu":0},3]}', finding("model_attributes_type", ("body", "inners", 1), 3)),
        ('{"words":["a",1]}', finding("string_type", ("body", "words", 1), 1)),
        ('{"labels":{"a":"b","c":null}}', finding("string_type", ("body", "labels", "c"), None)),
        ('{"labels":[]}', finding("dict_type", ("body", "labels"), [])),
        ('{"frees":[{},1]}', finding("dict_type", ("body", "frees", 1), 1)),
    ],
)
def test_items(text, item):
    """An item says what is wrong, where, with which value and which limit; its keys have their order."""
    items = refused(text)

    assert [item] == items
    assert list(item) == list(items[0])


def test_texts_of_messages():
    """Messages are the texts clients know, limits filled in."""
    items = refused('{"name":"ab!def","kind":"x","inner":{"gpu":-1}}')

    assert [
        "String should have at most 5 characters",
        "Input should be 'llm', 'embed' or 'another'",
        "Input should be greater than or equal to 0",
    ] == [item["msg"] for item in items]


def test_everything_wrong_is_found_in_order_of_declaration():
    """All problems come together, in the order of the declaration and not of the body."""
    items = refused('{"free":1,"words":5,"inner":{"grace":"x"},"flag":7,"number":"a","name":null}')

    assert [
        ("string_type", "body", "name"),
        ("int_parsing", "body", "number"),
        ("bool_parsing", "body", "flag"),
        ("missing", "body", "inner", "gpu"),
        ("int_parsing", "body", "inner", "grace"),
        ("list_type", "body", "words"),
        ("dict_type", "body", "free"),
    ] == summary(items)


def test_the_number_of_items_is_bounded():
    """A list of a hundred thousand wrong elements is answered with a bounded list of items."""
    items = refused(
        '{"frees":[' + ",".join("1" * 100_000) + '],"free":{"a":[' + ",".join(["1e999"] * 9) + "]}}"
    )

    assert FINDINGS_MAX == len(items)


def test_defaults_unknown_fields_and_duplicates():
    """Absent fields have their defaults, unknown ones are dropped, the last duplicate counts."""
    assert Body() == body("{}")
    assert Body(number=2) == body('{"number":"x","zz":[1e999,"\\u0000"],"number":2}')
    assert Body(number=1) == body('{"number":2,"inner":7,"number":"1","inner":null}')


def test_characters_are_code_points():
    """Limits of length count code points, whichever way the body is read."""
    assert "😀" * 255 == read_body(Update, json.dumps({"config": "😀" * 255}).encode(), JSON).config
    assert (
        "😀" * 255
        == read_body(Update, f'{{"config":"{"😀" * 255}","config_version":"1"}}'.encode(), JSON).config
    )


@pytest.mark.parametrize(
    "literal",
    [
        "0.1",
        "1e-7",
        "-0.0",
        "1.0",
        "100000000000000000000000",
        "-18446744073709551617",
        "1e22",
        "null",
        "5e-324",
        '"é"',
    ],
)
@pytest.mark.parametrize("number", ["1", '"1"'])
def test_free_objects_are_kept_exactly(literal, number):
    """Numbers of free objects keep kind and value, read strictly or leniently, and when written again."""
    value = body(f'{{"number":{number},"free":{{"a":[{literal}]}}}}').free

    assert repr(json.loads(literal)) == repr(value["a"][0])
    assert repr(json.loads(literal)) == repr(json.loads(msgspec.json.encode(value))["a"][0])


@pytest.mark.parametrize(
    "content_type", [JSON, "Application/JSON; charset=latin-1", "application/problem+json"]
)
def test_json_media_types(content_type):
    """Every JSON media type is JSON, whatever its case and parameters."""
    assert Update("c", 1) == read_body(Update, b'{"config":"c","config_version":1}', content_type)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "text/json", "application/jsonx", "json", "a/b/json"]
)
def test_other_media_types_are_texts(content_type):
    """A body of another type is a text, which is not the object that was asked for."""
    expected = [finding("model_attributes_type", ("body",), '{"config":"�"}')]

    assert expected == refused(b'{"config":"\xff"}', Update, content_type)


@pytest.mark.parametrize("content_type", [None, JSON])
def test_no_body_is_missing(content_type):
    """An empty body is missing, whatever it claims to be."""
    assert [finding("missing", ("body",), None)] == refused(b"", Update, content_type)


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "1", "true", "1.5"])
def test_bodies_that_are_no_objects(text):
    """Any other JSON value is one problem of the whole body."""
    assert [finding("model_attributes_type", ("body",), json.loads(text))] == refused(text)


@pytest.mark.parametrize(
    ("raw", "offset", "error"),
    [
        (b"{", 1, "Expecting property name enclosed in double quotes"),
        ('{"é":01}'.encode(), 6, "Expecting ',' delimiter"),
        (b" ", 1, "Expecting value"),
        (b"\xef\xbb\xbf", 0, "Expecting value"),
        (b'{"zz":"\xff"}', 7, "Invalid UTF-8: invalid start byte"),
        ('{"é":"'.encode() + b'\xed\xa0\x80"}', 6, "Invalid UTF-8: invalid continuation byte"),
        (b"{}x", 2, "Extra data"),
        (b'{"name":"a\0"}', 10, "Invalid control character at"),
    ],
)
def test_malformed_json(raw, offset, error):
    """Syntax errors are one item that tells the character where reading ended."""
    assert [finding("json_invalid", ("body", offset), {}, error=error)] == refused(raw)


def test_a_byte_order_mark_is_tolerated():
    """Some clients begin every text with one."""
    assert Update("c") == read_body(Update, b'\xef\xbb\xbf{"config":"c"}', JSON)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"zz":' * 100_000,
        '{"free":' + '{"a":' * 100_000 + "1" + "}" * 100_001,
        '{"free":{"a":' + "[" * NESTING_MAX + "]" * NESTING_MAX + "}}",
        '{"zz":"\\\\","y":' + "[" * NESTING_MAX + "]" * NESTING_MAX + "}",
        '{"zz":' + "1" * 4301 + "}",
        '{"number":-' + "1" * 4301 + "}",
        '{"free":{"a":' + "1" * 1_000_000 + "}}",
    ],
)
def test_unreadable_bodies(text):
    """Depth and endless integers are refused before anything reads them, also in unknown fields."""
    with pytest.raises(UnreadableBody):
        body(text)


def test_depth_counts_structure_only():
    """Brackets inside texts, and brackets side by side, are no depth; the deepest allowed body is read."""
    wide = '{"free":{"a":["' + '[{\\"\\\\' * 1_000 + '"' + ",[]" * 1_000 + "]}}"
    deep = '{"free":{"a":' + "[" * (NESTING_MAX - 2) + "]" * (NESTING_MAX - 2) + "}}"

    assert 1_001 == len(body(wide).free["a"])
    assert deep == msgspec.json.encode({"free": body(deep).free}).decode()


def test_the_deepest_body_fits_on_a_small_stack():
    """Reading the deepest allowed body, leniently too, is safe on a thread with the smallest usual stack."""
    deep = '{"number":"1","free":{"a":' + "[" * (NESTING_MAX - 2) + "]" * (NESTING_MAX - 2) + "}}"
    results = []
    previous = threading.stack_size(256 * 1024)
    thread = threading.Thread(target=lambda: results.append(body(deep).number))
    threading.stack_size(previous)
    thread.start()
    thread.join()

    assert [1] == results


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ('{"labels":{"k":"\\u0000"}}', ("labels", "k")),
        ('{"labels":{"\\u0000":"v"}}', ("labels", "\0", "[key]")),
        ('{"words":["a\\u0000b"]}', ("words", 0)),
        ('{"free":{"a":[{"b":"\\u0000"}]}}', ("free", "a", 0, "b")),
        ('{"free":{"a":[{"\\u0000":1}]}}', ("free", "a", 0, "\0", "[key]")),
        ('{"frees":[{"a":"\\u0000"}]}', ("frees", 0, "a")),
    ],
)
def test_nul_is_refused_everywhere(text, location):
    """No text or key that would be stored may hold NUL, which PostgreSQL cannot store."""
    items = refused(text)

    assert [("string_pattern_mismatch", "body", *location)] == summary(items)
    assert {"pattern": r"^[^\u0000]*$"} == items[0]["ctx"]


def test_what_only_looks_like_nul_is_kept():
    """An escaped backslash before u0000 is six characters and no NUL."""
    assert {"a": "\\u0000"} == body('{"free":{"a":"\\\\u0000"}}').free


@pytest.mark.parametrize(
    ("text", "location", "value"),
    [
        ('{"name":"\\ud800"}', ("name",), "\ufffd"),
        ('{"name":"\\ud800too long"}', ("name",), "\ufffdtoo long"),
        ('{"labels":{"k":"a\\udc00"}}', ("labels", "k"), "a\ufffd"),
        ('{"free":{"\\ud83d":1}}', ("free", "\ufffd", "[key]"), "\ufffd"),
        ('{"free":{"a":["\\ud83dA"]}}', ("free", "a", 0), "\ufffdA"),
    ],
)
def test_lone_surrogates_are_refused(text, location, value):
    """Half a character is refused and echoed as something that UTF-8 can carry."""
    items = refused(text)

    assert [("string_unicode", "body", *location)] == summary(items)
    assert value == items[0]["input"]


@pytest.mark.parametrize(
    ("literal", "echo"),
    [("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e999", "Infinity"), ("-1e999", "-Infinity")],
)
def test_numbers_that_are_not_finite(literal, echo):
    """What is no finite number is refused wherever it would be read, and echoed as a text."""
    text = (
        f'{{"name":{literal},"number":{literal},"flag":{literal},"free":{{"a":[{literal}]}},"zz":{literal}}}'
    )
    items = refused(text)

    assert [
        ("string_type", "body", "name"),
        ("finite_number", "body", "number"),
        ("bool_type", "body", "flag"),
        ("finite_number", "body", "free", "a", 0),
    ] == summary(items)
    assert {echo} == {item["input"] for item in items}


@pytest.mark.parametrize(
    ("text", "location"),
    [
        (f'{{"inner":{{"gpu":{2**63}}}}}', ("inner", "gpu")),
        (f'{{"inners":[{{"gpu":1}},{{"gpu":{2**64}}}]}}', ("inners", 1, "gpu")),
        (f'{{"counts":{{"a":{2**64}}}}}', ("counts", "a")),
    ],
)
def test_integers_beyond_64_bits_are_refused_at_any_depth(text, location):
    """The strict decoder would accept them; wherever an integer is declared they are found."""
    assert [("int_parsing_size", "body", *location)] == summary(refused(text))


def test_query():
    """Parameters are read like bodies; of repeated ones the last counts, lists take all."""
    pairs = [
        ("page", "x"),
        ("page", "+1"),
        ("all_versions", "YES"),
        ("x", "y"),
        ("kinds", "a"),
        ("kinds", "b"),
    ]

    assert Query() == read_query(Query, ())
    assert Query(1, all_versions=True, kinds=["a", "b"]) == read_query(Query, pairs)
    assert Query(page=1) == read_query(Query, [("page", "1.0")])


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("page", "", "int_parsing"),
        ("page", "0", "greater_than_equal"),
        ("page", "1" * 30, "int_parsing_size"),
        ("all_versions", "2", "bool_parsing"),
        ("sort", "a\0", "string_pattern_mismatch"),
        ("sort", "\udcff", "string_unicode"),
    ],
)
def test_malformed_queries(name, text, kind):
    """What is wrong with a parameter is found at its name."""
    with pytest.raises(InvalidRequest) as refusal:
        read_query(Query, [(name, text)])

    assert [(kind, "query", name)] == summary(refusal.value.items)


def test_a_required_parameter_is_missing():
    """A parameter that must be there is asked for."""
    with pytest.raises(InvalidRequest) as refusal:
        read_query(Update, [("config_version", "1")])

    assert [finding("missing", ("query", "config"), {"config_version": "1"})] == refusal.value.items


def test_lengths_at_least():
    """A least length is checked, with the same form of message."""

    class Named(msgspec.Struct, frozen=True):
        name: Annotated[str, Meta(min_length=2, description="With a description.")]

    assert [finding("string_too_short", ("body", "name"), "a", min_length=2)] == refused(
        '{"name":"a"}', Named
    )


@pytest.mark.parametrize(
    "annotation", [float, int | str, dict[int, str], Annotated[list[str], Meta(max_length=1)]]
)
def test_what_cannot_be_read_leniently_cannot_be_declared(annotation):
    """A declaration that the lenient way would read otherwise than the strict one fails at once."""
    kind = msgspec.defstruct("Undecided", [("field", annotation)])

    with pytest.raises(TypeError, match="cannot be read leniently"):
        read_body(kind, b"{}", JSON)


def test_only_structs_are_read():
    """A request is read into a struct and nothing else."""
    with pytest.raises(TypeError, match="is no struct"):
        read_body(dict, b"{}", JSON)


@pytest.mark.parametrize("digits", [4_298, 4_299, 4_300, 4_301])
@pytest.mark.parametrize("sign", ["", "-"])
def test_what_is_accepted_can_be_read_back(sign, digits):
    """An integer in a free-form object is refused, or what is stored of it can be decoded for ever."""
    raw = f'{{"gpu":1,"override_config":{{"n":{sign}{"9" * digits}}}}}'.encode()
    try:
        accepted = read_body(ExecutorConfig, raw, "application/json")
    except UnreadableBody:
        assert digits + len(sign) > 4_300
    else:
        assert accepted == msgspec.json.decode(msgspec.json.encode(accepted), type=ExecutorConfig)
