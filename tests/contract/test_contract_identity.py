"""Section 11 and defect 18: identity headers, and who is shown by whom a version was made."""

import pytest

from tests.contract import wire

ID, EMAIL, GROUPS = "X-NMP-Principal-Id", "X-NMP-Principal-Email", "X-NMP-Principal-Groups"
BEHALF, BEHALF_GROUPS, BEHALF_EMAIL = (
    "X-NMP-Principal-On-Behalf-Of",
    "X-NMP-Principal-On-Behalf-Of-Groups",
    "X-NMP-Principal-On-Behalf-Of-Email",
)
KEYS = (
    "principal_id",
    "principal_email",
    "principal_groups",
    "principal_on_behalf_of",
    "principal_on_behalf_of_groups",
    "principal_on_behalf_of_email",
)
ANONYMOUS = ("", None, [], None, None, None)
ALICE = {ID: "alice", EMAIL: "alice@example.com", GROUPS: "a,b"}
ALLOWED = "allowed: alphanumeric, @, ., -, _, :, +, /"


def author(workspace, headers):
    """How a version is signed that is created with these headers, as an anonymous reader sees it."""
    workspace.config()
    wire.done(201, workspace.post("deployments", {"name": "d", "config": "c"}, headers=headers))
    return signed(workspace)


def signed(workspace, headers=None, path="deployments/d"):
    shown = wire.done(200, workspace.get(path, headers=headers or {}))["auth_context"]
    return None if shown is None else tuple(shown[key] for key in KEYS)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ANONYMOUS),
        ({ID: "", EMAIL: "a@b", GROUPS: "g", BEHALF: "x"}, ANONYMOUS),
        ({EMAIL: "not an address", GROUPS: "!", BEHALF: "!"}, ANONYMOUS),
        ({"x-nmp-principal-ID": "Az09@._-:+/"}, ("Az09@._-:+/", None, [], None, None, None)),
        (ALICE, ("alice", "alice@example.com", ["a", "b"], None, None, None)),
        ({ID: "a", EMAIL: "", GROUPS: "x , ,x,, y/z"}, ("a", None, ["x", "x", "y/z"], None, None, None)),
        ({ID: "service:c", BEHALF: "bob"}, ("service:c", None, [], "bob", [], None)),
        (
            {ID: "service:c", BEHALF: "bob", BEHALF_GROUPS: "g", BEHALF_EMAIL: "b@c"},
            ("service:c", None, [], "bob", ["g"], "b@c"),
        ),
        ({ID: "a", BEHALF: "", BEHALF_GROUPS: "g"}, ("a", None, [], None, ["g"], None)),
        ({ID: "a", BEHALF_GROUPS: "g", BEHALF_EMAIL: "b@c"}, ("a", None, [], None, None, None)),
        ({ID: "a" * 256, EMAIL: "a@" + "b" * 318}, ("a" * 256, "a@" + "b" * 318, [], None, None, None)),
        ({"Authorization": "Bearer nonsense"}, ANONYMOUS),
    ],
)
def test_what_is_stored_of_a_caller(workspace, headers, expected):
    """Groups split and trimmed; nothing without an id."""
    assert expected == author(workspace, headers)


