"""A small story told over HTTP, and what the service answers to questions about it: the same for every release.

Only what every release serves is used, so that this runs against an old release as well.
"""

from itertools import takewhile
from urllib.parse import urlencode

import httpx

API = "/apis/models/v2/workspaces"
CONFIG = {
    "engine": "nim",
    "model_spec": {"model_name": "llama-3.1-8b"},
    "executor_config": {"gpu": 2, "additional_envs": {"MODE": "Größe: 1"}},
}
STORY = [
    # method, path, body, principal, reason, idempotency key
    (
        "POST",
        "default/deployment-configs",
        {"name": "gpu", "description": "für Äpfel", **CONFIG},
        "ann",
        "first",
        "k-1",
    ),
    ("POST", "default/deployment-configs", {"name": "spare", "project": "p1", **CONFIG}, "ann", None, None),
    ("POST", "default/deployments", {"name": "llama", "config": "gpu"}, "ann", "first rollout", "k-2"),
    (
        "POST",
        "default/deployments/llama/status",
        {"status": "READY", "status_message": "serving"},
        "service:models",
        None,
        None,
    ),
    (
        "POST",
        "default/deployment-configs/gpu",
        {**CONFIG, "executor_config": {"gpu": 1}},
        "bob",
        "half%20the%20cost",
        None,
    ),
    ("POST", "default/deployments/llama", {"config": "gpu"}, "bob", "half the cost", "k-3"),
    (
        "POST",
        "default/deployments/llama/status",
        {"status": "ERROR", "status_message": "out of memory"},
        "service:models",
        None,
        None,
    ),
    ("POST", "default/deployments/llama/rollback", {}, "ann", "back", "k-4"),
    ("POST", "default/deployments", {"name": "b-c", "config": "gpu", "config_version": 1}, None, None, None),
    ("POST", "default/deployments", {"name": "b.c", "config": "gpu"}, None, None, None),
    ("POST", "default/deployments", {"name": "a10", "config": "spare"}, None, None, None),
    ("POST", "default/deployments", {"name": "a9", "config": "spare"}, None, None, None),
    ("DELETE", "default/deployments/b-c", None, "bob", "not needed", None),
    ("POST", "default/deployments/b-c/status", {"status": "DELETED"}, "service:models", None, None),
    ("DELETE", "default/deployments/b-c", None, "bob", None, "k-5"),
    ("POST", "default/deployments", {"name": "b-c", "config": "gpu"}, None, "again", None),
    ("POST", "other-1/deployment-configs", {"name": "c", **CONFIG}, None, None, None),
    ("POST", "other-1/deployments", {"name": "llama", "config": "c"}, "eve", None, "k-6"),
    ("POST", "other-1/deployment-configs", {"name": "unused", **CONFIG}, None, None, None),
    ("DELETE", "other-1/deployment-configs/unused", None, None, "tidy", None),
    ("POST", "default/deployments/nothing/status", {"status": "READY"}, None, None, None),
]
"""The last one is refused: nothing is appended for it."""

EVENTS = 20
LISTS = ("default/deployments", "other-1/deployments", "-/deployments", "default/deployment-configs")


def tell(url):
    """Write the story; the answers to those requests that can be repeated under their key."""
    with httpx.Client(base_url=url + API, timeout=60) as client:
        answers = [(step[5], _written(client, step)) for step in STORY]
    return {key: answer for key, answer in answers if key is not None}


def repeated(url):
    """The answers to the same requests under the same keys, which must be those of the first time."""
    with httpx.Client(base_url=url + API, timeout=60) as client:
        return {step[5]: _written(client, step, replayed=True) for step in STORY if step[5] is not None}


def asked(url):
    """The status, ETag and body of every question."""
    with httpx.Client(base_url=url + API, timeout=60) as client:
        return {path: _shown(client.get(f"/{path}")) for path in questions()}


def watched(url, after, until):
    """What a watch says from behind one position up to another, as it is sent."""
    with httpx.stream("GET", f"{url}{API}/-/watch?after={after}", timeout=60) as response:
        assert 200 == response.status_code
        lines = iter(response.iter_lines())
        last = list(takewhile(lambda line: line != f"id: {until}", lines))
        return "\n".join(
            [*(line for line in last if _is_of_event(line)), f"id: {until}", next(lines), next(lines)]
        )


def questions():
    """Paths of reads that a release answers for ever as it answered first."""
    for position in ("", 2, 6, 8, 14, EVENTS):
        at = {} if position == "" else {"as_of": position}
        for one in (
            "deployments/llama",
            "deployments/b-c",
            "deployments/b-c/versions/1",
            "deployment-configs/gpu",
        ):
            yield f"default/{one}?{urlencode(at)}"
        for path in LISTS:
            yield f"{path}?{urlencode(at | {'sort': 'name'})}"
    for page in (1, 2, 3):
        yield f"default/deployments?{urlencode({'page_size': 2, 'page': page, 'sort': '-created_at'})}"
    yield f"-/deployments?{urlencode({'filter[status]': 'CREATED', 'all_versions': 'true'})}"
    yield f"default/deployment-configs?{urlencode({'filter[project]': 'p1'})}"
    yield "default/deployments/llama/versions"
    for after in ("", 5, 12):
        yield f"-/history?{urlencode({'limit': 7, 'order': 'oldest'} | ({} if after == '' else {'after': after}))}"
    yield "default/history"
    yield "default/deployments/llama/history"
    yield "default/deployments/llama/blame"
    yield "default/deployments/llama/diff?from=1&to=2"
    yield "default/deployment-configs/gpu/diff?from=@1"


def _written(client, step, *, replayed=False):
    method, path, body, principal, reason, key = step
    headers = {"X-NMP-Principal-Id": principal, "X-Change-Reason": reason, "Idempotency-Key": key}
    response = client.request(
        method,
        f"/{path}",
        json=body,
        headers={name: text for name, text in headers.items() if text is not None},
    )
    assert replayed == ("idempotency-replayed" in response.headers)
    return _shown(response)


def _shown(response):
    return [response.status_code, response.headers.get("etag"), response.text]


def _is_of_event(line):
    return line.startswith(("id: ", "event: ", "data: "))
