r"""Bodies read like the reference reads them: compared with pydantic on random, nearly valid JSON.

The structs and the pydantic models mirror the API's request objects. Left out by construction, because there
the reading differs on purpose (each has its example in test_reading): NUL and lone surrogates, declared
integers beyond 64 bits, numbers that are not finite, and letters on which the two regex engines disagree
about `\w`.
"""

import json
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pydantic
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec import Meta

from app.findings import finding
from app.reading import InvalidRequest, UnreadableBody, read_body, read_query


class Engine(StrEnum):
    """A declaration like the ones of the API: Engine."""

    NIM = "nim"
    VLLM = "vllm"
    GENERIC = "generic"


class Struct(msgspec.Struct, frozen=True):
    """A declaration like the ones of the API: Struct."""


Short = Annotated[str, Meta(max_length=5)]


class ToolCalls(Struct):
    """A declaration like the ones of the API: ToolCalls."""

    tool_call_parser: Short | None = None
    auto_tool_choice: bool | None = None


class Model(Struct):
    """A declaration like the ones of the API: Model."""

    model_type: Engine | None = None
    model_name: Short | None = None
    tool_call_config: ToolCalls | None = None
    lora_enabled: bool = False


class Operator(Struct):
    """A declaration like the ones of the API: Operator."""

    resources: dict[str, Any] | None = None
    tolerations: list[dict[str, Any]] | None = None
    node_selector: dict[str, str] | None = None
    startup_probe_grace_seconds: Annotated[int, Meta(gt=0)] | None = None


class Executor(Struct):
    """A declaration like the ones of the API: Executor."""

    gpu: Annotated[int, Meta(ge=0)]
    disk_size: str = "50Gi"
    additional_args: list[str] = []
    k8s: Operator | None = None


class Config(Struct):
    """A declaration like the ones of the API: Config."""

    name: Annotated[str, Meta(max_length=5, pattern=r"^[\w\-.]+\Z")]
    engine: Engine
    model_spec: Model
    executor_config: Executor
    description: str | None = None
    version: int | None = None


class Page(Struct):
    """A declaration like the ones of the API: Page."""

    page: Annotated[int, Meta(ge=1)] = 1
    all_versions: bool = False
    sort: str = "created_at"


PydanticShort = Annotated[str, pydantic.Field(max_length=5)]


class PydanticToolCalls(pydantic.BaseModel):
    """What pydantic reads as ToolCalls."""

    tool_call_parser: PydanticShort | None = None
    auto_tool_choice: bool | None = None


class PydanticModel(pydantic.BaseModel):
    """What pydantic reads as Model."""

    model_config = pydantic.ConfigDict(protected_namespaces=())
    model_type: Engine | None = None
    model_name: PydanticShort | None = None
    tool_call_config: PydanticToolCalls | None = None
    lora_enabled: bool = False


class PydanticOperator(pydantic.BaseModel):
    """What pydantic reads as Operator."""

    resources: dict[str, Any] | None = None
    tolerations: list[dict[str, Any]] | None = None
    node_selector: dict[str, str] | None = None
    startup_probe_grace_seconds: Annotated[int, pydantic.Field(gt=0)] | None = None


class PydanticExecutor(pydantic.BaseModel):
    """What pydantic reads as Executor."""

    gpu: Annotated[int, pydantic.Field(ge=0)]
    disk_size: str = "50Gi"
    additional_args: list[str] = []
    k8s: PydanticOperator | None = None


class PydanticConfig(pydantic.BaseModel):
    """What pydantic reads as Config."""

    model_config = pydantic.ConfigDict(protected_namespaces=())
    name: Annotated[str, pydantic.Field(max_length=5, pattern=r"^[\w\-.]+$")]
    engine: Engine
    model_spec: PydanticModel
    executor_config: PydanticExecutor
    description: str | None = None
    version: int | None = None


class PydanticPage(pydantic.BaseModel):
    """What pydantic reads as Page."""

    page: Annotated[int, pydantic.Field(ge=1)] = 1
    all_versions: bool = False
    sort: str = "created_at"


texts = st.text(alphabet='aZ09_-. +t"\\/\n\x1f\x7fé日٣😀', max_size=7)
integer_texts = st.from_regex(r"[ \t\u00a0\x1c]?[+-]?[0-9_]{1,8}(\.0*|\.5)?[ \n]?", fullmatch=True)
truth_texts = st.sampled_from(
    ["true", "FALSE", "t", "F", "Yes", "no", "Y", "n", "oN", "OFF", "1", "0", "2", "tru"]
)
floats = st.floats(allow_nan=False, allow_infinity=False)
edges = st.sampled_from(
    [2.0**63, -(2.0**63), 9223372036854774784.0, 2**63 - 1, -(2**63), -0.0, 1.0, 2.0, 1e300]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), floats, edges, texts, integer_texts, truth_texts
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def objects(**fields: Any) -> Any:
    """Objects of these fields; some missing, some of a wrong kind, some unknown."""
    nearly = {name: st.one_of(strategy, strategy, strategy, anything) for name, strategy in fields.items()}
    return st.one_of(
        st.fixed_dictionaries(nearly),
        st.fixed_dictionaries({}, optional={**nearly, "unknown": anything}),
    )


