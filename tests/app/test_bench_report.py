"""What a benchmark writes: tables, plots, and the page of all goals."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from app.bench import plots, report, summary
from app.bench.machine import Machine
from app.bench.measurements import Measurement, Section, Suite, number

MACHINE = Machine(
    datetime(2026, 1, 2, tzinfo=UTC), "a processor", 2, 8.0, "Linux", "3.11", "18", {"fsync": "on"}, 0.1
)
RATIOS = Section(
    "Ratios <1>",
    "How & why.",
    (
        Measurement("service / pgbench", "x", (0.5, 0.7, 0.65), goal=0.6),
        Measurement("all on one & many", "x", (0.8, 0.81, 0.7), goal=0.9),
    ),
    chart="bars",
)
CURVES = Section(
    "Time by deployments",
    "",
    tuple(
        Measurement(f"{kind}, {size:,}", "ms", (value, value * 2, value * 1.5), curve=kind, at=size)
        for kind, value in (("update", 2.0), ("get", 0.25))
        for size in (1_000, 1_000_000)
    ),
    chart="curves",
    axis="deployments",
)
RUN = report.Run(
    "scripts/bench --only update", MACHINE, (Suite("Updates", (RATIOS, CURVES), ("x",)),), "abc", 42
)


def texts(section):
    drawn = ET.fromstring(plots.draw(section))
    assert "{http://www.w3.org/2000/svg}svg" == drawn.tag
    return [element.text for element in drawn.iter() if element.tag.endswith(("}text", "}title"))]


def test_bars_show_what_the_table_says():
    """Well-formed, with title, unit, and for each row its name and its median."""
    found = texts(RATIOS)

    assert {"Ratios <1>", "times as much", "goal"} <= set(found)
    for measurement in RATIOS.measurements:
        assert measurement.name in found
        assert number(measurement.median) in found


def test_curves_show_what_the_table_says():
    """Well-formed, with title, unit, what the sizes count, and for each point its name and its median."""
    found = texts(CURVES)

    assert {"Time by deployments", "ms", "deployments", "1,000", "1,000,000", "update", "get"} <= set(found)
    for measurement in CURVES.measurements:
        assert f"{measurement.name}: {number(measurement.median)}" in found


@pytest.mark.parametrize("section", [RATIOS, CURVES], ids=lambda section: section.chart)
def test_plots_can_be_read_on_light_and_dark_pages(section):
    """Each has a panel of its own, whose colour changes with the text's."""
    drawn = plots.draw(section)

    light, dark = drawn.split("@media (prefers-color-scheme: dark)")
    assert '<rect class="panel"' in drawn
    for style in (".panel { fill:", "text { "):
        assert style in light
        assert style in dark.split("</style>")[0]


def test_bars_are_as_long_as_values():
    """The longest value takes what the axis says, and others their part of it."""
    drawn = ET.fromstring(plots.draw(RATIOS))
    widths = [float(e.get("width")) for e in drawn.iter() if e.tag.endswith("}rect") and not e.get("class")]

    assert pytest.approx(widths[0] / widths[1], rel=0.01) == 0.65 / 0.8


def test_a_report_says_what_was_measured_where(tmp_path):
    """Machine, commit, command, seconds, plots; and one page has all goals of the reports that are there."""
    written = report.write(RUN, tmp_path, "update")
    summary.write(tmp_path, ("update", "read"))

    assert ["update-ratios-<1>.svg", "update-time-by-deployments.svg"] == [file.name for file in written[2:]]
    text = (tmp_path / "update.md").read_text()
    assert "Made by `scripts/bench --only update`, of commit `abc`, in 42 seconds." in text
    assert "| processor | a processor, 2 cores |" in text
    assert "| service / pgbench | x | 0.65 | 0.50 | 0.70 | ≥ 0.60: reached |" in text
    assert "![Time by deployments](update-time-by-deployments.svg)" in text
    page = (tmp_path / "README.md").read_text()
    assert "| [update](update.md) | service / pgbench | x | 0.65 | ≥ 0.60: reached | `abc` |" in page
    assert "| [update](update.md) | all on one & many | x | 0.80 | ≥ 0.90: missed | `abc` |" in page
    assert 2 == page.count("| [")
