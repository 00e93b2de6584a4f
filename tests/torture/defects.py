"""Defects planted on purpose: each in a copy of the service, with the tests that have to catch it.

A file in `tests/defects` says what is broken, in which texts, and names the tests. Each of them has to fail on
the broken copy, as it passes on a sound one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "tests" / "defects"
COPIED = ("app", "domain", "projections", "tests", "pyproject.toml")
TEST_SECONDS_MAX = 600
TESTS_FAILED = 1
"""Pytest's exit code when tests ran and some failed."""


class DefectDoesNotApply(Exception):
    """The text to be changed is not there exactly once: the service has moved on, and the defect has to."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that is there exactly once in a file, and what is put in its place."""

    file: str
    old: str
    new: str


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is broken, in a sentence; how; and the tests that catch it, as pytest names them."""

    what: str
    tests: tuple[str, ...]
    change: tuple[Change, ...]


class Trial(NamedTuple):
    """A test run on a copy with a defect, None for none, and what it said."""

    name: str | None
    test: str
    outcome: Literal["passed", "failed", "broken"]
    output: str


def defects():
    """All of them, by name."""
    return {
        path.stem: msgspec.toml.decode(path.read_bytes(), type=Defect)
        for path in sorted(DIRECTORY.glob("*.toml"))
    }


def planted(change, root=ROOT):
    """The whole text of the file with the change in it; `DefectDoesNotApply` if it does not fit."""
    text = (root / change.file).read_text()
    if text.count(change.old) != 1:
        raise DefectDoesNotApply(f"{text.count(change.old)} times in {change.file}:\n{change.old}")
    return text.replace(change.old, change.new)


def trial(name, test, defect=None) -> Trial:
    """Run a test on a copy of the service with the defect in it."""
    with _copy() as root:
        for change in defect.change if defect else ():
            (root / change.file).write_text(planted(change, root))
        command = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE", test)
        own = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DEPLOYMENT_"))
        }
        done = subprocess.run(
            command,
            cwd=root,
            env={**own, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=TEST_SECONDS_MAX,
        )
    failed = any(line.startswith("FAILED ") for line in done.stdout.splitlines())
    outcome = "broken"
    if done.returncode == 0:
        outcome = "passed"
    elif done.returncode == TESTS_FAILED and failed:
        outcome = "failed"
    return Trial(name, test, outcome, done.stdout + done.stderr)


def trials(names, jobs) -> Iterator[Trial]:
    """Each test on a sound copy, and then on each copy with a defect that it has to catch."""
    chosen = {name: defect for name, defect in defects().items() if not names or name in names}
    sound = sorted({test for defect in chosen.values() for test in defect.tests})
    work = [(None, test, None) for test in sound]
    work += [(name, test, defect) for name, defect in chosen.items() for test in defect.tests]
    with ThreadPoolExecutor(jobs) as threads:
        yield from threads.map(lambda arguments: trial(*arguments), work)


@contextmanager
def _copy():
    root = Path(tempfile.mkdtemp(prefix="ledger-defect-"))
    try:
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