engines = st.sampled_from([*Engine, "NIM", ""])
tool_calls = objects(tool_call_parser=texts, auto_tool_choice=truth_texts)
operators = objects(
    resources=st.dictionaries(texts, anything, max_size=3),
    tolerations=st.lists(st.dictionaries(texts, anything, max_size=2), max_size=2),
    node_selector=st.dictionaries(texts, texts, max_size=3),
    startup_probe_grace_seconds=integer_texts,
)
bodies = objects(
    name=texts,
    engine=engines,
    model_spec=objects(
        model_type=engines, model_name=texts, tool_call_config=tool_calls, lora_enabled=truth_texts
    ),
    executor_config=objects(
        gpu=integer_texts, disk_size=texts, additional_args=st.lists(texts, max_size=3), k8s=operators
    ),
    version=integer_texts,
)


def exact(value: Any) -> str:
    """Text in which 1, 1.0 and true, and 0.0 and -0.0, differ."""
    return json.dumps(value, sort_keys=True)


def ours(read: Any, *arguments: Any) -> str:
    """The value that was read, or the items of the refusal."""
    try:
        return exact(msgspec.to_builtins(read(*arguments)))
    except InvalidRequest as refusal:
        return exact(refusal.items)


def theirs(model: type[pydantic.BaseModel], value: Any, place: str) -> str:
    """The same by pydantic."""
    try:
        return exact(model.model_validate(value, from_attributes=True).model_dump(mode="json"))
    except pydantic.ValidationError as refusal:
        items = refusal.errors(include_url=False)
        return exact([{**item, "loc": [place, *item["loc"]]} for item in items])


@given(bodies)
@example({"name": "a", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}})
@example({"name": "a\n", "engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1.0}})
def test_bodies_are_read_like_the_reference(body):
    """The same value, or the same items in the same order, from every JSON body."""
    raw = json.dumps(body).encode()

    assert theirs(PydanticConfig, body, "body") == ours(read_body, Config, raw, "application/json")


@given(
    st.lists(
        st.tuples(st.sampled_from(["page", "all_versions", "sort", "x"]), texts | integer_texts | truth_texts)
    )
)
def test_queries_are_read_like_the_reference(pairs):
    """The same value, or the same items, from every query string; of repeated parameters the last counts."""
    assert theirs(PydanticPage, dict(pairs), "query") == ours(read_query, Page, pairs)


VALID = json.dumps(
    {
        "unknown": {"é": [1.5, -2e3, '\\"', True, None]},
        "name": "a-1",
        "engine": "nim",
        "model_spec": {"lora_enabled": False, "model_name": "é😀"},
        "executor_config": {"gpu": 1, "k8s": {"resources": {"a": [0.1, 1e-7, -0.0, 12345678901234567890]}}},
    },
    ensure_ascii=False,
).encode()
places = st.integers(0, len(VALID) - 1)
snippets = st.binary(max_size=2) | st.sampled_from(
    [
        b'"',
        b"\\",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"-",
        b"0",
        b".",
        b"e9",
        b"\\u00e9",
        b"\\ud83d\\ude00",
        b"\xed",
    ]
)


@given(st.lists(st.tuples(places, st.integers(0, 3), snippets), max_size=3))
def test_damaged_bodies_are_read_like_the_reference(damages):
    """Whatever bytes are cut out of or put into a body, the strict decoder never accepts more than `json`."""
    raw = VALID
    for place, length, snippet in damages:
        raw = raw[:place] + snippet + raw[place + length :]
    result = ours(read_body, Config, raw, "application/json")

    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        offset, reason = len(raw[: error.start].decode()), f"Invalid UTF-8: {error.reason}"
        expected = exact([finding("json_invalid", ("body", offset), {}, error=reason)])
    except json.JSONDecodeError as error:
        expected = exact([finding("json_invalid", ("body", error.pos), {}, error=error.msg)])
    else:
        assume(r"\ud" not in exact(value).replace(r"\ud83d\ude00", "") and r"\u0000" not in exact(value))
        assume("Infinity" not in exact(value))
        expected = theirs(PydanticConfig, value, "body")

    assert expected == result


@given(st.binary(max_size=50) | st.text(alphabet='[]{}",:0\\u-.e ', max_size=50).map(str.encode))
def test_any_bytes_are_answered(raw):
    """No bytes end in anything but a value or a refusal."""
    answer = None
    with suppress(InvalidRequest, UnreadableBody):
        answer = read_body(Page, raw, "application/json")

    assert answer is None or isinstance(answer, Page)
