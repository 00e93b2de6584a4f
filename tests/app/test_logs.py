"""Log lines look the same, however they are made."""

import json

import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.logs import PlainLines, to_json

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
