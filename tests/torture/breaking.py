"""The long forms of the sweep of faults and of the overload, each on servers of its own.

Each prints its figures as Markdown; the exit code is 1 if a promise was broken.
"""

import random
import time
from itertools import product
from typing import Annotated

from cyclopts import Parameter

from app.settings import DEFAULTS
from tests.support.postgres import database_server
from tests.support.postgres_proxy import PostgresProxy
from tests.support.service import Service
from tests.torture.faults import KINDS, MODES, READS, WRITES, Sweep
from tests.torture.overload import campaign


def faults(
    *,
    seconds: Annotated[float, Parameter(help="When to stop, done or not.")] = 240.0,
    seed: Annotated[int, Parameter(help="The same seed is the same order.")] = 1,
) -> int:
    """Fail every statement of every kind of write and read, in every way."""
    plan = [("write", *each) for each in product(WRITES, MODES, KINDS)]
    plan += [("read", *each) for each in product(READS, KINDS)]
    random.Random(seed).shuffle(plan)
    began, done = time.monotonic(), 0
    with database_server() as server, server.new_database() as url, PostgresProxy(url) as proxy:
        service = Service("--database-url", proxy.url, "--log-level", "error")
        sweep = Sweep(service.url, proxy, url)
        try:
            for what, *order in plan:
                getattr(sweep, what)(*order)
                done += 1
                if time.monotonic() - began > seconds:
                    break
        finally:
            sweep.close()
            service.end()
    found = sweep.findings
    outcomes = ", ".join(f"{count:,} × {status}" for status, count in sorted(found.outcomes.items()))
    print("| Sweep of faults | Result |")
    print("|---|---|")
    print(f"| command | `scripts/torture faults --seconds {seconds:g} --seed {seed}` |")
    print(
        f"| kinds of write × with key, without, dry × kinds of fault; reads × kinds of fault | {done} of {len(plan)} |"
    )
    print(f"| requests with one statement failed | {found.cases:,} |")
    print(f"| answers | {outcomes} |")
    print(f"| broken promises | {len(found.problems)} |")
    return _told(found.problems)


def overload(
    *,
    seconds: Annotated[float, Parameter(help="How long the surplus of a round lasts.")] = 60.0,
    rounds: Annotated[int, Parameter(help="How often: three of a minute take less than five.")] = 3,
    connections: Annotated[int, Parameter(help="Clients that ask.")] = 2000,
    times: Annotated[float, Parameter(help="Times what the service can do.")] = 10.0,
    workers: Annotated[int, Parameter(help="HTTP worker processes of the service.")] = 1,
) -> int:
    """Ask for many times what the service can do."""
    places = DEFAULTS.write_queue_max * workers
    with database_server() as server, server.new_database() as url:
        service = Service("--database-url", url, "--log-level", "error", "--workers", workers)
        try:
            report = campaign(
                service,
                url,
                seconds=seconds,
                connections=connections,
                times=times,
                in_hand_max=places,
                rounds=rounds,
            )
        finally:
            service.end()
    for line in report.lines(
        f"scripts/torture overload --rounds {rounds} --seconds {seconds:g}"
        f" --connections {connections} --times {times:g}"
    ):
        print(line)
    return _told(report.problems)


def _told(problems):
    for problem in problems:
        print(f"BROKEN: {problem}")
    return 1 if problems else 0
