import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.names import is_name, is_workspace, resource_id, split_stream_id, stream_id, version_number

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@pytest.mark.parametrize("text", ["a", "a.b_c-1", "a" * 60, "z9"])
def test_names_within_the_rule(text):
    """One to sixty characters."""
    assert is_name(text)


@pytest.mark.parametrize("text", ["ab", "default", "a@b+c", "a" * 63])
def test_workspaces_within_the_rule(text):
    """Two to sixty-three characters."""
    assert is_workspace(text)


@pytest.mark.parametrize(
    ("literal", "number"),
    [("1", 1), ("120", 120), ("0", 0), ("-1", 0), ("+1", 0), ("01", 0), ("9" * 18, 10**18 - 1), ("9" * 19, 0)]
    + [(text, None) for text in ("", "abc", "1.0", "1e0", " 1", "1_0", "null", "١")],
)
def test_version_literals(literal, number):
    """A literal names the version that is printed so; other integers none; the rest is no version."""
    assert number == version_number(literal)


@given(st.binary(min_size=16, max_size=16).filter(lambda raw: raw[0]))
@example(b"\x01" + bytes(15))  # an odd number of digits
def test_an_id_is_its_sixteen_bytes(raw):
    """In base58, so that different bytes give different ids."""
    text = resource_id("deployments", raw).removeprefix("model-deployment-")

    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    assert raw == number.to_bytes(16, "big")


def test_stream_ids_come_apart_again():
    """Workspace first; an unknown resource is an error."""
    assert ("ws", "deployments", "a.b") == split_stream_id(stream_id("ws", "deployments", "a.b"))
    with pytest.raises(ValueError, match="unknown resource 'models'"):
        split_stream_id("ws/models/a")
