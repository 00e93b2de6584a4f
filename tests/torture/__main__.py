"""`scripts/torture`: a long run, bounded and seeded, and the planted defects."""

import statistics
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tests.torture import breaking, fuzz, plan
from tests.torture.campaign import Order, torture
from tests.torture.defects import defects, trials

app = App(
    name="scripts/torture",
    help="Break the service on purpose, and see that its promises hold.",
    version_flags=[],
)
app.command(fuzz.app)
app.command(breaking.faults)
app.command(breaking.overload)


@app.default
def run(
    *,
    seconds: Annotated[float, Parameter(help="How long to go on with faults.")] = 60.0,
    seed: Annotated[int, Parameter(help="The same seed is the same plan of faults and requests.")] = 1,
    clients: Annotated[int, Parameter(help="Clients that ask without pause.")] = 16,
    deployments: Annotated[int, Parameter(help="Deployments that they share at a time.")] = 4,
    workers: Annotated[int, Parameter(help="HTTP worker processes of the service.")] = 2,
    history: Annotated[Path | None, Parameter(help="Where to keep the history, as JSON Lines.")] = None,
    show_plan: Annotated[bool, Parameter(help="Only print the first faults of the seed.")] = False,
) -> int:
    """Kill processes under load, again and again; exit code 1 if any promise was broken."""
    if show_plan:
        for fault in islice(plan.faults(seed), 3 * len(plan.FAULTS)):
            print(f"after {fault.pause_answers:3} answers: {plan.FAULTS[fault.kind]} ({fault.pick:.2f})")
        return 0
    order = Order(seed, seconds, clients, deployments, workers, history=history)
    report = torture(order, say=lambda line: print(line, file=sys.stderr, flush=True))
    for line in summary(report):
        print(line)
    for problem in report.problems:
        print(f"BROKEN: {problem}")
    return 1 if report.problems else 0


@app.command(name="defects")
def plant(
    *names: str,
    jobs: Annotated[int, Parameter(help="Copies of the service that are tested at the same time.")] = 2,
) -> int:
    """Plant each defect, or those named, in a copy of the service; exit code 1 if a test misses one."""
    if unknown := sorted(set(names) - set(defects())):
        print(f"no such defect: {', '.join(unknown)}", file=sys.stderr)
        return 2
    missed = 0
    for trial in trials(names, jobs):
        name, expected = (trial.name, "failed") if trial.name else ("(no defect)", "passed")
        verdict = {"failed": "caught", "passed": "passed"}[expected]
        if trial.outcome != expected:
            missed += 1
            verdict = "NOT CAUGHT" if trial.name and trial.outcome == "passed" else "BROKEN TEST RUN"
        print(f"{verdict:16}{name:40}{trial.test}", flush=True)
        if trial.outcome not in ("passed", expected):
            print(trial.output)
    print(f"{len(defects())} defects are kept; {missed} trials went wrong")
    return 1 if missed else 0


@app.command(name="track-record")
def show_track_record() -> None:
    """Print the table of defects for the guarantees page."""
    print("\n".join(track_record()))


def track_record():
    """The lines of Markdown that tell which defects are kept, and what catches them."""
    yield "| Defect | Caught by |"
    yield "|---|---|"
    for name, defect in defects().items():
        yield f"| **{name}**: {defect.what} | {' '.join(f'`{test}`' for test in defect.tests)} |"


def summary(report):
    """The lines of Markdown that tell what was done and what came of it."""
    order, counts = report.order, report.counts
    kills = sum(report.faults[kind] for kind in plan.KILLS)
    times = sorted(report.recoveries) or [0.0]
    by_kind = ", ".join(f"{count} × {plan.FAULTS[kind]}" for kind, count in sorted(report.faults.items()))
    yield "| Run | Result |"
    yield "|---|---|"
    yield f"| command | `scripts/torture --seconds {order.seconds:g} --seed {order.seed}` |"
    yield f"| load | {order.clients} clients at {order.deployments} deployments, {order.workers} workers |"
    yield f"| cycles (fault, recovery under load) | {sum(report.faults.values())}, of them {kills} with `kill -9` |"
    yield f"| faults | {by_kind} |"
    yield f"| writes acknowledged | {counts['acknowledged']:,} |"
    yield f"| writes refused | {counts['refused']:,} |"
    yield f"| reads answered | {counts['reads']:,} |"
    yield f"| lost answers resolved by repeating under the key | {counts['resolved']:,} |"
    yield f"| writes without key whose outcome stayed unknown | {counts['unknown']:,} |"
    yield f"| acknowledged writes lost | {report.lost} |"
    yield f"| phantom events | {report.phantoms} |"
    yield f"| events in the log, seen once and in order by a watch that came back {counts['watches']} times | {counts['events']:,} |"
    yield f"| seconds from fault to next write: median, longest | {statistics.median(times):.1f}, {times[-1]:.1f} |"
    yield f"| broken promises | {len(report.problems)} |"


if __name__ == "__main__":
    sys.exit(app())
