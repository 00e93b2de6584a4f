"""What fields and parameters mean, in words for readers of the API's description.

A name means the same wherever it stands. A declared field that is missing here keeps the service from
starting.
"""

from __future__ import annotations

from typing import Any, Final

FIELDS: Final[dict[str, str]] = {
    # What every version has
    "id": "Random and different for each version; it never changes.",
    "name": "Name, unique in its workspace. It starts with a lower-case letter, holds lower-case "
    "letters, digits, `-`, `.` and `_`, no `--`, and does not end with `-`.",
    "workspace": "Name of the workspace.",
    "project": "Project, given at creation and copied to every new version.",
    "created_at": "When this version was created, in UTC.",
    "updated_at": "When this version's status last changed, in UTC.",
    "entity_version": "Number of this version, from 1. Numbers are never used twice, also not after versions "
    "were removed.",
    # Deployments
    "config": "Name of a deployment config in the same workspace.",
    "config_version": "Version of the config. In requests null, 0 or nothing means its latest one; what is "
    "stored is always the number that this was.",
    "status": "Status of this version.",
    "status_message": "What the status is about.",
    "status_history": "Statuses since the creation of this version, oldest first, the last 100. Empty "
    "until the status first changes.",
    "timestamp": "Since when the status held, in UTC.",
    "model_provider_id": "Who provides the model. In a status report null or nothing keeps what is stored.",
    "auth_context": "Who created this version. Null for readers who may not see it.",
    "principal_id": "Id of the caller; empty for an anonymous one.",
    "principal_email": "Email address of the caller.",
    "principal_groups": "Groups of the caller.",
    "principal_on_behalf_of": "Id of the one on whose behalf the caller acted.",
    "principal_on_behalf_of_groups": "Groups of the one on whose behalf the caller acted.",
    "principal_on_behalf_of_email": "Email address of the one on whose behalf the caller acted.",
    "models": "Models that the deployment serves.",
    # Deployment configs
    "description": "For people.",
    "engine": "What runs the model.",
    "model_spec": "Which model is to be served.",
    "executor_config": "What the model is served with and on.",
    "model_entity_id": "The model in a registry, as `name` or `workspace/name`. It need not exist.",
    "model_type": "Kind of model.",
    "model_namespace": "Namespace of the model in its repository.",
    "model_name": "Name of the model in its repository. It may end with `@` and a revision.",
    "model_revision": "Revision of the model in its repository.",
    "chat_template": "Template that makes a prompt of a conversation.",
    "tool_call_config": "How the engine finds tool calls in what the model says.",
    "tool_call_parser": "Name of a parser of the engine.",
    "tool_call_plugin": "A parser of one's own. This service refuses any that is not empty.",
    "auto_tool_choice": "Whether the model decides by itself when to call a tool.",
    "lora_enabled": "Whether LoRA adapters are served. Not possible with engine `generic`.",
    "gpu": "Number of GPUs.",
    "disk_size": "Size of the volume, as a Kubernetes quantity.",
    "image_name": "Container image. Required with engine `generic`.",
    "image_tag": "Tag of the container image.",
    "health_check_path": "Path that answers when the container is healthy. Required with engine `generic`.",
    "run_as_user": "User id in the container.",
    "run_as_group": "Group id in the container.",
    "additional_envs": "Environment variables of the container.",
    "additional_args": "Arguments of the container.",
    "k8s_nim_operator_config": "Settings handed to the Kubernetes operator as they are.",
    "override_config": "Anything else; kept and answered exactly as it was sent.",
    "resources": "Resource requests and limits.",
    "tolerations": "Tolerations of the pod.",
    "node_selector": "Labels of the nodes that may run the pod.",
    "startup_probe_grace_seconds": "Seconds that the container may take to start.",
    # Lists
    "data": "The items of this page.",
    "pagination": "Which part of the list this page is.",
    "page": "Number of the page, from 1. Behind the last one there are no items.",
    "page_size": "Items on a page, as asked for.",
    "current_page_size": "Items on this page.",
    "total_pages": "Pages in all. For no match it is 1, and 0 with `all_versions`.",
    "total_results": "Matches on all pages.",
    "sort": "Field to sort by, descending with a `-` in front; equal items stand in the order of "
    "their creation. Any other text means the order of creation, an empty one the newest "
    "first.",
    "as_of": "Answer what would have been answered then: a position of the log, or a time with its offset, "
    "neither in the future.",
    "all_versions": "List every stored version instead of the latest one of each name. Configs are always "
    "listed by their latest versions.",
    "version": "Number of a version.",
    # Events
    "after": "Position of the log behind which to begin. A watch takes a time as well, "
    "and begins now without one.",
    "resource": "The resource that is concerned.",
    "kind": "Kind of event, such as `deployment.updated`.",
    "position": "Place of an event in the whole log.",
    "at": "When it happened, in UTC. No two events share a time.",
    "actor": "Who did it. In queries the id of one who acted, or on whose behalf.",
    "on_behalf_of": "Id of the one on whose behalf the caller acted.",
    "email": "Email address of the caller. Left out for readers who may not see it.",
    "groups": "Groups of the caller. Left out for readers who may not see them.",
    "reason": "Why, as the caller said with `X-Change-Reason`.",
    "versions": "The versions that were added, changed or removed, and how.",
    "previous_version": "What was the latest version before this one was added, with which it is compared. "
    "Null if there was none, and where no version was added.",
    "changes": "The fields that differ. `status_history` is none of them: it is itself a record of changes.",
    "field": "Which field, as a JSON Pointer such as `/executor_config/gpu`. Lists are compared as a whole.",
    "old": "The value before. Left out if there was none.",
    "new": "The value after. Left out if there is none.",
    "next": "What to pass as `after` for the next page. Null on the last one.",
    "limit": "How many events at most.",
    "order": "Which events come first.",
    "since": "Leave out what happened up to this position of the log, or this time with its offset.",
    "until": "Leave out what happened after this position of the log, or this time with its offset.",
    "fields": "Every field of the version.",
    "value": "The value of the field, or what the operation puts there. Left out where it removes one.",
    "from": "One state. In queries a version, `@` and a position of the log, or a time with its offset.",
    "to": "The other state, named in the same way. In queries the latest version now if it is left out.",
    "created": "The event that added the version.",
    "changed": "The event that last changed the version, or added it.",
    "patch": "A JSON Patch (RFC 6902) that makes the other state of the one, in all their members.",
    "op": "What the operation of the patch does.",
    "path": "What it does it to, as a JSON Pointer.",
    "event": "Kind of event, such as `deployment.updated`.",
    "retry": "Milliseconds after which to connect again.",
    "effective": "How what the two states refer to differs. Null if they refer to the same.",
    "text": "The differences for people, without what differs between any two versions.",
    # Writes
    "dry_run": "Decide and answer the write, tell what it would change, and change nothing. Any "
    "`Idempotency-Key` is ignored.",
    # Errors and health
    "detail": "What was wrong, for people.",
    "type": "Kind of problem, stable for programs.",
    "loc": "Where: `body` or `query`, then names of fields and indices of lists.",
    "msg": "What was wrong, for people.",
    "input": "The offending value as it was received.",
    "ctx": "The limits that were broken, where there are some.",
    "asset": "Name of a file of the page.",
    "problems": "What keeps the service from serving.",
    "warnings": "What is wrong though requests are served.",
    "hint": "What the caller lacks.",
}


