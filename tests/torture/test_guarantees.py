"""The guarantees page names tests that are there, and the defects that are kept."""

import ast
import re

from tests.torture.__main__ import track_record
from tests.torture.defects import ROOT, defects

PAGE = ROOT / "docs" / "guarantees.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_tests_that_are_named_are_there():
    """Of each promise at least one; a test that was renamed is renamed there."""
    text = PAGE.read_text()
    named = NAMED.findall(text) + [tuple(t.split("::")) for d in defects().values() for t in d.tests]

    missing = [f"{file}::{test}" for file, test in named if test not in names_in(file)]
    promises = re.findall(r"^\| \*\*.*$", text, re.MULTILINE)
    assert [] == missing
    assert len(promises) > 10
    assert all(NAMED.search(promise) for promise in promises)


def names_in(file):
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_track_record_is_that_of_the_defects():
    """The page has the lines that `scripts/torture track-record` prints."""
    assert "\n".join(track_record()) in PAGE.read_text()
