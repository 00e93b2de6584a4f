"""One shape for every log line of every process: ours, the HTTP server's and the libraries'."""

import asyncio
import atexit
import json
import logging
import re
import sys
from collections import deque
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from app.settings import LogFormat, LogLevel

SHARED: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)

# A frame's variables can be anything: addresses of databases, headers, bodies. No line has them.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure_logs(log_format: LogFormat, log_level: LogLevel) -> None:
    """Send all log lines of this process to stderr, as JSON or for a person to read."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    renderers = _renderers(log_format)
    structlog.configure(
        processors=[*SHARED, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", GatheredLines(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _renderers(log_format: LogFormat) -> list[Processor]:
    if log_format == "json":
        return [_TRACEBACKS, json_line]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [console if sys.stderr.isatty() else PlainLines(console)]


class GatheredLines:
    """A file of lines: those that an event loop makes in one turn are written together, all others at once.

    Each write is a call of the system, which takes longer than to make the line.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: deque[str] = deque()
        self._is_due = False
        atexit.register(self._write_out)

    def write(self, line: str) -> None:
        """Write a line, at the end of the loop's turn if one runs here."""
        self._lines.append(line)
        if self._is_due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_out()
        else:
            self._is_due = True
            loop.call_soon(self._write_out)

    def flush(self) -> None:
        """Nothing: what is due is written soon."""

    def _write_out(self) -> None:
        self._is_due = False
        lines = []
        with suppress(IndexError):  # another thread may be writing them out
            while True:
                lines.append(self._lines.popleft())
        self._file.write("".join(lines))
        self._file.flush()


class PlainLines:
    """Lines as structlog's console renderer makes them without colours, in a fraction of its time.

    There is one for each request. What only it can render, such as tracebacks, is left to it.
    """

    def __init__(self, console: structlog.dev.ConsoleRenderer) -> None:
        self._console = console

    def __call__(self, logger: Any, name: str, line: EventDict) -> str:
        """The text of one line."""
        if not _ONLY_CONSOLE.isdisjoint(line):
            return self._console(logger, name, line)
        begin = f"{line.pop('timestamp')} [{line.pop('level'):9}] {line.pop('event'):30}"
        return " ".join([begin, *(f"{key}={plain_value(line[key])}" for key in sorted(line))]).rstrip(" ")


def plain_value(value: object) -> str:
    """A value as it is, or quoted if it could be taken for more than one."""
    return value if type(value) is str and not _TO_BE_QUOTED.search(value) else repr(value)


def json_line(_logger: Any, _name: str, line: EventDict) -> str:
    """A line as an object."""
    return to_json(line)


_ONLY_CONSOLE: Final = frozenset(("stack", "exception", "exc_info", "logger", "logger_name"))
_TO_BE_QUOTED: Final = re.compile(r"[ \t=\r\n\"']")
# Made once: structlog's renderer makes a new one for each line.
to_json: Final = json.JSONEncoder(default=repr).encode
