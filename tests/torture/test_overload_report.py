"""What is told of an overload: each surplus beside the maxima next to it."""

from itertools import pairwise

import pytest

from app.bench.load import Order, Result
from tests.torture.overload import Measured, Report, Round, efficiency, goodput, memory_growth


def measured(writes, cpu=1.0, **answers):
    """A load of two seconds."""
    order = Order(url="", requests=(), connections=1, seconds=2.0)
    return Measured(order, Result(in_time={"201": writes}, answers={"201": writes}, **answers), cpu)


MAXIMA = [measured(100), measured(200), measured(300)]
SURPLUSES = [measured(75), measured(250, cpu=2.0, seconds={"503": [0.1, 0.2]})]
ROUNDS = [
    Round(before, surplus, after, memory_before=memory, memory_after=memory + 2**21)
    for (before, after), surplus, memory in zip(pairwise(MAXIMA), SURPLUSES, (0, 2**20), strict=True)
]


def test_a_surplus_is_compared_with_what_is_next_to_it():
    """The mean of the maxima before and after it; over all, so do the sums, and memory counts once."""
    assert [0.5, 1.0] == [goodput([each]) for each in ROUNDS]
    assert pytest.approx(325 / 400) == goodput(ROUNDS)
    assert pytest.approx([75 / 150, 125 / 250]) == [efficiency([each]) for each in ROUNDS]
    assert 3 * 2**20 == memory_growth(ROUNDS)


def test_the_table_has_a_column_for_each_round_and_one_for_all():
    """As the guarantees page shows it."""
    command, empty, head, _, *rows = Report(ROUNDS, lost=0, problems=[]).lines("overload")
    table = dict(row.strip("| ").split(" | ", 1) for row in rows)

    assert ["`overload`:", "", "| Overload | Round 1 | Round 2 | All |"] == [command, empty, head]
    assert "50% | 100% | 81%" == table["writes done under surplus, of the most without"]
    assert "38 | 125 | 81" == table["writes/s done"]
    assert (
        "0.00, 0.00, 0.00 | 0.20, 0.20, 0.20 | 0.20, 0.20, 0.20"
        == table["seconds until 503: median, 99 %, longest"]
    )
    assert "2 MiB | 2 MiB | 3 MiB" == table["growth of the worker's memory"]
    assert all(row.count("|") == 5 for row in (head, *rows))
