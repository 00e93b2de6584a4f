"""Hostile requests by the million: the service answers each, below 500 and in order, and stays what it was."""

import asyncio
import json
import re
import subprocess
import time
from collections import Counter
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import uvloop

from tests.support.service import PROGRAM
from tests.torture.answers import NoAnswer
from tests.torture.hostile_messages import MESSAGES, damaged
from tests.torture.hostile_requests import BASE, NAMES, Request, request
from tests.torture.minimise import smallest
from tests.torture.wire import ANSWER_SECONDS_MAX, connected, exchange

PIPELINED = 16
PIPELINED_BYTES_MAX = 64 * 1024
READ_BACK_EVERY = 10
MESSAGE_EVERY = 200
WATCH_EVERY = 1_000
PROBLEMS_MAX = 10
MEMORY_GROWTH_MAX = 256 * 2**20
JSON = ((b"Content-Type", b"application/json"),)
BASE_CONFIG = b'{"name":"base","engine":"nim","model_spec":{},"executor_config":{"gpu":1}}'


class Report(NamedTuple):
    """What was done and what came of it; `problems` is empty if the service kept every promise."""

    requests: int
    messages: int
    seconds: float
    statuses: Counter
    read_back: int
    closed: int
    memory_growth: int
    problems: list[str]


def fuzz(service, *, seed, requests, first=0, connections=6, data_dir=None, say=lambda _: None):
    """Send the requests with these numbers to a running `Service` and judge it, its answers and what it stored."""
    run = _Run(service.url, seed, say)
    workers = service.worker_pids()
    began = time.monotonic()
    uvloop.run(run.all(first, first + requests, connections, lambda: _memory(workers)))
    seconds = time.monotonic() - began
    problems = run.problems
    if service.worker_pids() != workers:
        problems.append(
            f"worker processes {workers} were replaced by {service.worker_pids()}:\n{service.output}"
        )
    elif (grown := _memory(workers) - run.memory) > MEMORY_GROWTH_MAX:
        problems.append(
            f"the workers' memory grew by {grown >> 20} MiB after the first tenth of the requests"
        )
    if found := re.search(r"Traceback|worker died|request failed", service.output):
        problems.append(f"the service's log has {found[0]!r}:\n{service.output[-5_000:]}")
    if data_dir is not None:
        problems += _complaints(data_dir)
    return Report(
        requests,
        run.messages,
        seconds,
        run.statuses,
        run.read_back,
        run.closed,
        max(0, _memory(service.worker_pids()) - run.memory),
        problems,
    )