def test_the_first_of_a_repeated_header_counts(workspace):
    """A gateway's comes first."""
    assert ("alice", None, [], None, None, None) == author(workspace, [(ID, "alice"), (ID, "mallory")])


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({ID: "a" * 257}, f"{ID} exceeds maximum length of 256 characters"),
        ({ID: "a b"}, f"{ID} contains invalid characters; {ALLOWED}"),
        ({ID: "é".encode()}, f"{ID} contains invalid characters; {ALLOWED}"),
        ({ID: "a", EMAIL: "a@" + "b" * 319}, f"{EMAIL} exceeds maximum length of 320 characters"),
        ({ID: "a", EMAIL: "nobody"}, f"{EMAIL} is not a valid email address"),
        ({ID: "a", EMAIL: "a@b@c"}, f"{EMAIL} is not a valid email address"),
        ({ID: "a", EMAIL: "@b"}, f"{EMAIL} is not a valid email address"),
        ({ID: "a", EMAIL: "a b@c"}, f"{EMAIL} is not a valid email address"),
        ({ID: "a", GROUPS: ",".join(["g"] * 101)}, f"{GROUPS} exceeds maximum of 100 groups"),
        ({ID: "a", GROUPS: "g," + "h" * 257}, f"{GROUPS} contains a group exceeding 256 characters"),
        ({ID: "a", GROUPS: "g,h i"}, f"{GROUPS} contains a group with invalid characters; {ALLOWED}"),
        ({ID: "a", BEHALF: "b" * 257}, f"{BEHALF} exceeds maximum length of 256 characters"),
        ({ID: "a", BEHALF: "!"}, f"{BEHALF} contains invalid characters; {ALLOWED}"),
        (
            {ID: "a", BEHALF: "", BEHALF_GROUPS: "!"},
            f"{BEHALF_GROUPS} contains a group with invalid characters; {ALLOWED}",
        ),
        ({ID: "a", BEHALF: "b", BEHALF_EMAIL: "x"}, f"{BEHALF_EMAIL} is not a valid email address"),
    ],
)
def test_malformed_identities(http, events, headers, message):
    """A 400 on any route, also where there is none."""
    before = events()
    for method, path in (
        ("GET", f"{wire.ROOT}/default/deployments"),
        ("POST", f"{wire.ROOT}/default/deployments"),
        ("GET", "/no"),
    ):
        assert (400, message) == wire.refusal(http.request(method, path, headers=headers))
    assert before == events()


SEES = [
    ({}, True),
    ({ID: "service:controller"}, True),
    ({ID: "alice", BEHALF: "service:x"}, True),
    (ALICE, False),
    ({ID: "bob"}, False),
    ({ID: "service:controller", BEHALF: "bob"}, False),
    ({ID: "a-service:x"}, False),
]


@pytest.mark.parametrize(("reader", "sees"), SEES)
def test_who_sees_the_author(workspace, reader, sees):
    """Services and the anonymous; others get null in objects and no key in pages, even of their own writes."""
    alice = author(workspace, ALICE)

    assert (alice if sees else None) == signed(workspace, reader)
    assert (alice if sees else None) == signed(workspace, reader, "deployments/d/versions/1")
    [version] = wire.done(200, workspace.get("deployments/d/versions", headers=reader))
    assert sees == (version["auth_context"] is not None)
    for query in ({}, {"all_versions": "true"}):
        page = wire.done(200, workspace.get("deployments", headers=reader, params=query))
        assert sees == ("auth_context" in page["data"][0])


def test_what_a_named_caller_is_answered(workspace):
    """Its own writes without the author, otherwise as everybody."""
    workspace.config()
    body = {"name": "d", "config": "c"}
    answers = [
        workspace.post("deployments", body, headers=ALICE),
        workspace.post("deployments/d", body, headers=ALICE),
        workspace.post("deployments/d/status", {"status": "READY"}, headers=ALICE),
    ]

    assert [True] * 3 == [answer.text.endswith(',"auth_context":null}') for answer in answers]
    seen = workspace.read()
    assert {**seen, "auth_context": None} == answers[-1].json()


def test_each_version_has_its_own_author(workspace):
    """The caller of the update, not of the creation."""
    author(workspace, ALICE)
    workspace.post("deployments/d", {"config": "c"}, headers={ID: "bob"})

    assert ("bob", None, [], None, None, None) == signed(workspace)
    assert "alice" == signed(workspace, path="deployments/d/versions/1")[0]


def test_reports_and_deletions_never_change_the_author(workspace):
    """Not even those of callers who do not see it."""
    alice = author(workspace, ALICE)
    for reporter in ({ID: "bob"}, {ID: "service:x"}, {}):
        workspace.post(
            "deployments/d/status", {"status": "READY", "status_message": str(reporter)}, headers=reporter
        )
        assert alice == signed(workspace)
    workspace.delete("deployments/d/versions/1", headers={ID: "bob"})
    assert alice == signed(workspace)
    workspace.delete("deployments/d", headers={ID: "bob"})
    workspace.post("deployments/d/status", {"status": "DELETED"}, headers={ID: "bob"})

    assert alice == signed(workspace)


def test_hidden_authors_cannot_be_probed(workspace):
    """No filter reaches them."""
    author(workspace, ALICE)
    for field in (
        "auth_context",
        "auth_context.principal_id",
        "data._auth_context.principal_id",
        "principal_id",
    ):
        response = workspace.get("deployments", params={f"filter[{field}][$like]": "a"}, headers={ID: "bob"})
        assert 400 == response.status_code