def meaning(name: str) -> str:
    """What a field or a parameter means; LookupError for one that nobody has explained."""
    if name in FIELDS:
        return FIELDS[name]
    raise LookupError(f"nothing says what {name!r} means: add it to FIELDS in app/glossary.py")


EXAMPLES: Final[dict[str, Any]] = {
    "name": "llama",
    "config": "llama-config",
    "status": "READY",
    "status_message": "Serving",
    "engine": "nim",
    "gpu": 1,
    "model_name": "meta/llama-3.1-8b-instruct",
    "disk_size": "50Gi",
}
"""Values for forms to begin with."""

STATUSES: Final[dict[int, str]] = {
    200: "Done.",
    201: "Created.",
    202: "Marked for deletion. Something else takes the model down and reports `DELETED`.",
    204: "Removed.",
    304: "The reader has this already: `If-None-Match` names its `ETag`.",
    400: "The request is malformed: its headers, or how it says where its body ends.",
    401: "Nobody knows who is calling: there is no identity, or a token that is not valid.",
    403: "The caller may not do this.",
    404: "The path leads nowhere: a segment is empty or holds an encoded slash or NUL.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "The body or the query is not what is described here.",
    500: "A fault of the service. The answer tells no internals.",
    503: "The service or its database cannot answer now, or this release cannot read an event of "
    "a newer one that the answer needs; nothing was changed. With "
    "`X-Should-Retry: false` it is not known whether a write took place: read the resource, "
    "or repeat the request with the same `Idempotency-Key`.",
}
"""What a status means on any route; refusals of a route's own are told beside it."""

