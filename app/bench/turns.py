"""What is compared takes turns, again and again: a busy minute of the machine meets all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from app.bench.load import Result
from app.bench.measurements import Measurement, WrongAnswer

_OF_GOAL: Final = 0.99


class LoadPlan(NamedTuple):
    """How long each load lasts, how often all is measured, with how many workers, and whom to tell.

    `deployments_max` is how many a database may have; `quick` is a small form of everything.
    """

    seconds: float
    repeat: int
    workers: tuple[int, ...]
    seed: int
    say: Callable[[str], None]
    deployments_max: int = 1_000_000
    quick: bool = False

    @property
    def many(self) -> int:
        """Over how many deployments requests are spread."""
        return 128 if self.quick else 1_000


class Used(NamedTuple):
    """Processor seconds of a server and of the database while a load ran, and the server's memory then."""

    server: float
    postgresql: float
    memory_mb: float = 0.0


class Sample(NamedTuple):
    """One load: answers a second, times of the answers, and what each answer took of processors, in ms."""

    rate: float
    answers: int
    seconds: list[float]
    cpu_server_ms: float
    cpu_postgresql_ms: float
    cpu_load_ms: float
    memory_mb: float

    def quantile_ms(self, part: float) -> float:
        """Within which time this part of the answers came; 0 if that was not measured."""
        if not self.seconds:
            return 0.0
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * part))] * 1000


def sample(result: Result, seconds: float, used: Used) -> Sample:
    """What the result of a load means; `WrongAnswer` if anything but success was answered."""
    if set(result.answers) - {"200", "201"} or result.broken or result.unanswered or result.not_sent:
        message = (
            f"answers {result.answers}, connections broken: {result.broken}, requests unanswered: "
            f"{result.unanswered}, not sent: {result.not_sent}"
        )
        raise WrongAnswer(message)
    answers = max(1, sum(result.answers.values()))
    return Sample(
        rate=sum(result.in_time.values()) / seconds,
        answers=answers,
        seconds=sorted(second for times in result.seconds.values() for second in times),
        cpu_server_ms=used.server / answers * 1000,
        cpu_postgresql_ms=used.postgresql / answers * 1000,
        cpu_load_ms=result.cpu_seconds / answers * 1000,
        memory_mb=used.memory_mb,
    )


Subject = Callable[[float], Sample]
"""Measures for about so many seconds."""


class Turns:
    """Subjects by name, measured one after the other; `samples` has what each gave, round by round."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._subjects: dict[str, Subject] = {}
        self.samples: dict[str, list[Sample]] = {}

    def add(self, name: str, subject: Subject) -> None:
        """Another one, after those that are there."""
        self._subjects[name] = subject
        self.samples[name] = []

    def run(self) -> None:
        """All rounds; a shorter one comes first and does not count, for everybody to warm up."""
        for number in range(1 if self._plan.quick else 0, self._plan.repeat + 1):
            self._plan.say(f"round {number} of {self._plan.repeat}" if number else "warming up")
            seconds = self._plan.seconds if number else self._plan.seconds / 4
            for name, subject in self._subjects.items():
                if number == 1:
                    self.samples[name].clear()
                found = subject(seconds)
                self.samples[name].append(found)
                self._plan.say(f"  {name}: {found.rate:,.0f}/s, p99 {found.quantile_ms(0.99):.1f} ms")
                # What it has left to do shall not count for the next one.
                time.sleep(min(0.3, seconds / 10))

    def last(self, name: str) -> Sample:
        """The newest sample of a subject."""
        return self.samples[name][-1]

    def rates(self) -> dict[str, tuple[float, ...]]:
        """Of each subject the answers a second, round by round."""
        return {name: tuple(each.rate for each in samples) for name, samples in self.samples.items()}

    def latencies(self, name: str, title: str, goal: float | None = None) -> list[Measurement]:
        """Times of a subject's answers; the goal is for 99 of 100."""
        return [
            Measurement(
                f"{title}: {told}",
                "ms",
                tuple(each.quantile_ms(part) for each in self.samples[name]),
                goal if part == _OF_GOAL else None,
                at_most=True,
            )
            for told, part in (("median", 0.5), ("99 %", _OF_GOAL), ("99.9 %", 0.999))
        ]

    def costs(self, name: str, title: str, goal: float | None = None) -> list[Measurement]:
        """Processor time for each of a subject's answers, where any was used; the goal is for the server."""
        samples = self.samples[name]
        found = (
            ("server", tuple(each.cpu_server_ms for each in samples), goal),
            ("PostgreSQL", tuple(each.cpu_postgresql_ms for each in samples), None),
            ("load generator", tuple(each.cpu_load_ms for each in samples), None),
        )
        return [
            Measurement(f"{title}: {whose}", "ms/request", values, limit, at_most=True)
            for whose, values, limit in found
            if any(values)
        ]