class _Run:
    def __init__(self, url, seed, say):
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._seed, self._say = seed, say
        self.statuses, self.problems = Counter(), []
        self.messages = self.read_back = self.closed = self.memory = 0
        self._done = 0

    async def all(self, first, end, connections, memory):
        async with connected(self._address) as connection:
            # What there is to read from the first request on; a short run has no time to make more.
            for number in range(min(NAMES, (end - first) // 20)):
                for made in _beginning(number):
                    await connection.ask(made)
        numbers = iter(range(first, end))
        tenth = max(1, (end - first) // 10)

        async def work():
            while len(self.problems) < PROBLEMS_MAX and (batch := list(islice(numbers, PIPELINED))):
                await self._batch(batch)
                self._done += len(batch)
                if self._done % tenth < len(batch):
                    self.memory = self.memory or memory()
                    self._say(f"{self._done:,} of {end - first:,} requests, {dict(self.statuses)}")

        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(work())
        self.memory = self.memory or memory()

    async def _batch(self, numbers):
        pending = [(number, request(self._seed, number)) for number in numbers]
        for number in numbers:
            if number % MESSAGE_EVERY == 0:
                await self._exchange(damaged(self._seed, number))
                await self._exchange(MESSAGES[number // MESSAGE_EVERY % len(MESSAGES)])
            if number % WATCH_EVERY == 0:
                await self._watch(number, request(self._seed, number))
        while pending:
            pending = await self._pipelined(pending)

    async def _pipelined(self, pending):
        """What is left to do after one connection: nothing, or what came behind a request that closed it."""
        sizes, sent = 0, []
        for number, made in pending:
            content = made.encoded(b"%d" % number)
            if sent and sizes + len(content) > PIPELINED_BYTES_MAX:
                break
            sent.append((number, made, content))
            sizes += len(content)
        stored = []
        async with connected(self._address) as connection:
            connection.send(b"".join(content for *_, content in sent))
            for done, (number, made, _) in enumerate(sent):
                try:
                    answer = await connection.answer(to_head=made.method == b"HEAD")
                except (NoAnswer, TimeoutError, ConnectionError) as lost:
                    self._problem(number, made, f"no answer: {lost!r}")
                    return pending[done + 1 :]
                if answer is None:
                    # Closed without a word is no answer either, but for the one after an answer that says so.
                    self._problem(number, made, "the connection was closed without an answer")
                    return pending[done + 1 :]
                self._judge(number, made, answer)
                if number % READ_BACK_EVERY == 0 and _is_stored(made, answer):
                    stored.append((number, made, answer))
                if answer.closes:
                    self.closed += 1
                    return pending[done + 1 :]
            for number, made, answer in stored:
                await self._read_back(connection, number, made, answer)
        return pending[len(sent) :]

    def _judge(self, number, made, answer):
        self.statuses[answer.status] += 1
        if answer.status >= 500:
            self._problem(number, made, f"answered {answer.status}: {answer.body[:300]!r}")
        elif answer.request_id != b"%d" % number and not (answer.request_id is None and answer.closes):
            self._problem(number, made, f"got the answer to {answer.request_id!r}")

    async def _read_back(self, connection, number, made, answer):
        position, _, version = answer.headers[b"etag"].strip(b'"').removesuffix(b"-r").partition(b".")
        stored = json.loads(answer.body)
        resource = made.target.removeprefix(BASE).split(b"/")[2].partition(b"?")[0]
        path = b"%b/%b/%b/%b/versions/%b?as_of=%b" % (
            BASE,
            stored["workspace"].encode(),
            resource,
            stored["name"].encode(),
            version,
            position,
        )
        found = await connection.ask(Request(b"GET", path))
        shown = json.loads(found.body) if found.status == 200 else {}
        if {**shown, "auth_context": None} != {**stored, "auth_context": None}:
            self._problem(number, made, f"was answered {answer.body!r}, but {path!r} shows {found.body!r}")
        self.read_back += 1

    async def _watch(self, number, made):
        _, _, query = made.target.partition(b"?")
        made = made._replace(method=b"GET", target=b"%b/default/watch?%b" % (BASE, query), body=None)
        async with connected(self._address) as connection:
            connection.send(made.encoded(b"watch"))
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                head = await connection.reader.read(4096)
        if not re.match(rb"HTTP/1\.1 [24]", head):
            self._problem(number, made, f"a watch began with {head[:200]!r}")

    async def _exchange(self, message):
        self.messages += 1
        statuses, complaint = await exchange(self._address, message)
        self.statuses.update(statuses)
        if complaint:
            self.problems.append(f"message {message.name}: {complaint}\n  {message.content[:2_000]!r}")

    def _problem(self, number, made, complaint):
        small = (
            smallest(made, lambda candidate: _fails(self._address, candidate))
            if "answered" in complaint
            else made
        )
        # Together with those that it may have shared a connection with.
        first = max(0, number - PIPELINED)
        again = f"scripts/torture fuzz --seed {self._seed} --first {first} --requests {2 * PIPELINED}"
        self.problems.append(f"request {number}: {complaint}\n  {small}\n  once more: {again}"[:6_000])


def _beginning(number):
    name = b"n%d" % number
    configs, deployments = b"%b/default/deployment-configs" % BASE, b"%b/default/deployments" % BASE
    if number == 0:
        yield Request(b"POST", configs, JSON, BASE_CONFIG)
    yield Request(b"POST", configs, JSON, BASE_CONFIG.replace(b"base", name))
    yield Request(b"POST", deployments, JSON, b'{"name":"%b","config":"base"}' % name)


def _is_stored(made, answer):
    written = made.method == b"POST" and answer.status in (200, 201)
    return written and b"etag" in answer.headers and b"dry-run" not in answer.headers


def _fails(address, made):
    async def ask():
        async with connected(address) as connection:
            answer = await connection.ask(made)
        return answer.status >= 500

    return ask()


def _memory(pids):
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


def _complaints(data_dir):
    """What the service's own proofs say against its tables and its log."""
    for command in (("rebuild", "verify"), ("audit", "replay")):
        arguments = [PROGRAM, *command, "--data-dir", data_dir]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            yield f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
