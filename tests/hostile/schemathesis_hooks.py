"""What schemathesis may see refused although the document allows it: rules that a document cannot tell."""

import re

import jsonschema
import schemathesis
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

# Status and text of refusals that depend on what is stored, not on what the request looks like.
STATE_DEPENDENT = [
    # Writes refer to other resources in their body, or answer 400 instead of 404 for their own: the contract.
    (400, r"Deployment(?: config)? (?:with workspace )?'.*' does not exist"),
    # Which versions there are is not known to the document.
    (400, r"Deployment(?: config)? .* has no .*"),
    # A point in time is refused if it is still to come, and the log grows.
    (422, r"in_the_future"),
    (400, r"Last-Event-ID \d+ is none of this service: the log ends at position \d+"),
    # Whether a key is new, and whether a condition holds, depends on earlier requests.
    (422, r"Idempotency-Key '.*' was already used for a different request"),
    (412, r"If-Match does not hold"),
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keep every failure, but for refusals of requests that only look as if nothing were wrong with them."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    depends = any(
        status == response.status_code and re.search(text, response.text, re.DOTALL)
        for status, text in STATE_DEPENDENT
    )
    return not depends and headers_are_as_described(case)


@schemathesis.hook
def before_call(context, case, kwargs):
    """In stories of several requests, leave out the conditions and keys that would end nearly all of them early."""
    if case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL:
        for name in ("If-Match", "Idempotency-Key"):
            case.headers.pop(name, None)


def headers_are_as_described(case):
    """Whether the request is as good as schemathesis takes it for.

    In its coverage phase it puts only letters and digits into headers, even where the pattern demands more.
    """
    given = {name.lower(): value for name, value in (case.headers or {}).items()}
    return all(
        jsonschema.Draft202012Validator(header.definition["schema"]).is_valid(given[header.name.lower()])
        for header in case.operation.headers
        if header.name.lower() in given
    )
