"""A progress bar for what takes more than a second, on stderr, in a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

APPEARS_AFTER_SECONDS: Final = 1.0


class ProgressBar:
    """Shows how far a command has come, up to `last`: call `at` with each position.

    A command that is `streaming` has no bar where its output goes to a terminal: there it is the progress.
    """

    def __init__(self, title: str, last: int, *, first: int = 0, streaming: bool = False) -> None:
        console = Console(stderr=True)
        shown = console.is_terminal and not (streaming and sys.stdout.isatty())
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not shown,
            # What is printed meanwhile is output, which must not end up on stderr.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(title, total=max(last, 1), completed=first)
        # A timer, because the first event of a big log may itself be a while in coming.
        self._timer = Timer(APPEARS_AFTER_SECONDS, self._bar.start)
        self._timer.daemon = True
        self.position = first

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def at(self, position: int) -> None:
        """Note how far the command has come."""
        self.position = position
        if not position % 1000:
            self._bar.update(self._task, completed=position)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While something is printed, the bar makes room; it is back afterwards, if it was there."""
        appeared = not self._timer.is_alive()
        self._stop()
        yield
        if appeared:
            self._bar.start()

    def _stop(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._bar.stop()
