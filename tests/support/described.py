"""Requests whose answers are held against the service's own description of itself."""

import re
from copy import deepcopy
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from litestar import Litestar
from litestar.di import Provide

from app import comparison, deployment_configs, deployments, docs, history, operations, watch

FORMATS = FormatChecker(["date-time"])


def application(*more):
    """The service's routes, and more, without what they work with."""
    needs = {
        name: Provide(lambda: None, sync_to_thread=False)
        for name in ("ledger", "health", "identity", "watching")
    }
    routes = [
        deployments.ROUTES,
        deployment_configs.ROUTES,
        history.ROUTES,
        comparison.ROUTES,
        *operations.ROUTES,
        *docs.ROUTES,
        watch.ROUTES,
        *more,
    ]
    return Litestar(routes, dependencies=needs, openapi_config=None)


def handlers(*more):
    """Path, method and handler of everything that is routed, but for what the framework adds."""
    return [
        (route.path_format, method, handler)
        for route in application(*more).routes
        for handler in route.route_handlers
        for method in sorted(handler.http_methods - {"OPTIONS"})
    ]


class Described:
    """A client that fails on any answer that the document does not describe; `seen` is what came back."""

    def __init__(self, url):
        self._client = httpx.Client(base_url=url, timeout=30)
        self.document = self._client.get("/schema/openapi.json").json()
        self._components = closed(self.document["components"])
        self._paths = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): item
            for path, item in self.document["paths"].items()
        }
        self.seen = set()

    def close(self):
        self._client.close()

    def send(self, method, path, **options):
        """The answer, which is as described."""
        answer = self._client.request(method, path, **options)
        operation = self.operation(method, path)
        self.seen.add((operation["operationId"], answer.status_code))
        description = operation["responses"].get(str(answer.status_code))
        assert description is not None, f"{method} {path}: {answer.status_code} {answer.text}"
        self._check_headers(description, answer.headers)
        self._check_body(description, answer)
        return answer

    def begin(self, path):
        """The beginning of an answer that has no end, which is as described."""
        with self._client.stream("GET", path) as answer:
            operation = self.operation("GET", path)
            self.seen.add((operation["operationId"], answer.status_code))
            description = operation["responses"][str(answer.status_code)]
            self._check_headers(description, answer.headers)
            assert list(description["content"]) == [answer.headers["content-type"].split(";")[0]]
            return next(answer.iter_lines())

    def operation(self, method, path):
        """What the document says of a request."""
        [item] = [item for pattern, item in self._paths.items() if pattern.fullmatch(urlsplit(path).path)]
        return item[method.lower()]

    def _check_headers(self, description, headers):
        own = {"content-type", "content-length", "server", "date", "connection", "transfer-encoding"}
        page_only = {"cache-control", "content-security-policy", "referrer-policy", "x-content-type-options"}
        described = {name.lower(): header for name, header in description["headers"].items()}
        undescribed = set(headers) - own - page_only - set(described)
        assert set() == undescribed
        for name in set(headers) & set(described):
            schema = self.document["components"]["headers"][described[name]["$ref"].split("/")[-1]]["schema"]
            value = int(headers[name]) if schema["type"] == "integer" else headers[name]
            self._validate(schema, value)

    def _check_body(self, description, answer):
        if "content" not in description:
            assert answer.content == b""
            return
        [(media_type, content)] = description["content"].items()
        given = answer.headers["content-type"].split(";")[0]
        assert re.fullmatch(re.escape(media_type).replace(r"\*", "[^/]+"), given)
        self._validate(content["schema"], answer.json() if given == "application/json" else answer.text)

    def _validate(self, schema, value):
        whole = {**closed(schema), "components": self._components}
        Draft202012Validator(whole, format_checker=FORMATS).validate(value)


def closed(schema):
    """The same schema, but objects have no other keys than those it names."""
    schema = deepcopy(schema)
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if isinstance(part.get("properties"), dict):
                part.setdefault("additionalProperties", False)
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return schema
