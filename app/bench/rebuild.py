"""Rebuilds and verifications of all tables, beside a copy of the finished rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import psycopg

from app.bench.control import Copied, copy_rows
from app.bench.loading import WORKERS, Loaded, load, show
from app.bench.measurements import Measurement, Section, Suite, WrongAnswer, ratio
from app.bench.processes import DatabaseServer, Ran, ledger
from app.bench.scene import Cluster, Scene
from app.bench.workload import Stream, Workload
from projections.references import TABLES

GOAL_PER_SECOND: Final = 50_000
GOAL_OF_CONTROL: Final = 0.6
_SIZES: Final = """
    SELECT pg_table_size('stored_events'), pg_indexes_size('stored_events'),
           pg_table_size('deployment_versions') + pg_table_size('deployment_config_versions'),
           pg_indexes_size('deployment_versions') + pg_indexes_size('deployment_config_versions'),
           (SELECT sum(octet_length(body)) FROM deployment_versions)
           + (SELECT sum(octet_length(body)) FROM deployment_config_versions)
"""


class Plan(NamedTuple):
    """How much is measured: so many events, so many times, and whom to tell what is being done."""

    events: int
    repeat: int
    seed: int
    say: Callable[[str], None]


class _Round(NamedTuple):
    rebuild: Ran
    verify: Ran
    control: Copied


def measure(cluster: Cluster, plan: Plan) -> Suite:
    """Run the suite in a database of its own."""
    with Scene.open(cluster, "rebuild") as scene:
        return _measure(plan, scene.url, scene.postgresql)


def _measure(plan: Plan, url: str, server: DatabaseServer) -> Suite:
    workload = Workload(plan.seed, plan.events)
    log = workload.write()
    quarter = plan.events // 4
    plan.say(f"storing {quarter:,} events")
    load(url, log, quarter)
    plan.say("first rebuild, for the memory it takes")
    small = show(server, url)
    plan.say(f"storing {plan.events - quarter:,} more")
    rest = load(url, log, plan.events - quarter)
    plan.say("first rebuild of all")
    show(server, url)
    check(url, workload.streams, plan.events)
    rounds = []
    for number in range(1, plan.repeat + 1):
        plan.say(f"round {number} of {plan.repeat}")
        rebuilt = ledger(server, url, "rebuild", "start", "--workers", str(WORKERS))
        ledger(server, url, "rebuild", "clean")
        verified = ledger(server, url, "rebuild", "verify", "--workers", str(WORKERS))
        rounds.append(_Round(rebuilt, verified, copy_rows(url)))
    check(url, workload.streams, plan.events)
    sections = (_speed(plan.events, rounds), _memory(small, rounds), _disk(url, plan.events, rest))
    return Suite("Rebuild and verify", sections, _CHECKED)


def check(url: str, streams: list[Stream], events: int) -> None:
    """What readers see now is what the made-up log adds up to in memory, without any of the code measured."""
    expected = {
        (stream.resource, stream.workspace, stream.name, version): (
            msgspec.json.encode(snapshot.state).decode(),
            version == max(stream.snapshots),
        )
        for stream in streams
        for version, snapshot in stream.snapshots.items()
    }
    with psycopg.connect(url) as connection:
        shown = connection.execute("SELECT position FROM projection_position").fetchone()
        found = {
            (resource, workspace, name, version): (body, latest)
            for resource, table in TABLES.items()
            for workspace, name, version, body, latest in connection.execute(
                "SELECT workspace, name, version, body, latest_until = 9223372036854775807"  # noqa: S608
                f" FROM {table} WHERE valid_until = 9223372036854775807"
            )
        }
    if shown != (events,):
        raise WrongAnswer(f"the tables show the log up to {shown}, it has {events} events")
    if wrong := [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]:
        raise WrongAnswer(f"{len(wrong)} versions are not what the log adds up to, such as {wrong[0]}")


def _speed(events: int, rounds: list[_Round]) -> Section:
    rebuild = tuple(events / r.rebuild.seconds for r in rounds)
    verify = tuple(events / r.verify.seconds for r in rounds)
    in_place = tuple(events / r.control.in_place for r in rounds)
    afterwards = tuple(events / r.control.afterwards for r in rounds)
    phases = list(rounds[0].rebuild.output["phases"])
    return Section(
        "Speed",
        _HOW,
        (
            ratio("rebuild / control, indexes in place", rebuild, in_place, GOAL_OF_CONTROL),
            ratio("verify / control, indexes in place", verify, in_place, GOAL_OF_CONTROL),
            ratio("rebuild / control, indexes afterwards", rebuild, afterwards),
            ratio("verify / control, indexes afterwards", verify, afterwards),
            Measurement("rebuild", "events/s", rebuild, GOAL_PER_SECOND),
            Measurement("verify", "events/s", verify, GOAL_PER_SECOND),
            Measurement("control, indexes in place", "events/s", in_place),
            Measurement("control, indexes afterwards", "events/s", afterwards),
            *(
                Measurement(
                    f"rebuild: {phase}", "s", tuple(r.rebuild.output["phases"][phase] for r in rounds)
                )
                for phase in phases
            ),
            Measurement(
                "rebuild: writers wait for the switch, at most",
                "ms",
                tuple(r.rebuild.output["locked"] * 1e3 for r in rounds),
            ),
            *(
                Measurement(
                    f"{name}: processor time of {whose}",
                    "µs/event",
                    tuple(getattr(getattr(r, name), f"cpu_{field}") / events * 1e6 for r in rounds),
                )
                for name in ("rebuild", "verify")
                for whose, field in (("the program", "program"), ("PostgreSQL", "postgresql"))
            ),
        ),
    )


def _memory(small: Ran, rounds: list[_Round]) -> Section:
    kinds = (
        ("largest worker", "workers"),
        ("program that starts them", "program"),
        ("largest PostgreSQL process", "backends"),
    )
    return Section(
        "Memory",
        "The most that one process held at any time of a rebuild, seen ten times a second; of PostgreSQL's"
        " processes what they do not share. It must not grow with the log.",
        tuple(
            Measurement(f"{title}, {of}", "MB", values)
            for title, kind in kinds
            for of, values in (
                ("a quarter of the events", (getattr(small, kind),)),
                ("all events", tuple(getattr(r.rebuild, kind) for r in rounds)),
            )
        ),
    )


def _disk(url: str, events: int, rest: Loaded) -> Section:
    with psycopg.connect(url) as connection:
        log, log_indexes, rows, row_indexes, bodies = connection.execute(_SIZES).fetchone() or (0,) * 5
    sizes = {
        "an event's JSON": rest.json_bytes / rest.events,
        "the body of its row": int(bodies) / events,
        "log": log / events,
        "log, indexes": log_indexes / events,
        "tables that endpoints read": rows / events,
        "tables that endpoints read, indexes": row_indexes / events,
    }
    return Section(
        "Disk",
        "After the rebuild, without the write-ahead log.",
        tuple(Measurement(name, "bytes/event", (size,)) for name, size in sizes.items()),
    )


_CHECKED: Final = (
    "every rebuild found all rows of the new and the live tables equal, by a fingerprint at one snapshot",
    "every verification found each row to be what the log adds up to",
    "after the first rebuild and after the last, every version that readers see has the body that the made-up"
    " log adds up to in memory, and exactly the highest one of each name is its latest",
)
_HOW: Final = (
    f"`rebuild start` and `rebuild verify`, with `--workers {WORKERS}`, each a process of its own, from its"
    " start to its end, in turns with the control: `INSERT … SELECT` of the finished rows of both tables into"
    " new ones of the same shape, by one connection, with the indexes in place or built afterwards, one after"
    " the other. Events are those of the log, for the control too."
)
