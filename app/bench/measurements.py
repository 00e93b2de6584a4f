"""What suites give: named values of repeated measurements, ratios first."""

from __future__ import annotations

from statistics import median
from typing import Literal

import msgspec

Unit = Literal[
    "events/s", "requests/s", "s", "ms", "ms/request", "µs/event", "MB", "bytes/event", "events", "rows", "x"
]


class Measurement(msgspec.Struct, frozen=True):
    """What was measured, once per repetition; `goal` is the least or, `at_most`, the most that is wanted.

    In a chart of curves it is a point of the curve named `curve`, at the size `at`.
    """

    name: str
    unit: Unit
    values: tuple[float, ...]
    goal: float | None = None
    at_most: bool = False
    curve: str = ""
    at: float = 0.0

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.at_most else self.median >= self.goal


class Section(msgspec.Struct, frozen=True):
    """Measurements that belong together, and what a reader has to know of how they were taken."""

    title: str
    text: str
    measurements: tuple[Measurement, ...]
    chart: Literal["", "bars", "curves"] = ""
    axis: str = ""
    """What the sizes of curves count."""


class Suite(msgspec.Struct, frozen=True):
    """A suite's sections, and the sentences that were found true of its answers."""

    title: str
    sections: tuple[Section, ...]
    checked: tuple[str, ...]


class WrongAnswer(Exception):
    """What was measured has given a wrong answer; the text says which."""


def ratio(
    name: str,
    of: tuple[float, ...],
    to: tuple[float, ...],
    goal: float | None = None,
    *,
    at_most: bool = False,
) -> Measurement:
    """One measurement divided by another one, repetition by repetition."""
    return Measurement(name, "x", tuple(a / b for a, b in zip(of, to, strict=True)), goal, at_most)


def number(value: float) -> str:
    """Three digits that mean something."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # noqa: PLR2004 - as above
