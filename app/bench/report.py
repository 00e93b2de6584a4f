"""A run as Markdown for people, with plots, and as JSON for programs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.bench import plots
from app.bench.machine import Machine
from app.bench.measurements import Measurement, Section, Suite, number


class Run(msgspec.Struct, frozen=True):
    """What was run, where, and what came out."""

    command: str
    machine: Machine
    suites: tuple[Suite, ...]
    commit: str = ""
    seconds: int = 0


def write(run: Run, directory: Path, name: str) -> list[Path]:
    """Write all files into a directory; where they are."""
    directory.mkdir(parents=True, exist_ok=True)
    markdown, json = directory / f"{name}.md", directory / f"{name}.json"
    markdown.write_text(as_markdown(run, name), encoding="utf-8")
    json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    written = [markdown, json]
    for section in (section for suite in run.suites for section in suite.sections if section.chart):
        written.append(directory / _plot_name(name, section))
        written[-1].write_text(plots.draw(section), encoding="utf-8")
    return written


def as_markdown(run: Run, name: str) -> str:
    """The report, its ratios first; `name` is how the names of its plots begin."""
    took = f", in {run.seconds} seconds" if run.seconds else ""
    of = f", of commit `{run.commit}`" if run.commit else ""
    parts = [
        "# Benchmark",
        f"Made by `{run.command}`{of}{took}. Each value is the median of its repetitions, with the"
        " least and the greatest.",
        _machine(run.machine),
    ]
    for suite in run.suites:
        parts.append(f"## {suite.title}")
        parts += [_section(section, name) for section in suite.sections]
        parts.append("Checked in this run: " + "; ".join(suite.checked) + ".")
    return "\n\n".join(parts) + "\n"


def _plot_name(name: str, section: Section) -> str:
    return f"{name}-{section.title.lower().replace(' ', '-')}.svg"


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


def _section(section: Section, name: str) -> str:
    table = "\n".join(
        (
            "| | unit | median | least | greatest | goal |",
            "|---|---|---:|---:|---:|---|",
            *(_row(measurement) for measurement in section.measurements),
        )
    )
    plot = f"\n\n![{section.title}]({_plot_name(name, section)})" if section.chart else ""
    return f"### {section.title}\n\n{section.text}\n\n{table}{plot}"


def _row(measurement: Measurement) -> str:
    values = (measurement.median, min(measurement.values), max(measurement.values))
    cells = (measurement.name, measurement.unit, *map(number, values), goal(measurement))
    return f"| {' | '.join(cells)} |"


def goal(measurement: Measurement) -> str:
    """What is wanted of a measurement, and whether it is so; empty where nothing is."""
    if measurement.goal is None:
        return ""
    least = "≤" if measurement.at_most else "≥"
    return f"{least} {number(measurement.goal)}: {'reached' if measurement.reached else 'missed'}"
