"""What commands of a rebuild print: for people, or as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg import Connection
from psycopg.rows import dict_row

from app.audit.options import Options, print_json
from app.audit.tables import print_line
from app.projection_versions import own_versions, stale_in
from app.rebuild import registry
from app.rebuild.comparing import Difference
from app.rebuild.registry import Done, Run
from app.rebuild.run import Outcome
from app.rebuild.verifying import Verified


class Status(msgspec.Struct, frozen=True):
    """All that the database says of rebuilds, and of the versions of its tables."""

    run: Run | None
    at_work: bool
    events_left: int
    workers: list[Done]
    live: list[dict[str, Any]]
    history: list[dict[str, Any]]
    stale: list[str]

    @classmethod
    def of(cls, connection: Connection[Any]) -> Status:
        """The status now."""
        cursor = connection.cursor(row_factory=dict_row)
        history = cursor.execute(
            "SELECT resource, version, release, position, switched_at FROM projection_versions"
            " ORDER BY switched_at, resource"
        ).fetchall()
        return cls(
            registry.current(connection),
            registry.at_work(connection),
            registry.events_left(connection),
            registry.done(connection),
            list({row["resource"]: row for row in history}.values()),
            history,
            [str(each) for each in stale_in(connection)],
        )

    @property
    def rate(self) -> float:
        """Events a second, lately."""
        return sum(worker.recent for worker in self.workers) / registry.RECENT_SECONDS

    @property
    def events_done(self) -> int:
        """Events of the slices that are done."""
        return sum(worker.events for worker in self.workers)

    def print(self, options: Options) -> None:
        """Tell it."""
        if options.json:
            more = {"events_done": self.events_done, "rate": self.rate, "own": own_versions()}
            left = self.events_left / self.rate if self.rate else None
            workers = [worker._asdict() for worker in self.workers]
            told = {name: getattr(self, name) for name in self.__struct_fields__}
            print_json({**told, **more, "workers": workers, "seconds_left": left})
            return
        self._print_run()
        for row in self.live:
            print_line(
                f"{row['resource']}: version {row['version']}, live since position {row['position']}, "
                f"{row['switched_at']:%Y-%m-%d %H:%M:%SZ}, by release {row['release']}"
            )
        for sentence in self.stale:
            print_line(f"stale: {sentence}")

    def _print_run(self) -> None:
        if self.run is None:
            print_line("no rebuild")
            return
        at_work = "a process is at work on it" if self.at_work else "nobody is at work on it"
        print_line(f"{self.run.title}, of {', '.join(self.run.resources)}; {at_work}")
        if self.run.state == "building":
            for worker in self.workers:
                print_line(f"  worker {worker.worker}: {worker.events:,} events")
            ends = f", {self.events_left / self.rate:,.0f} s left" if self.rate else ""
            print_line(
                f"  {self.events_left:,} of {self.events_left + self.events_done:,} events left, "
                f"{self.rate:,.0f}/s{ends}"
            )
        else:
            print_line(f"  the tables that are not live show the log up to position {self.run.position}")


def print_outcome(options: Options, outcome: Outcome, events: int, phases: Mapping[str, float]) -> None:
    """Tell how a rebuild came out, which folded so many events, and how many seconds each phase took."""
    seconds = sum(phases.values())
    if options.json:
        print_json(
            {
                **msgspec.structs.asdict(outcome),
                "locked": round(outcome.locked, 6),
                "events": events,
                "seconds": round(seconds, 3),
                "phases": {phase: round(taken, 3) for phase, taken in phases.items()},
            }
        )
        return
    for resource, columns in outcome.not_compared.items():
        print_line(f"not compared, as the tables' shapes differ: {', '.join(columns)} of {resource}")
    if not outcome.switched:
        name_differences(outcome.differences)
        print_line("nothing was switched: `rebuild resume --accept-differences` or `rebuild abort`")
        return
    rows = ", ".join(f"{found.rows:,} of {name}" for name, found in outcome.fingerprints.items())
    print_line(
        f"switched at position {outcome.position}: all rows are equal ({rows}); "
        f"{events:,} events in {seconds:.1f} s ({events / seconds:,.0f} events/s)"
        if outcome.fingerprints
        else f"switched at position {outcome.position}, not compared; {events:,} events in {seconds:.1f} s"
    )
    print_line(f"no write waited for the switch for longer than {outcome.locked * 1e3:.0f} ms")
    print_line("the old tables are kept: `rebuild rollback` puts them back, `rebuild clean` drops them")


def print_verified(options: Options, result: Verified, seconds: float) -> None:
    """Tell what a check of the live tables found."""
    if options.json:
        print_json({"ok": result.ok, **msgspec.structs.asdict(result), "seconds": round(seconds, 3)})
    elif result.ok:
        print_line(
            f"ok: up to position {result.position} the tables are what {result.events:,} events add up to "
            f"({seconds:.1f} s, {result.events / seconds:,.0f} events/s)"
        )
    else:
        if result.shown != result.position:
            print_line(f"the tables say they show the log up to {result.shown}, it ends at {result.position}")
        name_differences(result.differences)


def name_differences(differences: list[Difference]) -> None:
    """Tell which rows differ, a line each."""
    for difference in differences:
        print_line(difference.title)


def print_done(options: Options, state: str, text: str, **more: Any) -> None:
    """Tell that something is done."""
    if options.json:
        print_json({"state": state, **more})
    else:
        print_line(text)
