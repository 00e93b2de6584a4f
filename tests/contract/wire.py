"""The API as a client writes it, for tests that say what it answers: one workspace of its own for each test."""

import itertools
import json
import os
from urllib.parse import quote

import httpx

ROOT = "/apis/models/v2/workspaces"
SPEC = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
"""The least that a config needs beside its name."""

STATUSES = ("UNKNOWN", "CREATED", "PENDING", "READY", "ERROR", "DELETING", "DELETED", "LOST")

_numbers = itertools.count(1)


def unique(prefix):
    """A name that no other test of this run uses."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


class Workspace:
    """A client of one workspace; paths are those below it, such as `deployments/d`."""

    def __init__(self, http, name):
        self.http = http
        self.name = name

    def request(self, method, path, **options):
        return self.http.request(method, f"{ROOT}/{quote(self.name, safe='')}/{path}", **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        """With `body` as JSON; `content=` in its place sends bytes as they are."""
        if "content" not in options:
            # Not `json=`, which sends no body at all for None.
            options["content"] = json.dumps(body)
            given = options.get("headers", {})
            pairs = given.items() if isinstance(given, dict) else given
            options["headers"] = [("content-type", "application/json"), *pairs]
        return self.request("POST", path, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def config(self, name="c", **fields):
        """Create a config, of little content unless told."""
        return done(201, self.post("deployment-configs", {"name": name, **SPEC, **fields}))

    def update_config(self, name="c", **fields):
        return done(201, self.post(f"deployment-configs/{name}", {**SPEC, **fields}))

    def deployment(self, name="d", config="c", **fields):
        """Create a deployment; its config has to be there."""
        return done(201, self.post("deployments", {"name": name, "config": config, **fields}))

    def update(self, name="d", config="c", **fields):
        return done(201, self.post(f"deployments/{name}", {"config": config, **fields}))

    def report(self, status, message=None, name="d", version=None, **fields):
        """Report a status: of the latest version unless told."""
        said = {} if message is None else {"status_message": message}
        query = {} if version is None else {"version": version}
        return done(
            200,
            self.post(f"deployments/{name}/status", {"status": status, **said, **fields}, params=query),
        )

    def read(self, path="deployments/d"):
        """What is stored there."""
        return done(200, self.get(path))

    def names(self, path="deployments", **query):
        """The names on the first page of a list, in its order."""
        return [item["name"] for item in done(200, self.get(path, params=query))["data"]]


def done(status, response):
    """The body of an answer that has to have this status."""
    assert status == response.status_code, response.text
    return response.json()


def refusal(response):
    """Status and detail of an answer, to compare with what they should be."""
    return response.status_code, response.json()["detail"]


def item(kind, loc, msg, value, **ctx):
    """What a 422 answer says about one place in the body."""
    found = {"type": kind, "loc": ["body", *loc], "msg": msg, "input": value}
    return found | {"ctx": ctx} if ctx else found


def findings(response):
    """Type and place of each item of a 422 answer."""
    assert response.status_code == 422, response.text
    return [(item["type"], item["loc"]) for item in response.json()["detail"]]


class ThroughAllLayers(httpx.HTTPTransport):
    """Marks each request with an empty query, which asks for nothing; so marked, none is one for the fast path."""

    def handle_request(self, request):
        if b"?" not in request.url.raw_path:
            request.url = request.url.copy_with(raw_path=request.url.raw_path + b"?")
        return super().handle_request(request)


def client(url, *, through_all_layers=False):
    transport = ThroughAllLayers() if through_all_layers else None
    return httpx.Client(base_url=url, timeout=30, transport=transport)
