"""Requests of the whole API, nearly all of them damaged somewhere: the n-th of a seed is always the same."""

import random
import re
from typing import NamedTuple

from tests.torture.hostile_bytes import PERCENT, SEGMENTS, TEXTS, TOKENS, mutated_json, mutated_text, token

NAMES = 400
"""Names that are written to: enough that no list of versions gets long."""

BASE = b"/apis/models/v2/workspaces"
_CONFIG = (
    b'{"name":"NAME","project":"p","description":"d","engine":"nim","model_spec":{"model_type":"llm",'
    b'"model_name":"m","model_revision":null,"tool_call_config":{"auto_tool_choice":true},"lora_enabled":false},'
    b'"executor_config":{"gpu":1,"disk_size":"50Gi","run_as_user":1000,"additional_envs":{"A":"b"},'
    b'"additional_args":["-v"],"k8s_nim_operator_config":{"resources":{"limits":{"x":1.5}},'
    b'"tolerations":[{"key":"k"}],"node_selector":{"a":"b"},"startup_probe_grace_seconds":60},'
    b'"override_config":{"a":[1,-2.5e3,"\\u00e9",null,true,{"b":[]}]}},"model_entity_id":"default/m"}'
)
_SMALL = b'{"name":"NAME","engine":"nim","model_spec":{},"executor_config":{"gpu":1}}'
BODIES = {
    b"deployment-configs": (_CONFIG, _SMALL),
    b"deployment-configs/NAME": (_CONFIG, _SMALL),
    b"deployment-configs/NAME/rollback": (b'{"version":1}', b"{}"),
    b"deployments": (
        b'{"name":"NAME","project":null,"config":"NAME","config_version":null}',
        b'{"name":"NAME","config":"base"}',
    ),
    b"deployments/NAME": (b'{"config":"base","config_version":1}', b'{"config":"NAME"}'),
    b"deployments/NAME/rollback": (b'{"version":1}', b"{}"),
    b"deployments/NAME/status": (
        b'{"status":"READY","status_message":"ok","model_provider_id":"p"}',
        b'{"status":"ERROR"}',
        b'{"status":"DELETED"}',
    ),
}
_OF_LISTS = (
    b"page=1",
    b"page_size=2",
    b"sort=-created_at",
    b"sort=name",
    b"all_versions=true",
    b"as_of=1",
    b"as_of=2026-11-23T10:00:00Z",
    b"filter[name]=NAME",
    b"filter[name][$like]=n",
    b"filter[project]=",
    b"filter[created_at][$gte]=2026-01-01",
    b"filter[name][$in]=a,b",
    b"filter[not][name][eq]=a",
    b"filter[workspace]=default",
    b'filter={"name":{"$like":"n"},"$or":[{"project":null},{"$not":{"name":"a"}}]}',
    b'filter={"created_at":{"$gt":"2026-01-01T00:00:00Z"}}',
    b'filter=name:"NAME" AND (project:null OR -name~"x")',
    b'filter=created_at>="2026-01-31" AND name IN ["a","b"]',
    b'filter=name NOT IN ["a"]',
)
_OF_HISTORIES = (
    b"after=1",
    b"limit=3",
    b"order=oldest",
    b"since=1",
    b"until=2026-11-23T10:00:00+01:00",
    b"resource=deployments",
    b"name=NAME",
    b"kind=deployment.updated",
    b"actor=tester",
)
_AS_OF = (b"as_of=1", b"as_of=2026-11-23T10:00:00Z")
_STATES = (b"from=1", b"to=2", b"from=@1", b"to=@3", b"from=2026-11-23T10:00:00Z")
_BLAME = (b"version=1", *_AS_OF)
QUERIES = {
    b"deployments": _OF_LISTS,
    b"deployment-configs": _OF_LISTS,
    b"history": _OF_HISTORIES,
    **{
        resource + path: parameters
        for resource in (b"deployments", b"deployment-configs")
        for path, parameters in (
            (b"/NAME", _AS_OF),
            (b"/NAME/versions", _AS_OF),
            (b"/NAME/versions/1", _AS_OF),
            (b"/NAME/history", _OF_HISTORIES[:3]),
            (b"/NAME/blame", _BLAME),
            (b"/NAME/diff", _STATES),
        )
    },
    b"deployments/NAME/models": _AS_OF,
}
_DELETED = (b"/NAME", b"/NAME/versions/1", b"/NAME/versions/2")
DELETIONS = tuple(
    resource + path for resource in (b"deployments", b"deployment-configs") for path in _DELETED
)
_READS, _WRITES = tuple(QUERIES), tuple(BODIES)

