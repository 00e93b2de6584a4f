"""The short form of `scripts/torture defects`."""

import pytest

from tests.torture.defects import ROOT, Change, DefectDoesNotApply, defects, planted, trial

CHEAP = ("condition-blind-for-versions", "config-removed-in-use")


@pytest.mark.parametrize("name", defects())
def test_every_defect_can_be_planted(name):
    """The texts it changes are there exactly once, and the change makes a difference."""
    changes = defects()[name].change

    assert changes
    for change in changes:
        assert planted(change) != (ROOT / change.file).read_text()


def test_a_defect_that_does_not_fit_is_an_error():
    """The service has moved on: nobody may believe that the defect is still caught."""
    with pytest.raises(DefectDoesNotApply, match=r"0 times in app/batch\.py"):
        planted(Change("app/batch.py", "no such text", ""))


@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_defect_is_caught(name):
    """Its test fails on the copy with the defect."""
    defect = defects()[name]
    for test in defect.tests:
        found = trial(name, test, defect)

        assert "failed" == found.outcome, found.output


def test_a_test_that_cannot_run_has_caught_nothing():
    """A copy without a defect passes; a file that is missing is no catch."""
    sound = defects()[CHEAP[0]].tests[0]

    assert "passed" == trial(None, sound).outcome
    assert "broken" == trial(None, "tests/domain/test_nothing.py").outcome
