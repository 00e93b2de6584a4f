"""Log lines look the same, however they are made."""

import asyncio
import io
import json

import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.logs import GatheredLines, PlainLines, to_json

CONSOLE = structlog.dev.ConsoleRenderer(colors=False)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
LINES = st.dictionaries(
    st.sampled_from(["path", "status", "principal", "stack", "logger"]), st.text() | VALUES
)


@given(LINES, st.sampled_from(["info", "warning", "critical"]), st.text(min_size=1))
def test_plain_lines_are_those_of_the_console(values, level, event):
    """Byte for byte: what reads the one reads the other."""
    line = {**values, "event": event, "level": level, "timestamp": "2026-11-23T15:31:52.997115Z"}
    if "stack" in values:
        line["stack"] = str(values["stack"])

    assert CONSOLE(None, level, dict(line)) == PlainLines(CONSOLE)(None, level, dict(line))


@given(LINES)
def test_json_lines_hold_any_value(values):
    """Also texts that are no Unicode, which paths can hold."""
    line = {**values, "path": "\udc80", "fault": ValueError("x")}

    assert {**line, "fault": "ValueError('x')"}.keys() == json.loads(to_json(line)).keys()
    assert "\udc80" == json.loads(to_json(line))["path"]


def test_lines_of_a_turn_are_written_together():
    """In order, and at once where no loop runs."""
    file = io.StringIO()
    lines = GatheredLines(file)
    lines.write("before\n")
    assert "before\n" == file.getvalue()

    async def turn():
        lines.write("1\n")
        lines.write("2\n")
        assert "before\n" == file.getvalue()
        await asyncio.sleep(0)
        assert "before\n1\n2\n" == file.getvalue()
        lines.write("3\n")

    asyncio.run(turn())
    assert "before\n1\n2\n3\n" == file.getvalue()
