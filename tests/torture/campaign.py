"""One run: load, faults and recoveries for so many seconds, and then the judgement."""

import asyncio
import random
import subprocess
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.support.postgres import short_directory
from tests.support.service import PROGRAM
from tests.torture import plan, specification, truth
from tests.torture.checker import STEPS_MAX, Specification, check
from tests.torture.clients import CONFIG, Load
from tests.torture.history import Seen, by_deployment, save
from tests.torture.machine import Machine
from tests.torture.watching import Follower

DEPLOYMENT = Specification(
    specification.INITIAL, specification.steps, specification.is_silent, specification.rank
)
RECOVERY_SECONDS_MAX = 90.0
CATCH_UP_SECONDS_MAX = 60.0
PAST_ANSWERS_MAX = 200
LAST_ANSWERS = 200
"""How long the load goes on after the last of a limited number of faults."""


class Order(NamedTuple):
    """What is to be run; `history` is the file to keep the history in, if it is wanted."""

    seed: int = 1
    seconds: float = 60.0
    clients: int = 16
    deployments: int = 4
    workers: int = 2
    kinds: tuple[str, ...] = tuple(sorted(plan.FAULTS))
    cycles_max: int | None = None
    history: Path | None = None
    steps_max: int = STEPS_MAX


class Report(NamedTuple):
    """What came of it: `problems` has a sentence for every broken promise, and is empty if none is."""

    order: Order
    counts: Counter
    faults: Counter
    recoveries: list[float]
    problems: list[str]
    lost: int
    phantoms: int


def torture(order, say=lambda _: None):
    """Run it on a directory and processes of its own, which are gone afterwards."""
    with short_directory() as directory:
        machine = Machine(directory / "data", order.workers)
        try:
            return asyncio.run(_run(order, machine, say))
        finally:
            machine.end()


async def _run(order, machine, say):
    _create_configs(machine.url)
    load = Load(machine.url, order.seed, order.clients, order.deployments)
    follower = Follower(machine.url)
    following = asyncio.create_task(follower.run())
    working = asyncio.create_task(load.run())
    faults, recoveries = Counter(), []
    problems = []
    until = time.monotonic() + order.seconds
    for fault in islice(plan.faults(order.seed, order.kinds), order.cycles_max):
        if problems or not await load.more_answers(fault.pause_answers, until):
            break
        told = plan.FAULTS[fault.kind]
        try:
            recoveries.append(await _survive(machine, load, fault))
        except TimeoutError:
            problems.append(f"no write was carried out within {RECOVERY_SECONDS_MAX:g} s after {told}")
        else:
            faults[fault.kind] += 1
            say(f"{sum(faults.values())}. {told}: writes again after {recoveries[-1]:.1f} s")
    await load.more_answers(LAST_ANSWERS, until)
    load.end()
    await working
    await load.read_everything()
    log = await asyncio.to_thread(truth.read_log, machine.database_url)
    problems += load.faults
    try:
        await follower.reach(len(log), CATCH_UP_SECONDS_MAX)
    except TimeoutError:
        problems.append(f"the watch stays at position {follower.position} of {len(log)}")
    following.cancel()
    found = truth.compare(log, load.asked, follower.events)
    problems += [*found.lost, *found.phantoms, *found.other]
    problems += _changed_pasts(machine.url, load.operations, order.seed)
    problems += await asyncio.to_thread(_complaints, machine.directory)
    if order.history:
        save(order.history, load.operations)
    counts = load.counts + Counter(
        operations=len(load.operations), events=len(log), watches=follower.connections
    )
    say(f"checking {len(load.operations)} operations of {order.clients} clients")
    problems += judged(load.operations, order.steps_max)
    return Report(order, counts, faults, recoveries, problems, len(found.lost), len(found.phantoms))


async def _survive(machine, load, fault):
    """Do it, and wait until writes sent afterwards are carried out; how long that took, in seconds."""
    began = time.monotonic()
    await asyncio.to_thread(machine.inject, fault)
    # A worker that is only stopped for a while has recovered when it goes on.
    since = time.monotonic() if fault.kind == "freeze" else began
    async with asyncio.timeout(RECOVERY_SECONDS_MAX):
        await load.acknowledged_after(since)
    return time.monotonic() - since


def judged(operations, steps_max=STEPS_MAX):
    """A sentence for each deployment whose history is not certainly linearizable."""
    sentences = []
    for name, part in sorted(by_deployment(operations).items()):
        verdict = check(part, DEPLOYMENT, steps_max)
        if verdict.outcome != "linearizable":
            stuck = "\n    ".join(map(str, verdict.stuck))
            sentences.append(
                f"the history of {name} is {verdict.outcome} ({verdict.ordered} of {len(part)} operations in"
                f" order, {verdict.steps} steps): in {verdict.state} none of these can come next\n    {stuck}"
            )
    return sentences


def _create_configs(url):
    path = f"{Load(url, 0, 0, 0).url}/deployment-configs"
    body = {"engine": "nim", "model_spec": {"model_name": "m"}, "executor_config": {"gpu": 1}}
    for version in range(plan.CONFIG_VERSIONS):
        target, name = (path, {"name": CONFIG}) if version == 0 else (f"{path}/{CONFIG}", {})
        httpx.post(target, json={**name, **body}, timeout=30).raise_for_status()


def _changed_pasts(url, operations, seed):
    """Of some writes: what `as_of` shows of them in the end has to be what their answers showed."""
    answered = [o for o in operations if o.call.kind in ("create", "update", "status") and o.answer]
    shown = [(o.deployment, o.answer.shown[0]) for o in answered if o.answer.shown]
    base = Load(url, 0, 0, 0).url
    with httpx.Client(trust_env=False, timeout=30) as http:
        for name, seen in random.Random(seed).sample(shown, min(len(shown), PAST_ANSWERS_MAX)):
            path = f"{base}/deployments/{name}/versions/{seen.number}?as_of={seen.position}"
            response = http.get(path)
            if response.status_code != 200 or Seen.of(response.json(), response.headers["etag"]) != seen:
                yield f"{path} shows {response.text}, and the write was answered {seen}"


def _complaints(directory):
    """What the service's own proofs say against its tables and its log."""
    for command in (("rebuild", "verify"), ("audit", "replay")):
        arguments = [PROGRAM, *command, "--data-dir", directory]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            yield f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
