"""The version of a projection: the same for the same rows, another one for any other fold."""

import subprocess
import sys
from functools import reduce
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from domain import kinds
from domain.deployment import DeploymentEvent
from domain.deployment_config import DeploymentConfigEvent
from projections import definition, fold_version, sample, sql
from projections.fold_version import fold_version as version_of
from tests.support.mutants import mutants

RESOURCES = ("deployments", "deployment-configs")
# How events are read, and what is refused, has tests of its own.
NOT_THE_FOLD = {Path(module.__file__).name for module in (definition, fold_version, kinds, sample, sql)}
ROOT = Path(__file__).parents[2]
PACKAGES = {ROOT / "domain", ROOT / "projections"}
# Of a config's version, which never changes.
ONE_POSITION = (
    "columns: row.snapshot.position, row.created_position, -> row.created_position, row.snapshot.position,"
)
ONE_TIME = "columns: state.created_at, state.updated_at, -> state.updated_at, state.created_at,"
EQUIVALENT = [
    ONE_POSITION,
    ONE_TIME,
    "changes: assert_never(event) -> pass",  # is never reached, in either fold
    "changes: assert_never(event) -> pass",
    "__init__: None -> 1",  # no version is open then, which tells the same
    "_end: del self.snapshots[version] -> pass",  # decisions look at them, rows do not
    "_end_as_latest: min(row.latest_until, position) -> min(position, row.latest_until)",
    # The highest is taken again; with no version open nothing asks which was the latest, and numbers do not return.
    "_settle_latest: > -> >=",
    "_settle_latest: None -> 1",
    "_settle_latest: self._latest = None -> pass",
    "_end_as_latest: None -> 1",  # a row without a place is in no table: ending it there does nothing
]


def versions():
    return [version_of(resource) for resource in RESOURCES]


def fold_functions():
    """Every function of the domain and of projections that a fold of the sample runs."""
    found = {}

    def note(frame, event, _):
        code = frame.f_code
        path = Path(code.co_filename)
        if event == "call" and path.parent in PACKAGES and path.name not in NOT_THE_FOLD:
            found[path.parent.name, path.stem, code.co_qualname] = code

    sys.setprofile(note)
    try:
        versions()
    finally:
        sys.setprofile(None)
    for package, module, qualname in sorted(found):
        if "<" not in qualname:
            yield reduce(getattr, qualname.split("."), sys.modules[f"{package}.{module}"])


def test_every_change_of_the_fold_is_another_version():
    """The sample log tells apart what differs in a comparison, a constant, a statement, an argument."""
    before = versions()
    survivors, count = [], 0
    for function in fold_functions():
        original = function.__code__
        for text, code in mutants(function):
            count += 1
            function.__code__ = code
            try:
                survived = versions() == before
            except Exception:  # noqa: BLE001 - however it fails, it is noticed
                survived = False
            finally:
                function.__code__ = original
            if survived:
                survivors.append(text)

    assert sorted(EQUIVALENT) == sorted(survivors)
    assert count > 100


def structs_of(declared):
    """The structs that a type is made of, by themselves and in unions."""
    if isinstance(declared, msgspec.inspect.StructType):
        yield declared
        for field in declared.fields:
            yield from structs_of(field.type)
    for each in getattr(declared, "types", ()):
        yield from structs_of(each)


def objects_in(value):
    """All JSON objects in a value."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects_in(each)


def test_the_sample_has_every_kind_of_event_and_every_optional_field_with_and_without():
    """So that defaults and additions show."""
    stored = [msgspec.json.decode(event.state) for event in sample.sample()]
    for kind in (*get_args(DeploymentEvent), *get_args(DeploymentConfigEvent)):
        of_kind = [event for event in stored if event["kind"] == kind.__struct_config__.tag]
        assert of_kind, kind
        fields = [f for struct in structs_of(msgspec.inspect.type_info(kind)) for f in struct.fields]
        required = {field.encode_name for field in fields if field.required}
        optional = {field.encode_name for field in fields} - required
        seen = [set(each) for event in of_kind for each in objects_in(event)]
        unset = [field for field in optional if not any(field in each for each in seen)]
        always = [field for field in optional if all(field in each for each in seen)]
        assert ([], []) == (unset, always), kind


@pytest.mark.parametrize("seed", ["0", "1"])
def test_it_is_the_same_in_every_process(seed):
    """Nothing of it depends on the order of sets, or on addresses."""
    program = (
        f"from app.projection_versions import own_versions; print(*[own_versions()[r] for r in {RESOURCES}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert versions() == done.stdout.split()