HEADERS = (
    (b"If-Match", b'"12.1", W/"3.4"'),
    (b"If-Match", b"*"),
    (b"If-None-Match", b'"12.1-r"'),
    (b"Idempotency-Key", b'"key"'),
    (b"X-Change-Reason", b"because of caf%C3%A9"),
    (b"X-NMP-Principal-Id", b"tester"),
    (b"X-NMP-Principal-Id", b"service:fuzz"),
    (b"X-NMP-Principal-Email", b"a@b.example"),
    (b"X-NMP-Principal-Groups", b"a, b,c"),
    (b"X-NMP-Principal-On-Behalf-Of", b"somebody"),
    (b"X-NMP-Principal-On-Behalf-Of-Groups", b"d,e"),
    (b"X-NMP-Principal-On-Behalf-Of-Email", b"c@d.example"),
    (b"Authorization", b"Bearer a.b.c"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"Cookie", b"a=b; c=d"),
    (b"Origin", b"http://a.example"),
    (b"Range", b"bytes=0-1"),
    (b"Forwarded", b"for=1.2.3.4"),
    (b"X-HTTP-Method-Override", b"DELETE"),
    (b"X-Original-URL", b"/metrics"),
)
TYPES = (
    b"application/json",
    b"application/json; charset=utf-16",
    b"application/merge-patch+json",
    b"text/plain",
    b"multipart/form-data; boundary=a",
    b"application/x-www-form-urlencoded",
)
METHODS = (b"PUT", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY", b"get", b"G\xc3\x89T", b"DELETE")
_NAME = re.compile(rb"NAME")


class Request(NamedTuple):
    """A request whose end is beyond doubt, whatever is in it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None

    def encoded(self, request_id):
        """The bytes to send; the answer carries the id."""
        lines = [b"%b %b HTTP/1.1\r\nHost: fuzz\r\nX-Request-Id: %b" % (self.method, self.target, request_id)]
        lines += [b"%b: %b" % header for header in self.headers]
        if self.body is not None:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + (self.body or b"")


def request(seed, number):
    """The n-th request of a seed."""
    chosen = random.Random(f"{seed}:{number}")
    name = b"n%d" % chosen.randrange(NAMES)
    made = chosen.choice((_write, _write, _write, _read, _read, _read, _deletion))(chosen)
    made = made._replace(
        target=_NAME.sub(name, made.target), body=None if made.body is None else _NAME.sub(name, made.body)
    )
    if chosen.random() < 0.15:
        made = made._replace(target=_other_path(chosen, made.target))
    if chosen.random() < 0.02:
        made = made._replace(method=chosen.choice(METHODS))
    return made._replace(target=_sendable(made.target), headers=(*made.headers, *_headers(chosen)))


def _write(chosen):
    path = chosen.choice(_WRITES)
    body = chosen.choice(BODIES[path])
    body = token(chosen) if chosen.random() < 0.03 else mutated_json(chosen, body)
    content_type = b"application/json" if chosen.random() < 0.95 else chosen.choice(TYPES)
    parameters = (b"dry_run=true", b"dry_run=off", b"version=1", b"version=")
    query = _query(chosen, parameters) if chosen.random() < 0.3 else b""
    return Request(
        b"POST", b"%b/default/%b%b" % (BASE, path, query), ((b"Content-Type", content_type),), body
    )


def _read(chosen):
    path = chosen.choice(_READS)
    return Request(b"GET", b"%b/default/%b%b" % (BASE, path, _query(chosen, QUERIES[path])))


def _deletion(chosen):
    query = _query(chosen, (b"dry_run=true", b"dry_run=1", b"a=b"))
    return Request(b"DELETE", b"%b/default/%b%b" % (BASE, chosen.choice(DELETIONS), query))


def _query(chosen, parameters):
    pairs = [chosen.choice(parameters) for _ in range(chosen.choice((0, 1, 1, 2, 3)))]
    if pairs and chosen.random() < 0.8:
        at = chosen.randrange(len(pairs))
        pair = pairs[at]
        if pair.startswith(b"filter={") and chosen.random() < 0.7:
            pairs[at] = b"filter=" + mutated_json(chosen, pair[7:])
        else:
            pairs[at] = mutated_text(chosen, pair, PERCENT if chosen.random() < 0.8 else TOKENS)
    if pairs and chosen.random() < 0.001:
        pairs *= 1_000
    return b"?" + b"&".join(pairs) if pairs else b""


def _other_path(chosen, target):
    path, mark, query = target.partition(b"?")
    segments = path.split(b"/")
    at = chosen.randrange(1, len(segments))
    segments[at : at + chosen.choice((0, 1, 1, 1, 2))] = [chosen.choice(SEGMENTS)]
    return b"/".join(segments) + mark + query


def _headers(chosen):
    for _ in range(chosen.choice((0, 0, 0, 1, 1, 2, 4))):
        name, value = chosen.choice(HEADERS)
        if chosen.random() < 0.5:
            value = chosen.choice(TEXTS) if chosen.random() < 0.3 else mutated_text(chosen, value, TEXTS)
        yield name, re.sub(rb"[\0-\x08\n-\x1f\x7f]", b"", value)


def _sendable(target):
    # Bytes that end a target, or that the HTTP server refuses anywhere in one, are for the raw requests.
    quoted = re.sub(rb'[\0-\x20"<>\\^`{|}#\x7f]', lambda found: b"%%%02x" % found[0][0], target[:60_000])
    try:
        quoted.decode()
    except UnicodeDecodeError:
        quoted = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02x" % found[0][0], quoted)
    return quoted
