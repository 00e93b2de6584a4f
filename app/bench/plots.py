"""Sections as SVG: bars with the least and the greatest value, or curves over a size.

Each is on a panel of its own, light or dark as the reader prefers, so it shows on every page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final, NamedTuple

from app.bench.measurements import Measurement, Section, number

_WIDTH: Final = 900
_LABELS: Final = 430
"""What the names of bars take on the left."""
_VALUES: Final = 80
"""What their values take on the right."""
_BAR: Final = 22
_TOP: Final = 44
_HEIGHT: Final = 360
_PALETTE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, which colour-blind readers tell apart, on black and on white."""
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #8b949e; stroke-opacity: .35 }
.spread { stroke: #24292f; stroke-width: 1.5 }
.goal { stroke: #d55e00; stroke-width: 2; stroke-dasharray: 3 2 }
.panel { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .spread { stroke: #e6edf3 } .panel { fill: #0d1117 }
}
"""


def draw(section: Section) -> str:
    """The plot that the section asks for."""
    return _curves(section) if section.chart == "curves" else _bars(section)


def _bars(section: Section) -> str:
    measurements = section.measurements
    ticks = _ticks(max(max(*m.values, m.goal or 0.0) for m in measurements))
    scale = (_WIDTH - _LABELS - _VALUES) / ticks[-1]
    bottom = _TOP + _BAR * len(measurements)
    parts = [_text(10, 22, section.title, "title")]
    for tick in ticks:
        x = _LABELS + tick * scale
        parts += [_line(x, _TOP - 6, x, bottom, "grid"), _text(x, bottom + 18, number(tick), anchor="middle")]
    parts.append(
        _text((_LABELS + _WIDTH - _VALUES) / 2, bottom + 38, _unit(measurements[0]), anchor="middle")
    )
    for row, measurement in enumerate(measurements):
        parts += _bar(measurement, _TOP + _BAR * row, scale)
    if any(m.goal is not None for m in measurements):
        parts += [_line(10, bottom + 34, 30, bottom + 34, "goal"), _text(36, bottom + 38, "goal")]
    return _svg(bottom + 50, parts)


def _bar(measurement: Measurement, top: float, scale: float) -> Iterable[str]:
    middle = top + _BAR / 2
    least, greatest = (
        _LABELS + value * scale for value in (min(measurement.values), max(measurement.values))
    )
    yield _text(_LABELS - 8, middle + 4, measurement.name, anchor="end")
    yield (
        f'<rect x="{_LABELS}" y="{top + 4:.1f}" width="{measurement.median * scale:.1f}" height="{_BAR - 8}"'
        f' fill="{_PALETTE[0]}"/>'
    )
    yield _line(least, middle, greatest, middle, "spread")
    if measurement.goal is not None:
        x = _LABELS + measurement.goal * scale
        yield _line(x, top + 1, x, top + _BAR - 1, "goal")
    yield _text(greatest + 6, middle + 4, number(measurement.median))


def _curves(section: Section) -> str:
    curves: dict[str, list[Measurement]] = {}
    for measurement in section.measurements:
        if measurement.curve:
            curves.setdefault(measurement.curve, []).append(measurement)
    top = _TOP + 20
    points = [measurement for curve in curves.values() for measurement in curve]
    ticks = _ticks(max(max(m.values) for m in points))
    left, right, bottom = 70, _WIDTH - 300, _HEIGHT - 60
    low, high = log10(min(m.at for m in points)), log10(max(m.at for m in points))
    across = (right - left) / ((high - low) or 1)
    up = (bottom - top) / ticks[-1]
    parts = [_text(10, 22, section.title, "title")]
    for tick in ticks:
        y = bottom - tick * up
        parts += [_line(left, y, right, y, "grid"), _text(left - 8, y + 4, number(tick), anchor="end")]
    for size in sorted({m.at for m in points}):
        x = left + (log10(size) - low) * across
        parts += [_line(x, top, x, bottom, "grid"), _text(x, bottom + 18, f"{size:,.0f}", anchor="middle")]
    parts.append(_text((left + right) / 2, bottom + 40, section.axis, anchor="middle"))
    parts.append(_text(left - 8, top - 14, _unit(points[0]), anchor="end"))
    for place, (name, curve) in enumerate(curves.items()):
        colour = _PALETTE[place % len(_PALETTE)]
        y = top + 10 + 20 * place
        parts.append(f'<rect x="{right + 20}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(right + 38, y, name))
        drawn = [
            _Point(
                left + (log10(m.at) - low) * across,
                bottom - min(m.values) * up,
                bottom - m.median * up,
                bottom - max(m.values) * up,
                m,
            )
            for m in curve
        ]
        parts += _curve(drawn, colour)
    return _svg(_HEIGHT, parts)


class _Point(NamedTuple):
    x: float
    least: float
    y: float
    greatest: float
    measurement: Measurement


def _curve(points: Sequence[_Point], colour: str) -> Iterable[str]:
    line = " ".join(f"{point.x:.1f},{point.y:.1f}" for point in points)
    yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, least, y, greatest, measurement in points:
        yield _line(x, least, x, greatest, "spread")
        told = escape(f"{measurement.name}: {number(measurement.median)}")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{told}</title></circle>'


def _unit(measurement: Measurement) -> str:
    return "times as much" if measurement.unit == "x" else measurement.unit


def _ticks(greatest: float) -> Sequence[float]:
    """Round values from 0 to the greatest one or beyond it."""
    step = 10 ** floor(log10(greatest or 1.0))
    step = next(part * step for part in (0.2, 0.5, 1, 2) if greatest <= part * step * 6)
    return [step * count for count in range(ceil(greatest / step) + 1)]


def _text(x: float, y: float, text: str, name: str = "", anchor: str = "start") -> str:
    of = f' class="{name}"' if name else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{of}>{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, name: str) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" class="{name}"/>'


def _svg(height: float, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">'
    panel = f'<rect class="panel" width="{_WIDTH}" height="{height:.0f}" rx="6"/>'
    return "\n".join((head, f"<style>{_STYLE}</style>", panel, *parts, "</svg>")) + "\n"
