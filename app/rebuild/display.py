"""How far a rebuild is, on stderr, in a terminal only: a bar for all workers together and one for each."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from psycopg import Connection
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.rebuild import registry


class Display:
    """Shows `total` events, of which some may be done already."""

    def __init__(self, title: str = "", total: int = 0) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._total = max(total, 1)
        self._all = self._bar.add_task(title, total=self._total, rate=0)
        self._workers: dict[int, TaskID] = {}
        self._phases: list[tuple[str, float]] = []

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def phase(self, title: str) -> None:
        """Something else begins."""
        self._phases.append((title, time.monotonic()))
        self._bar.update(self._all, description=title)

    def seconds(self) -> dict[str, float]:
        """How long each phase has taken so far."""
        ends = [*(began for _, began in self._phases[1:]), time.monotonic()]
        return {title: end - began for (title, began), end in zip(self._phases, ends, strict=False)}

    def loaded(self, connection: Connection[Any]) -> None:
        """Show what the registry says of the workers."""
        done = registry.done(connection)
        for worker, events, recent in done:
            if worker not in self._workers:
                self._workers[worker] = self._bar.add_task(f"  worker {worker}", total=self._total, rate=0)
            self._bar.update(self._workers[worker], completed=events, rate=recent / registry.RECENT_SECONDS)
        rate = sum(d.recent for d in done) / registry.RECENT_SECONDS
        self._bar.update(self._all, completed=sum(d.events for d in done), rate=rate)

    def total(self, events: int) -> None:
        """Note how many events there are."""
        self._bar.update(self._all, total=max(events, 1))

    def advance(self, events: int) -> None:
        """Note that so many more are done."""
        self._bar.advance(self._all, events)
        task = self._bar.tasks[self._all]
        self._bar.update(self._all, rate=task.speed or 0)
