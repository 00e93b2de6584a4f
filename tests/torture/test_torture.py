"""The short form of `scripts/torture`."""

from itertools import islice

from tests.torture.__main__ import summary
from tests.torture.campaign import Order, torture
from tests.torture.plan import FAULTS, faults

KINDS = ("worker", "backend", "everything")


def test_kills_under_load_break_no_promise():
    """Histories are linearizable; no acknowledged write is lost, nothing is there that nobody asked for."""
    report = torture(Order(seed=4, clients=12, deployments=2, kinds=KINDS, cycles_max=len(KINDS)))

    print("\n".join(summary(report)))
    assert [] == report.problems
    assert dict.fromkeys(KINDS, 1) == report.faults
    assert report.counts["resolved"] > 0


def test_a_seed_is_a_plan():
    """The same seed gives the same faults, another one others; every kind comes in each round."""
    first, again, other = (list(islice(faults(seed), len(FAULTS))) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert sorted(FAULTS) == sorted(fault.kind for fault in first)
