"""`scripts/torture`: a long run, bounded and seeded, and the planted defects."""

import statistics
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tests.torture import plan
from tests.torture.campaign import Order, torture

app = App(name="scripts/torture", help="Break the service on purpose, and see that its promises hold.", version_flags=[])


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
        for fault in plan.first_faults(seed, 24):
            print(f"after {fault.pause_seconds:4.2f} s  {plan.FAULTS[fault.kind]} ({fault.pick:.2f})")
        return 0
    order = Order(seed, seconds, clients, deployments, workers, history=history)
    report = torture(order, say=lambda line: print(line, file=sys.stderr, flush=True))
    for line in summary(report):
        print(line)
    for problem in report.problems:
        print(f"BROKEN: {problem}")
    return 1 if report.problems else 0


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
