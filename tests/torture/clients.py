"""Clients that write, read, and find out what became of writes whose answer was lost."""

import asyncio
import itertools
import re
import time
from collections import Counter

import httpx

from tests.torture.history import WRITES, Answer, Call, Operation, Seen
from tests.torture.plan import Memory, requests

WORKSPACE = "torture"
CONFIG = "c"
PHASE_ANSWERS = 200
"""In turn, versions are mostly added and mostly removed."""
EPOCH_ANSWERS = 3000
"""So long deployments are worked at; then new names are taken, so that no history gets too long to check."""
ANSWER_SECONDS_MAX = 30.0
RESOLVE_SECONDS_MAX = 60.0
AGAIN_SECONDS = 0.1
_CURRENT = re.compile(r'its ETag is now "(\d+)\.(\d+)"')


class Load:
    """All clients of a run: `operations` is their history, `asked` every write that was ever sent.

    `asked` has the operation by its number, None where the service said that nothing was changed.
    """

    def __init__(self, url, seed, clients, deployments):
        self.url = f"{url}/apis/models/v2/workspaces/{WORKSPACE}"
        self.operations = []
        self.asked = {}
        self.counts = Counter()
        self.faults = []
        self._seed = seed
        self._clients = clients
        self._deployments = deployments
        self._numbers = itertools.count(1)
        self._ending = False
        self._grown = asyncio.Condition()
        self._newest_acknowledged = 0.0

    async def run(self):
        """Ask without pause until `end` is called; then until every repeated write is answered."""
        async with asyncio.TaskGroup() as group:
            for client in range(self._clients):
                group.create_task(self._client(client))

    def end(self):
        """Ask for nothing new."""
        self._ending = True

    async def acknowledged_after(self, moment):
        """Wait until a write that was sent after `moment` has been carried out."""
        async with self._grown:
            await self._grown.wait_for(lambda: self._newest_acknowledged > moment)

    async def more_answers(self, count, until):
        """Wait until so many more operations are answered; False if that is not so in time."""
        enough = len(self.operations) + count
        try:
            async with asyncio.timeout_at(until), self._grown:
                await self._grown.wait_for(lambda: len(self.operations) >= enough)
        except TimeoutError:
            return False
        return True

    async def read_everything(self):
        """Each deployment as it is in the end, as further operations of the history."""
        async with self._connection() as http:
            for name in sorted({operation.deployment for operation in self.operations}):
                await self._once(http, -1, name, Call("versions"))

    async def _client(self, client):
        choices = requests(self._seed, client)
        next(choices)
        memories = {}
        async with self._connection() as http:
            while not self._ending:
                answers = len(self.operations)
                name = f"d{answers // EPOCH_ANSWERS}-{client % self._deployments}"
                memory = memories.setdefault(name, Memory())
                reaping = answers // PHASE_ANSWERS % 2 == 1
                asking = choices.send((memory, reaping))
                if asking.call.kind in WRITES:
                    answer = await self._write(http, client, name, asking)
                else:
                    answer = await self._once(http, client, name, asking.call)
                if answer is None:
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    _remember(memory, asking.call, answer)

    def _connection(self):
        return httpx.AsyncClient(base_url=self.url, timeout=ANSWER_SECONDS_MAX, trust_env=False)

    async def _once(self, http, client, name, call):
        number, invoked = next(self._numbers), time.monotonic()
        outcome = await self._send(http, name, call, {})
        if not isinstance(outcome, Answer):
            return None
        answered = time.monotonic()
        await self._take_down(Operation(number, client, name, call, invoked, answered, outcome), "reads")
        return outcome

    async def _write(self, http, client, name, asking):
        """The answer; None if it did not come: what became of the write is in the history then."""
        number, invoked = next(self._numbers), time.monotonic()
        headers = {"x-change-reason": f"operation {number}"}
        if asking.keyed:
            headers["idempotency-key"] = f"{self._seed}-{number}"
        give_up = invoked + RESOLVE_SECONDS_MAX
        unknown = False
        for attempt in itertools.count(1):
            # What changed nothing need not be thought of as an attempt.
            invoked = invoked if unknown else time.monotonic()
            outcome = await self._send(http, name, asking.call, headers)
            if isinstance(outcome, Answer):
                answered = time.monotonic()
                operation = Operation(number, client, name, asking.call, invoked, answered, outcome, attempt)
                self.asked[number] = operation
                self.counts["resolved"] += unknown
                await self._take_down(operation, "acknowledged" if outcome.status < 300 else "refused")
                return outcome
            unknown = unknown or outcome == "unknown"
            if not asking.keyed or time.monotonic() > give_up:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        self.asked[number] = None
        if unknown:
            self.asked[number] = Operation(number, client, name, asking.call, invoked)
            await self._take_down(self.asked[number], "unknown")
        return None

    async def _take_down(self, operation, what):
        self.operations.append(operation)
        self.counts[what] += 1
        async with self._grown:
            if what == "acknowledged":
                self._newest_acknowledged = max(self._newest_acknowledged, operation.invoked)
            self._grown.notify_all()

    async def _send(self, http, name, call, headers):
        """An `Answer`; or "nothing", if certainly nothing was changed; or "unknown"."""
        method, path, body = _request(name, call)
        if call.if_match is not None:
            headers = {**headers, "if-match": '"{}.{}"'.format(*call.if_match)}
        try:
            response = await http.request(method, path, json=body, headers=headers)
        except httpx.ConnectError:
            return "nothing"
        except httpx.TransportError:
            return "unknown"
        if response.status_code == 503:
            self.counts["503"] += 1
            return "nothing" if "nothing was changed" in response.text else "unknown"
        if response.status_code >= 500:
            self.faults.append(f"{method} {path} was answered {response.status_code}: {response.text}")
            return "unknown"
        return _answer(call, response)


def _request(name, call):
    path = f"/deployments/{name}"
    if call.kind == "create":
        return "POST", "/deployments", {"name": name, "config": CONFIG, "config_version": call.config_version}
    if call.kind == "update":
        return "POST", path, {"config": CONFIG, "config_version": call.config_version}
    if call.kind == "status":
        query = "" if call.version is None else f"?version={call.version}"
        return "POST", f"{path}/status{query}", {"status": call.status, "status_message": call.message}
    if call.kind == "list":
        return "GET", f"/deployments?filter[name]={name}", None
    if call.kind == "versions":
        return "GET", f"{path}/versions", None
    version = "" if call.version is None else f"/versions/{call.version}"
    return "DELETE" if call.kind == "delete" else "GET", path + version, None


def _answer(call, response):
    status = response.status_code
    if status == 412:
        found = _CURRENT.search(response.json()["detail"])
        return Answer(status, current=(int(found[1]), int(found[2])) if found else None)
    if status >= 300 or call.kind == "delete":
        return Answer(status)
    body = response.json()
    if call.kind in ("versions", "list"):
        items = body if call.kind == "versions" else body["data"]
        return Answer(status, tuple(Seen.of(item) for item in items))
    return Answer(status, (Seen.of(body, response.headers.get("etag")),))


def _remember(memory, call, answer):
    if call.kind == "versions":
        memory.numbers = [seen.number for seen in answer.shown]
    elif answer.shown:
        seen = answer.shown[0]
        if call.version is None and call.kind != "list":
            memory.latest = (seen.position, seen.number)
        if seen.number not in memory.numbers:
            memory.numbers.append(seen.number)
