import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import get
from openapi_spec_validator import validate

from app import docs, headers
from app.glossary import FIELDS
from app.openapi import Undocumented, openapi_document
from app.parameters import REQUEST_HEADERS
from app.schemas import RULES
from domain.deployment_config import _require_valid_reference
from domain.errors import InvalidEntityReference
from domain.names import is_name
from tests.support.described import Described, application, handlers

CONFIG = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
BASE = "/apis/models/v2/workspaces/default"


@pytest.fixture(scope="module")
def described(service_url):
    client = Described(service_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def document(described):
    return described.document


def parts_of(value):
    """Every object and list inside, with the key it stands under."""
    pending = [(None, value)]
    while pending:
        key, part = pending.pop()
        yield key, part
        if isinstance(part, dict):
            pending.extend(part.items())
        elif isinstance(part, list):
            pending.extend((key, item) for item in part)


def test_document_is_openapi(document):
    """The document is valid by the specification it names."""
    validate(document)

    assert document["openapi"] == "3.1.0"


def test_document_has_every_route(document):
    """What is described is exactly what is routed."""
    routed = {(method.lower(), path) for path, method, _ in handlers()}

    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert routed == described


def test_every_description_is_reachable(document):
    """References resolve, and no component is there for nothing."""
    used = {part for key, part in parts_of(document) if key == "$ref"}
    used |= {f"#/components/securitySchemes/{name}" for scheme in document["security"] for name in scheme}

    components = {
        f"#/components/{section}/{name}"
        for section, named in document["components"].items()
        for name in named
    }
    assert components - {"#/components/headers/Allow"} == used


def test_undocumented_route_does_not_start():
    """A route that does not say what it does is found before anybody can call it."""

    @get("/mystery")
    async def mystery() -> None:
        """Who knows."""

    with pytest.raises(Undocumented, match="mystery has no documentation"):
        openapi_document(application(mystery).routes)


def test_patterns_are_everybodys(document):
    """No pattern is spelled as only Python reads it."""
    patterns = [part for key, part in parts_of(document) if key == "pattern" and isinstance(part, str)]

    assert [] == [pattern for pattern in patterns if re.search(r"\\[AZz]|\(\?P|\*\+|\+\+", pattern)]
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in patterns)


def test_glossary_is_used(document):
    """Every word that the glossary explains occurs in the description."""
    texts = {part for key, part in parts_of(document) if key == "description" and isinstance(part, str)}

    assert [] == [name for name, text in FIELDS.items() if text not in texts]


def matching(pattern):
    """Texts that match a published pattern, of characters that headers can carry."""
    return st.from_regex(pattern.removesuffix("$") + r"\Z", alphabet=st.characters(max_codepoint=0xFF))


@given(matching(RULES["name"]["pattern"]) | st.text("aZ0-._ @é\n", max_size=62))
def test_described_names_are_the_allowed_ones(name):
    """The pattern for new names is the rule that the domain applies."""
    pattern = RULES["name"]["pattern"].removesuffix("$") + r"\Z"

    assert is_name(name) == (re.search(pattern, name) is not None)


@given(matching(RULES["model_entity_id"]["pattern"]) | st.text("a/ ", max_size=8))
def test_described_references_are_the_allowed_ones(reference):
    """The pattern for references to models is the rule that the domain applies."""
    pattern = RULES["model_entity_id"]["pattern"].removesuffix("$") + r"\Z"
    try:
        _require_valid_reference(reference)
        allowed = True
    except InvalidEntityReference:
        allowed = False

    assert allowed == (re.search(pattern, reference) is not None)


@pytest.mark.parametrize("described", ["PrincipalId", "PrincipalEmail", "PrincipalGroups"])
@given(st.data())
def test_described_identities_are_read(described, data):
    """Whatever the description allows in an identity header is read, and anything but blanks is kept."""
    schema = REQUEST_HEADERS[described]["schema"]
    value = data.draw(
        matching(schema["pattern"]).filter(lambda text: len(text) <= schema.get("maxLength", 60_000))
    )
    given_headers = {
        b"x-nmp-principal-id": b"ann",
        REQUEST_HEADERS[described]["name"].lower().encode(): value.encode("latin-1"),
    }

    headers.read_principal(given_headers.items())


