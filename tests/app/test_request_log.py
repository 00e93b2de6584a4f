"""The line of a request is the one that structlog would make."""

import io
import json
import logging
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.logs import PlainLines, configure_logs, json_line
from app.request_log import Finished, RequestLog, json_object, plain_text

NOW = "2026-11-23T15:31:52.997115Z"
TEXTS = st.text() | st.sampled_from(["", "a b", "a=b", "\udc80", "'", '"', "\x00", "/w/é"])
REQUESTS = st.builds(
    Finished,
    method=TEXTS,
    path=TEXTS,
    route=st.sampled_from(["none", "/a/{b}"]),
    status=st.integers(100, 599),
    milliseconds=st.floats(0, 1e9).map(lambda each: round(each, 2)),
    principal=st.none() | TEXTS,
    request_id=st.from_regex(r"\A[A-Za-z0-9_-]{1,128}\Z"),
)
LEVELS = st.sampled_from(["debug", "info"])


@given(REQUESTS, LEVELS)
def test_lines(request, level):
    """Byte for byte, in both forms."""
    line = {**request._asdict(), "event": "request", "level": level, "timestamp": NOW}

    assert json_line(None, level, line) == json_object(NOW, level, request)
    assert PlainLines(None)(None, level, line) == plain_text(NOW, level, request)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "info", "warning"])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_where_they_are_written(monkeypatch, form, level, is_terminal):
    """Where all others are, if lines of their level are; a terminal gets them as structlog makes them."""
    file = io.StringIO()
    file.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    before = structlog.get_config()
    configure_logs(form, level)
    try:
        request = Finished("GET", "/p", "none", 200, 0.1, None, "id")
        log = RequestLog()
        log.write(logging.DEBUG, request)
        log.write(logging.INFO, request)
    finally:
        structlog.configure(**before)

    lines = file.getvalue().splitlines()
    assert {"debug": 2, "info": 1, "warning": 0}[level] == len(lines)
    for line in lines:
        assert "request" in line
        if form == "json":
            assert "/p" == json.loads(line)["path"]
