"""The sweep of faults: every kind of write and read, and every statement that it sends to the database, fails.

The service reaches PostgreSQL through a proxy that fails the n-th statement of a request, for n from 1 until
the request goes through untouched. What the database has then is looked at past the proxy.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import httpx
import psycopg

from tests.support import postgres_proxy as proxies

CONFIG = {"engine": "nim", "model_spec": {"model_name": "m"}, "executor_config": {"gpu": 1}}
_C1 = ("POST", "deployment-configs", {"name": "c", **CONFIG})
_C2 = ("POST", "deployment-configs/c", {**CONFIG, "description": "second"})
_D1 = ("POST", "deployments", {"name": "d", "config": "c"})
_D2 = ("POST", "deployments/d", {"config": "c"})
_READY = ("POST", "deployments/d/status?version=1", {"status": "READY"})
_DELETED = ("POST", "deployments/d/status", {"status": "DELETED"})

WRITES = {
    "create a config": ([], _C1),
    "create a config that exists": ([_C1], _C1),
    "update a config": ([_C1], _C2),
    "roll back a config": ([_C1, _C2], ("POST", "deployment-configs/c/rollback", {})),
    "delete a config": ([_C1, _C2], ("DELETE", "deployment-configs/c", None)),
    "delete a config in use": ([_C1, _D1], ("DELETE", "deployment-configs/c", None)),
    "delete a config's version": ([_C1, _C2], ("DELETE", "deployment-configs/c/versions/1", None)),
    "create": ([_C1], _D1),
    "create without its config": ([], _D1),
    "update": ([_C1, _D1], _D2),
    "roll back": ([_C1, _D1, _READY, _D2], ("POST", "deployments/d/rollback", {})),
    "report": ([_C1, _D1], ("POST", "deployments/d/status", {"status": "READY"})),
    "mark for deletion": ([_C1, _D1, _D2], ("DELETE", "deployments/d", None)),
    "purge": ([_C1, _D1, _DELETED], ("DELETE", "deployments/d", None)),
    "delete a version": ([_C1, _D1, _D2], ("DELETE", "deployments/d/versions/1", None)),
}
"""Each kind of write, refused ones too, and what has to be there before it."""

MODES = ("plain", "with a key", "dry run")
KINDS = (
    proxies.CUT_BEFORE,
    proxies.CUT_AFTER,
    proxies.DISK_FULL,
    proxies.INTERNAL,
    proxies.IDLE_TOO_LONG,
    proxies.READ_ONLY,
)
READS = (
    "deployments/d",
    "deployments/d/versions/1",
    "deployments/d?as_of={position}",
    "deployments/d/versions",
    "deployments?filter[status]=PENDING",
    "deployments?as_of={position}&sort=-name",
    "deployments/d/models",
    "deployment-configs/c",
    "deployment-configs",
    "deployments/d/history",
    "deployments/d/blame",
    "deployments/d/diff?from=1&to=2",
    "history",
)

_STATE = """
    SELECT (SELECT coalesce(json_agg(topic ORDER BY notification_id), '[]') FROM stored_events
             WHERE originator_id LIKE %(workspace)s || '/%%')::text,
           (SELECT count(*) FROM deployment_versions WHERE workspace = %(workspace)s),
           (SELECT coalesce(sum(changed_position), 0) - min(created_position) * count(*)
              FROM deployment_versions WHERE workspace = %(workspace)s),
           (SELECT count(*) FROM deployment_config_versions WHERE workspace = %(workspace)s),
           (SELECT count(*) FROM idempotency_keys WHERE key = %(workspace)s),
           (SELECT position FROM projection_position) - (SELECT max(notification_id) FROM stored_events)