@pytest.mark.parametrize(
    ("described", "read"),
    [
        ("IfMatch", headers.read_precondition),
        ("IdempotencyKey", headers.read_idempotency_key),
        ("ChangeReason", headers.read_reason),
    ],
)
@given(st.data())
def test_described_headers_are_read(described, read, data):
    """Whatever the description allows in a header of writes is read."""
    schema = REQUEST_HEADERS[described]["schema"]
    value = data.draw(
        matching(schema["pattern"]).filter(lambda text: len(text) <= schema.get("maxLength", 60_000))
    )

    assert read(value) is not None


def test_life_cycle_is_as_described(described, document):
    """Real answers, of every success that the document names, have the described status, headers and body."""
    send = described.send
    config, deployment = f"{BASE}/deployment-configs", f"{BASE}/deployments"
    full = {
        "name": "full",
        "project": "p",
        "description": "d",
        "engine": "nim",
        "model_entity_id": "default/m",
        "model_spec": {"model_name": "m", "tool_call_config": {}, "lora_enabled": True},
        "executor_config": {
            "gpu": 1,
            "additional_envs": {"A": "b"},
            "additional_args": ["-v"],
            "k8s_nim_operator_config": {"resources": {"x": None}, "tolerations": [{"key": None}]},
            "override_config": {"nested": {"null": None, "list": [1, "a"]}},
        },
    }
    service = {"X-NMP-Principal-Id": "service:models", "X-NMP-Principal-Email": "a@b"}
    send("POST", config, json=full)
    send("POST", config, json={"name": "plain", **CONFIG}, headers={"X-Change-Reason": "because"})
    send("POST", f"{config}/plain", json=CONFIG)
    send("POST", config, json={"name": "unused", **CONFIG})
    once = {"Idempotency-Key": "once", **service}
    send("POST", deployment, json={"name": "d", "config": "plain", "config_version": 1}, headers=once)
    again = send("POST", deployment, json={"name": "d", "config": "plain", "config_version": 1}, headers=once)
    send("POST", f"{deployment}/d", json={"config": "full"}, headers={"X-NMP-Principal-Id": "ann"})
    send("POST", f"{deployment}/d/status", json={"status": "READY", "model_provider_id": "p"})
    for resource, name in ((config, "full"), (deployment, "d")):
        found = send("GET", f"{resource}/{name}")
        send("GET", f"{resource}/{name}", headers={"If-None-Match": found.headers["etag"]})
        send("GET", f"{resource}/{name}/versions")
        version = send("GET", f"{resource}/{name}/versions/1")
        send("GET", f"{resource}/{name}/versions/1", headers={"If-None-Match": version.headers["etag"]})
        for reader in ({}, service, {"X-NMP-Principal-Id": "ann"}):
            send("GET", resource, headers=reader)
    models = send("GET", f"{deployment}/d/models")
    send("GET", f"{deployment}/d/models", headers={"If-None-Match": models.headers["etag"]})
    send(
        "GET",
        deployment,
        params={"all_versions": "true", "sort": "-name", "filter[status][$in]": "READY,ERROR"},
    )
    ask_about_the_past(send, f"{deployment}/d", f"{config}/plain")
    dry = {"dry_run": "true"}
    send("POST", config, params=dry, json={"name": "fresh", **CONFIG})
    send("POST", f"{config}/full", params=dry, json=CONFIG)
    changed = {**CONFIG, "description": "changed"}
    send("POST", f"{config}/unused", json=changed)
    send("POST", f"{config}/unused/rollback", params=dry, json={})
    send("POST", f"{config}/unused/rollback", json={})
    send("DELETE", f"{config}/unused", params=dry)
    send("DELETE", f"{config}/unused/versions/1", params=dry)
    send("POST", deployment, params=dry, json={"name": "fresh", "config": "plain"}, headers=service)
    send("POST", f"{deployment}/d", params=dry, json={"config": "plain"})
    send("POST", f"{deployment}/d/status", params=dry, json={"status": "ERROR"})
    send("POST", f"{deployment}/d/rollback", params=dry, json={"version": 1})
    send("DELETE", f"{deployment}/d", params=dry)
    send("DELETE", f"{deployment}/d/versions/1", params=dry)
    send("POST", f"{deployment}/d/rollback", json={"version": 1})
    send("DELETE", f"{deployment}/d/versions/1")
    send("POST", f"{deployment}/d/status", params={"version": 1}, json={"status": "DELETED"})
    send("DELETE", f"{deployment}/d/versions/1")
    send("DELETE", f"{deployment}/d")
    send("POST", f"{deployment}/d/status", params={"version": 2}, json={"status": "DELETED"})
    send("POST", f"{deployment}/d/status", json={"status": "DELETED"})
    send("DELETE", f"{deployment}/d")
    send("DELETE", f"{config}/plain/versions/2")
    send("DELETE", f"{config}/plain")
    for path in (
        "health/live",
        "health/ready",
        "metrics",
        "schema",
        "schema/openapi.json",
        "schema/assets/page.js",
    ):
        send("GET", f"/{path}")
    assert "retry: 1000" == described.begin(f"{BASE}/watch?after=0")

    succeeding = {
        (operation["operationId"], int(status))
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
        for status in operation["responses"]
        if int(status) < 400
    }
    assert "true" == again.headers["idempotency-replayed"]
    assert set() == succeeding - described.seen


