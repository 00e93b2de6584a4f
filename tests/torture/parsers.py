"""The parsers of requests without a service around them: many more cases in the same time."""

import time
from contextlib import suppress
from urllib.parse import parse_qsl

from app import headers
from app.comparison import DiffQuery
from app.deployment_configs import DeploymentConfigCreation, DeploymentConfigUpdate
from app.deployments import DeploymentCreation, DeploymentUpdate, StatusReport
from app.filters import BadFilter, parse_filter
from app.history import WorkspaceHistoryQuery
from app.ledger import DeploymentPageQuery, Rollback
from app.reading import InvalidRequest, UnreadableBody, read_body, read_query
from projections.criteria import DEPLOYMENT_CONFIG_FIELDS, DEPLOYMENT_FIELDS

SECONDS_MAX = 1.0
"""Of the processor, which a busy machine does not change."""

_BODIES = (
    DeploymentConfigCreation,
    DeploymentConfigUpdate,
    DeploymentCreation,
    DeploymentUpdate,
    StatusReport,
    Rollback,
)
_QUERIES = (DeploymentPageQuery, WorkspaceHistoryQuery, DiffQuery)
_TEXTS = {
    b"If-Match": headers.read_precondition,
    b"Idempotency-Key": headers.read_idempotency_key,
    b"X-Change-Reason": headers.read_reason,
    b"If-None-Match": lambda text: headers.none_match(text, '"1.1"'),
}
_REFUSALS = (BadFilter, InvalidRequest, UnreadableBody, headers.MalformedHeader)


def read(request):
    """Give the request to all parsers; raises what a service would answer 500 to, and TimeoutError if one is slow."""
    began = time.thread_time()
    for attempt in _attempts(request):
        with suppress(*_REFUSALS):
            attempt()
    seconds = time.thread_time() - began
    if seconds > SECONDS_MAX:
        raise TimeoutError(f"{seconds:.1f} s for {request}"[:2_000])


def _attempts(request):
    given = dict(request.headers)
    if request.body is not None:
        content_type = given[b"Content-Type"].decode("latin-1")
        for kind in _BODIES:
            yield lambda kind=kind: read_body(kind, request.body, content_type)
    pairs = parse_qsl(request.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)
    for fields in (DEPLOYMENT_FIELDS, DEPLOYMENT_CONFIG_FIELDS):
        yield lambda fields=fields: parse_filter(pairs, fields)
    for kind in _QUERIES:
        yield lambda kind=kind: read_query(kind, pairs)
    yield lambda: headers.read_principal([(name.lower(), value) for name, value in request.headers])
    for name, value in request.headers:
        if name in _TEXTS:
            yield lambda name=name, value=value: _TEXTS[name](value.decode("latin-1"))
