"""All goals on one page, from the reports that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from app.bench.measurements import number
from app.bench.report import Run, goal

_BEGIN: Final = """# Benchmarks

`scripts/bench` measures all of this again; it starts its own database, servers and load. Each report has its
machine, its command, its figures with their spread, and what was checked in that run. All goals:

| suite | | unit | median | goal | commit |
|---|---|---|---:|---|---|
"""


def write(directory: Path, suites: Sequence[str]) -> None:
    """Write `README.md`, with the goals of the suites whose reports are in the directory."""
    found = {name: directory / f"{name}.json" for name in suites}
    rows = [
        f"| [{name}]({name}.md) | {measurement.name} | {measurement.unit} | {number(measurement.median)}"
        f" | {goal(measurement)} | {run.commit and f'`{run.commit}`'} |"
        for name, file in found.items()
        if file.exists()
        for run in [msgspec.json.decode(file.read_bytes(), type=Run)]
        for suite in run.suites
        for section in suite.sections
        for measurement in section.measurements
        if measurement.goal is not None
    ]
    (directory / "README.md").write_text(_BEGIN + "\n".join(rows) + "\n", encoding="utf-8")