def ask_about_the_past(send, *paths):
    """Questions to histories, as one who sees who wrote versions and as one who does not."""
    for reader in ({}, {"X-NMP-Principal-Id": "ann"}):
        send("GET", f"{BASE}/history", headers=reader, params={"limit": 3, "order": "oldest"})
        for path in paths:
            for question in ("history", "blame", "diff?from=1"):
                send("GET", f"{path}/{question}", headers=reader)


def test_errors_are_as_described(described):
    """Requests that go wrong before any rule is asked are answered as the document says."""
    deployment = f"{BASE}/deployments"
    answers = [
        described.send("GET", deployment, headers={"X-NMP-Principal-Id": "no blanks"}),
        described.send("GET", "/health/live", headers={"X-NMP-Principal-Id": "no blanks"}),
        described.send("GET", f"{deployment}/a%2Fb"),
        described.send("GET", deployment, params={"page": 0}),
        described.send(
            "POST", deployment, content=b'{"name":[null]}', headers={"content-type": "application/json"}
        ),
        described.send("POST", f"{deployment}/d", json={"config": "c"}, headers={"If-Match": "bare"}),
        described.send("GET", "/schema/assets/none.js"),
        described.send("DELETE", f"{deployment}/d", params={"dry_run": "perhaps"}),
    ]

    assert [400, 400, 404, 422, 422, 400, 404, 422] == [answer.status_code for answer in answers]


def test_page_needs_nobody_else(service_url):
    """The page and everything it loads come from the service, name no other host and may ask none."""
    with httpx.Client(base_url=service_url) as client:
        page = client.get("/schema")
        wanted = set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text))
        scripts = [client.get(path) for path in wanted if path.endswith(".js")]
        wanted |= {
            f"/schema/assets/{name}"
            for name in re.findall(r'from "\./([^"]+)"', "".join(s.text for s in scripts))
        }
        loaded = {path: client.get(path) for path in wanted}

    assert [200] * len(wanted) == [answer.status_code for answer in loaded.values()]
    assert {f"/schema/assets/{name}" for name in docs.FILES if name != "page.html"} <= set(loaded)
    for answer in (page, *loaded.values()):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if "json" not in answer.headers["content-type"]:
            hosts = re.findall(r"""(?:https?:|["'(])//([\w.-]+)""", answer.text)
            assert set(hosts) <= {"www.w3.org"}  # the name of SVG, which nobody fetches