OVERVIEW: Final = """\
The system of record for model deployments. Every change is an event that is kept for ever; what reads \
answer is derived from the events.

A **deployment config** says how a model is to be served, a **deployment** which config is served under \
a name. Both have versions, numbered from 1. An update never changes a version, it adds one; only a \
deployment version's status changes in place. A write that was answered is seen by every later read.

**Reading of requests.** The schemas here state the canonical form of a request. The service reads more \
leniently: an integer may also be sent as `2.0`, `true` or `"2"`, a boolean as `1`, `"yes"` or `"off"`, \
in bodies and in queries. Unknown fields of a body and unknown parameters are ignored. Of a repeated key \
or parameter the last one counts. A body is JSON if its media type is `application/json` or \
`application/*+json`; it may nest 200 levels.

**Nulls.** A single object, and each object in a list of versions, has all its keys, with null where \
nothing is set. In pages of lists the keys of typed objects that hold null are left out. Clients should \
ignore keys they do not know.

**Concurrency.** Answers with a single object carry an `ETag`. A write with `If-Match` takes place only \
if the object is still in that state, otherwise the answer is 412. Updates without it are all carried \
out, one after the other.

**Repetition.** A write with an `Idempotency-Key` takes place once. The same request of the same caller \
under the same key is given the first answer again, with `Idempotency-Replayed: true`; another request \
under that key is refused with 422.

**Dry runs.** A write with `dry_run=true` is checked and decided as always and answered as it would be, \
with `Dry-Run: true` and in `dry_run` what it would change, but nothing is stored. Deletions, which answer \
no object, answer 200 with what they would do. A refusal is the same as without.

**Errors.** Every error has `detail`: a sentence, or with 422 often a list that says what is wrong \
where. A method that a path does not have is answered 405 with the possible ones in `Allow`.

**Identity.** As the service is set, callers are known by a bearer token, or gateways say in \
`X-NMP-Principal-...` headers who is calling; of others these headers are ignored. Without an id the caller \
is anonymous. What callers may do in which workspace is a matter of their roles there: viewers read, \
editors write, too. A workspace that one may not read answers 403, whether or not there is anything in it; \
lists of all workspaces show those that one may read. Whoever may not see secrets gets `[redacted]` in the \
place of each. Health, metrics and this description are for everybody."""

TAGS: Final[dict[str, str]] = {
    "Deployments": "Which config is served under a name, and how that is going.",
    "Deployment configs": "How models are to be served. A config that is in use cannot be removed.",
    "History": "What happened, when, by whom and why, and how states differ.",
    "Watch": "What happens, as it happens.",
    "Operations": "For those who run the service.",
    "Description": "This description of the service, for programs and for people.",
}
