"""The command line `deployment-ledger bench`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from cyclopts import App, Parameter, validators

from app.audit.options import DONE, FAILED, print_json
from app.bench import rebuild, report, update
from app.bench.machine import load_average
from app.bench.measurements import WrongAnswer
from app.bench.rebuild import Plan
from app.bench.turns import LoadPlan

HELP: Final = """
Measure how fast this is on this machine, beside the limits of its parts, and write a report.

Everything runs in a temporary directory, with a database of its own. What is measured is checked: a wrong
answer fails the run, a slow one never does. Nothing else should run on the machine.
"""
EPILOGUE: Final = "Exit codes: 0 done, 1 a wrong answer, 2 wrong command line."
QUICK_EVENTS: Final = 4_000

QUICK_SECONDS: Final = 0.3

SuiteName = Literal["update", "rebuild"]
SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)

app = App(name="bench", help=HELP, help_epilogue=EPILOGUE, help_format="markdown")


@app.default
def bench(
    *,
    only: Annotated[
        tuple[SuiteName, ...], Parameter(negative="", help="What to measure. [default: everything]")
    ] = (),
    events: Annotated[
        int, Parameter(validator=validators.Number(gte=1_000), help="Events of the log.")
    ] = 1_000_000,
    repeat: Annotated[
        int, Parameter(validator=validators.Number(gte=1), help="How often all is measured, in turns.")
    ] = 3,
    seconds: Annotated[
        float, Parameter(validator=validators.Number(gt=0), help="How long each load lasts.")
    ] = 5.0,
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
    """Measure, check, and write the report of each suite as Markdown and JSON.

    ```
    deployment-ledger bench
    deployment-ledger bench --only rebuild --events 200000 --repeat 1
    deployment-ledger bench --quick --output /tmp/bench --json
    ```
    """
    if quick:
        plan = Plan(QUICK_EVENTS, 1, seed, _say)
        loads = LoadPlan(QUICK_SECONDS, 1, workers[:1], seed, _say, warm_up=False)
    else:
        plan = Plan(events, repeat, seed, _say)
        loads = LoadPlan(seconds, repeat, workers, seed, _say)
    for name in dict.fromkeys(only or SUITES):
        try:
            machine, suite = (
                rebuild.measure(plan, load_average())
                if name == "rebuild"
                else update.measure(loads, load_average())
            )
        except WrongAnswer as wrong:
            _say(f"deployment-ledger bench: wrong: {wrong}")
            return FAILED
        run = report.Run(_command(name, plan, loads, quick=quick), machine, (suite,))
        written = report.write(run, output, name)
        if json:
            print_json(run)
        else:
            sys.stdout.write(report.as_markdown(run))
        _say(f"written: {', '.join(map(str, written))}")
    return DONE


def _command(name: SuiteName, plan: Plan, loads: LoadPlan, *, quick: bool) -> str:
    size = "--quick" if quick else f"--events {plan.events} --repeat {plan.repeat}"
    if name != "rebuild" and not quick:
        workers = " ".join(f"--workers {number}" for number in loads.workers)
        size = f"--seconds {loads.seconds:g} --repeat {loads.repeat} {workers}"
    return f"scripts/bench --only {name} {size} --seed {plan.seed}"


def _say(text: Any) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
