"""`scripts/torture fuzz`: hostile requests to a service of its own, bounded and seeded."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from tests.support.postgres import short_directory
from tests.support.service import Service
from tests.torture.fuzzing import fuzz

app = App(
    name="fuzz", help="Send damaged requests by the million and see that all are answered.", version_flags=[]
)


@app.default
def run(
    *,
    requests: Annotated[int, Parameter(help="How many.")] = 100_000,
    seed: Annotated[int, Parameter(help="The same seed is the same requests.")] = 1,
    first: Annotated[int, Parameter(help="The number of the first one.")] = 0,
    connections: Annotated[int, Parameter(help="Connections at the same time.")] = 6,
    workers: Annotated[int, Parameter(help="HTTP worker processes of the service.")] = 2,
) -> int:
    """Exit code 1 if any answer was 500 or above, late, out of order, or if the service suffered."""
    with short_directory() as directory:
        data_dir = directory / "data"
        service = Service("--data-dir", data_dir, "--workers", workers, "--log-level", "warning")
        try:
            report = fuzz(
                service,
                seed=seed,
                requests=requests,
                first=first,
                connections=connections,
                data_dir=data_dir,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
        finally:
            service.end()
    for line in summary(report, seed, first):
        print(line)
    for problem in report.problems:
        print(f"BROKEN: {problem}")
    return 1 if report.problems else 0


def summary(report, seed, first):
    """The lines of Markdown that tell what was done and what came of it."""
    statuses = ", ".join(f"{count:,} × {status}" for status, count in sorted(report.statuses.items()))
    yield "| Run | Result |"
    yield "|---|---|"
    yield f"| command | `scripts/torture fuzz --requests {report.requests} --seed {seed} --first {first}` |"
    yield f"| requests damaged as JSON, query, path or header | {report.requests:,} |"
    yield f"| messages damaged as HTTP | {report.messages:,} |"
    yield f"| answers | {statuses} |"
    yield f"| answers of 500 or above | {sum(n for status, n in report.statuses.items() if status >= 500)} |"
    yield f"| requests a second | {report.requests / report.seconds:,.0f} |"
    yield f"| accepted writes read back from the past | {report.read_back:,} |"
    yield f"| growth of the workers' memory | {report.memory_growth >> 20} MiB |"
    yield f"| broken promises | {len(report.problems)} |"


if __name__ == "__main__":
    sys.exit(app())