"""


@dataclass
class Findings:
    """What a sweep did, and every promise it saw broken."""

    cases: int = 0
    outcomes: Counter = field(default_factory=Counter)
    problems: list = field(default_factory=list)


class Sweep:
    """A sweep over a service that reaches its database through a proxy."""

    workspaces = count(1)

    def __init__(self, url, proxy, database_url):
        self._root = f"{url}/apis/models/v2/workspaces"
        self._proxy = proxy
        self._client = httpx.Client(timeout=60)
        self._database = psycopg.connect(database_url, autocommit=True)
        self.findings = Findings()

    def close(self):
        self._client.close()
        self._database.close()

    def write(self, name, mode, kind):
        """Fail every statement of a write in turn, until it goes through untouched."""
        given, request = WRITES[name]
        expected = self._untouched(given, request, mode)
        workspace = before = None
        for n in count(1):
            if workspace is None:
                workspace = self._prepared(given)
                before = self._state(workspace)
            fault = self._proxy.plant("writes", n, kind)
            answer = self._send(workspace, request, mode)
            fired = fault.fired
            self._proxy.plant("nobody", 0, kind)
            state = self._state(workspace)
            self.findings.cases += 1
            self.findings.outcomes[answer.status_code] += 1
            where = f"{name}, {mode}, {kind} at statement {n}: {answer.status_code}"
            taken = answer.status_code == expected.status_code
            if taken and state != expected.state:
                self._problem(f"{where}, but it is half done or not done: {state}, not {expected.state}")
            elif not taken and state != before:
                self._problem(f"{where}, but something was done: {state}, not {before}")
            if not taken and not fired:
                self._problem(f"{where}, without any fault: {answer.text}")
            if not taken and not _is_honest(answer, kind):
                self._problem(f"{where}: {answer.text}")
            if taken:
                self._check_repetition(where, workspace, request, mode, answer)
                workspace = None
            if not fired:
                return

    def read(self, path, kind):
        """Fail every statement of a read in turn; it is answered as without faults, or with 503."""
        given = [_C1, _C2, _D1, _D2]
        workspace = self._prepared(given)
        (position,) = self._database.execute("SELECT max(notification_id) FROM stored_events").fetchone()
        url = f"{self._root}/{workspace}/{path.format(position=position)}"
        expected = self._client.get(url)
        for n in count(1):
            fault = self._proxy.plant("reads", n, kind)
            answer = self._client.get(url)
            self._proxy.plant("nobody", 0, kind)
            self.findings.cases += 1
            self.findings.outcomes[answer.status_code] += 1
            where = f"GET {path}, {kind} at statement {n}: {answer.status_code}"
            if answer.status_code == expected.status_code:
                if answer.content != expected.content:
                    self._problem(f"{where}, but the answer is another one")
            elif not fault.fired or not _is_honest(answer, kind):
                self._problem(f"{where}: {answer.text}")
            if not fault.fired:
                return

    def _untouched(self, given, request, mode):
        workspace = self._prepared(given)
        answer = self._send(workspace, request, mode)
        return _Expected(answer.status_code, self._state(workspace))

    def _check_repetition(self, where, workspace, request, mode, first):
        if mode != "with a key":
            return
        state = self._state(workspace)
        again = self._send(workspace, request, mode)
        if (again.status_code, again.content) != (first.status_code, first.content):
            self._problem(f"{where}, and repeated {again.status_code}: {again.text}")
        if state != self._state(workspace):
            self._problem(f"{where}, and repeating it changed something")

    def _prepared(self, given):
        workspace = f"sweep-{next(self.workspaces)}"
        for request in given:
            answer = self._send(workspace, request, "plain")
            if answer.status_code >= 300:
                self._problem(f"{request} without any fault: {answer.status_code} {answer.text}")
        return workspace

    def _send(self, workspace, request, mode):
        method, path, body = request
        headers = {"Idempotency-Key": workspace} if mode == "with a key" else {}
        if mode == "dry run":
            path += "&dry_run=true" if "?" in path else "?dry_run=true"
        return self._client.request(method, f"{self._root}/{workspace}/{path}", json=body, headers=headers)

    def _state(self, workspace):
        return self._database.execute(_STATE, {"workspace": workspace}).fetchone()

    def _problem(self, text):
        self.findings.problems.append(text[:500])


@dataclass
class _Expected:
    status_code: int
    state: tuple


async def batch(writer, writes, proxy, n, kind):
    """Give a batch to a writer whose n-th statement fails: the answers or exceptions, and whether it failed."""
    fault = proxy.plant("writes", n, kind)
    answers = await asyncio.gather(*map(writer.submit, writes), return_exceptions=True)
    proxy.plant("nobody", 0, kind)
    return answers, fault.fired


def _is_honest(answer, kind):
    """A refusal says that nothing was done and when to come back; a defect of the database is a 500."""
    if answer.status_code == 500:
        return kind == proxies.INTERNAL
    return (
        answer.status_code == 503
        and answer.headers.get("retry-after") == "1"
        and "nothing was changed" in answer.text
    )
