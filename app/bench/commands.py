"""The command line `deployment-ledger bench`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter, validators

from app.audit.options import DONE, FAILED, print_json
from app.bench import rebuild, report
from app.bench.machine import load_average
from app.bench.measurements import WrongAnswer
from app.bench.rebuild import Plan

HELP: Final = """
Measure how fast this is on this machine, beside the limits of its parts, and write a report.

Everything runs in a temporary directory, with a database of its own. What is measured is checked: a wrong
answer fails the run, a slow one never does. Nothing else should run on the machine.
"""
EPILOGUE: Final = "Exit codes: 0 done, 1 a wrong answer, 2 wrong command line."
QUICK_EVENTS: Final = 4_000

SuiteName = Literal["rebuild"]

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
    seed: Annotated[int, Parameter(help="What the made-up log depends on.")] = 1,
    quick: Annotated[
        bool, Parameter(negative="", help="A small log, once: whether answers are right, not how fast.")
    ] = False,
    output: Annotated[Path, Parameter(help="Directory of the report.")] = Path("docs/benchmarks"),
    json: Annotated[bool, Parameter(negative="", help="Print the report as JSON.")] = False,
) -> int:
    """Measure, check, and write the report as Markdown and JSON, named after what was measured.

    ```
    deployment-ledger bench
    deployment-ledger bench --only rebuild --events 200000 --repeat 1
    deployment-ledger bench --quick --output /tmp/bench --json
    ```
    """
    plan = Plan(QUICK_EVENTS if quick else events, 1 if quick else repeat, seed, _say)
    size = "--quick" if quick else f"--events {events} --repeat {repeat}"
    command = " ".join(("scripts/bench", *(f"--only {suite}" for suite in only), size, f"--seed {seed}"))
    try:
        machine, suite = rebuild.measure(plan, load_average())
    except WrongAnswer as wrong:
        _say(f"deployment-ledger bench: wrong: {wrong}")
        return FAILED
    run = report.Run(command, machine, (suite,))
    written = report.write(run, output, "-".join(dict.fromkeys(only)) or "benchmark")
    if json:
        print_json(run)
    else:
        sys.stdout.write(report.as_markdown(run))
    _say(f"written: {', '.join(map(str, written))}")
    return DONE


def _say(text: Any) -> None:
    sys.stderr.write(f"{text}\n")
