"""The command line `deployment-ledger bench`."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from cyclopts import App, Parameter, validators

from app.audit.options import DONE, FAILED, print_json
from app.bench import growth, read, rebuild, report, status, summary, update, watch
from app.bench.machine import commit, describe, load_average
from app.bench.measurements import WrongAnswer
from app.bench.rebuild import Plan
from app.bench.scene import Cluster
from app.bench.turns import LoadPlan

HELP: Final = """
Measure how fast this is on this machine, beside the limits of its parts, and write a report.

Everything runs in a temporary directory, with a database of its own. What is measured is checked: a wrong
answer fails the run, a slow one never does. Nothing else should run on the machine.
"""
EPILOGUE: Final = "Exit codes: 0 done, 1 a wrong answer, 2 wrong command line."
QUICK_EVENTS: Final = 4_000
QUICK_SECONDS: Final = 0.1

SuiteName = Literal["update", "status", "read", "growth", "watch", "rebuild"]
SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)
_OF_SERVICE: Final = {
    "update": update.measure,
    "status": status.measure,
    "read": read.measure,
    "growth": growth.measure,
    "watch": watch.measure,
}

app = App(name="bench", help=HELP, help_epilogue=EPILOGUE, help_format="markdown")


@app.default
def bench(
    *,
    only: Annotated[
        tuple[SuiteName, ...],
        Parameter(negative="", show_default=False, help="What to measure. [default: everything]"),
    ] = (),
    events: Annotated[
        int, Parameter(validator=validators.Number(gte=1_000), help="Events of the log that is rebuilt.")
    ] = 1_000_000,
    deployments_max: Annotated[
        int, Parameter(validator=validators.Number(gte=1_000), help="Deployments of the largest database.")
    ] = 1_000_000,
    repeat: Annotated[
        int, Parameter(validator=validators.Number(gte=1), help="How often all is measured, in turns.")
    ] = 3,
    seconds: Annotated[
        float, Parameter(validator=validators.Number(gt=0), help="How long each load lasts.")
    ] = 1.5,
    workers: Annotated[
        tuple[int, ...], Parameter(negative="", help="Worker processes of servers that are measured.")
    ] = (1, 2),
    seed: Annotated[int, Parameter(help="What the made-up log depends on.")] = 1,
    quick: Annotated[
        bool, Parameter(negative="", help="A small log, once: whether answers are right, not how fast.")
    ] = False,
    output: Annotated[Path, Parameter(help="Directory of the report.")] = Path("docs/benchmarks"),
    json: Annotated[bool, Parameter(negative="", help="Print the report as JSON.")] = False,
) -> int:
    """Measure, check, and write the report of each suite as Markdown and JSON, with plots.

    ```
    deployment-ledger bench
    deployment-ledger bench --only update --only read --seconds 2
    deployment-ledger bench --only rebuild --events 200000 --repeat 1
    deployment-ledger bench --quick --output /tmp/bench --json
    ```
    """
    if quick:
        plan = Plan(QUICK_EVENTS, 1, seed, _say)
        loads = LoadPlan(QUICK_SECONDS, 1, workers[:1], seed, _say, quick=True)
    else:
        plan = Plan(events, repeat, seed, _say)
        loads = LoadPlan(seconds, repeat, workers, seed, _say, deployments_max)
    # Of the code that is measured; reports of one suite change the checkout for the next.
    measured = commit()
    with Cluster.open() as cluster:
        for name in dict.fromkeys(only or SUITES):
            try:
                run = _measured(name, cluster, plan, loads, measured)
            except WrongAnswer as wrong:
                _say(f"deployment-ledger bench: wrong: {wrong}")
                return FAILED
            written = report.write(run, output, name)
            if json:
                print_json(run)
            else:
                sys.stdout.write(report.as_markdown(run, name))
            _say(f"written after {run.seconds} s: {', '.join(map(str, written))}")
    summary.write(output, SUITES)
    return DONE


def _measured(name: SuiteName, cluster: Cluster, plan: Plan, loads: LoadPlan, measured: str) -> report.Run:
    _say(f"suite {name}")
    busy, began = load_average(), time.monotonic()
    machine = describe(cluster.url, busy)
    suite = rebuild.measure(cluster, plan) if name == "rebuild" else _OF_SERVICE[name](cluster, loads)
    took = round(time.monotonic() - began)
    return report.Run(_command(name, plan, loads), machine, (suite,), measured, took)


def _command(name: SuiteName, plan: Plan, loads: LoadPlan) -> str:
    if loads.quick:
        size = "--quick"
    elif name == "rebuild":
        size = f"--events {plan.events} --repeat {plan.repeat}"
    else:
        workers = " ".join(f"--workers {number}" for number in loads.workers)
        size = f"--seconds {loads.seconds:g} --repeat {loads.repeat} {workers}"
        if name in {"read", "growth"}:
            size += f" --deployments-max {loads.deployments_max}"
    return f"scripts/bench --only {name} {size} --seed {plan.seed}"


def _say(text: Any) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
