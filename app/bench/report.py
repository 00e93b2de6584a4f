"""A run as Markdown for people and as JSON for programs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.bench.machine import Machine
from app.bench.measurements import Measurement, Section, Suite


class Run(msgspec.Struct, frozen=True):
    """What was run, where, and what came out."""

    command: str
    machine: Machine
    suites: tuple[Suite, ...]


def write(run: Run, directory: Path, name: str) -> tuple[Path, Path]:
    """Write both files into a directory; where they are."""
    directory.mkdir(parents=True, exist_ok=True)
    markdown, json = directory / f"{name}.md", directory / f"{name}.json"
    markdown.write_text(as_markdown(run), encoding="utf-8")
    json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    return markdown, json


def as_markdown(run: Run) -> str:
    """The report, its ratios first."""
    parts = [
        "# Benchmark",
        f"Made by `{run.command}`. Each value is the median of its repetitions, with the"
        " least and the greatest.",
        _machine(run.machine),
    ]
    for suite in run.suites:
        parts.append(f"## {suite.title}")
        parts += [_section(section) for section in suite.sections]
        parts.append("Checked in this run: " + "; ".join(suite.checked) + ".")
    return "\n\n".join(parts) + "\n"


def _machine(machine: Machine) -> str:
    settings = ", ".join(f"`{name}` {value}" for name, value in machine.settings.items())
    lines = (
        ("date", f"{machine.date:%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{machine.processor}, {machine.cores} cores"),
        ("memory", f"{machine.memory_gb} GB"),
        ("kernel", machine.kernel),
        ("Python", machine.python),
        ("PostgreSQL", f"{machine.postgresql}: {settings}"),
        ("load average before", f"{machine.load_average}"),
    )
    return "\n".join(("| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines)))


def _section(section: Section) -> str:
    table = "\n".join(
        (
            "| | unit | median | least | greatest | goal |",
            "|---|---|---:|---:|---:|---|",
            *(_row(measurement) for measurement in section.measurements),
        )
    )
    return f"### {section.title}\n\n{section.text}\n\n{table}"


def _row(measurement: Measurement) -> str:
    cells = (measurement.median, min(measurement.values), max(measurement.values))
    reached = {None: "", True: "reached", False: "missed"}[measurement.reached]
    least = "≤" if measurement.at_most else "≥"
    goal = "" if measurement.goal is None else f"{least} {_number(measurement.goal)}: {reached}"
    return f"| {measurement.name} | {measurement.unit} | {' | '.join(map(_number, cells))} | {goal} |"


def _number(value: float) -> str:
    """Three digits that mean something."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # noqa: PLR2004 - as above
