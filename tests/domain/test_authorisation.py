"""Policies: who may do what, decided from grants, services and tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.authorisation import ANY, EVERYONE, IDENTIFIED, ROLE_RIGHTS, Caller, Grant, Policy
from domain.principal import ANONYMOUS, Principal

ANN, BOB = Caller(Principal("ann", groups=("ml",))), Caller(Principal("bob"))
NOBODY = Caller(ANONYMOUS)
SERVICE = Principal("service:c")


def grant(role, *workspaces, **whom):
    return Grant(
        role,
        workspaces,
        **{key: value if isinstance(value, bool) else frozenset(value) for key, value in whom.items()},
    )


def roles(policy, caller, workspaces=("w1", "w2", "other")):
    """The rights in each workspace."""
    access = policy.access_of(caller)
    return [set(access.rights(workspace)) for workspace in workspaces]


VIEWER, EDITOR, ADMIN = ({*ROLE_RIGHTS[role]} for role in ("viewer", "editor", "admin"))


def test_grants_add_up():
    """The caller has every role that anything of it is granted, where it is granted."""
    policy = Policy((grant("viewer", ANY, groups=["ml"]), grant("editor", "w1", principals=["ann"])))

    assert [EDITOR, VIEWER, VIEWER] == roles(policy, ANN)
    assert [set(), set(), set()] == roles(policy, BOB)
    assert policy.access_of(ANN).readable is None
    assert () == policy.access_of(BOB).readable


@pytest.mark.parametrize(
    ("whom", "expected"),
    [
        ({"principals": ["*"]}, [True, True, False]),
        ({"anonymous": True}, [True, True, True]),
        ({"principals": ["bob"]}, [False, True, False]),
        ({"groups": ["ml", "x"]}, [True, False, False]),
        ({"claims": [("team", "ml")]}, [False, False, False]),
    ],
)
def test_whom_a_grant_is_for(whom, expected):
    """Everyone who is known is not everybody."""
    policy = Policy((grant("viewer", "w1", **whom),))

    assert expected == [bool(roles(policy, caller)[0]) for caller in (ANN, BOB, NOBODY)]


def test_claims_must_hold_together():
    """All that a grant names; and claims do not go with the one on whose behalf a service acts."""
    policy = Policy((grant("viewer", "w1", claims=[("team", "ml"), ("tier", "1")]),))
    claims = frozenset({("team", "ml"), ("tier", "1"), ("sub", "x")})

    assert VIEWER == roles(policy, BOB._replace(claims=claims))[0]
    assert set() == roles(policy, BOB._replace(claims=frozenset({("team", "ml")})))[0]
    for_ann = Principal("service:c", on_behalf_of="ann", on_behalf_of_groups=())
    assert set() == roles(policy, Caller(for_ann, claims))[0]


def test_a_service_has_the_rights_of_whom_it_acts_for():
    """With the groups it names, and not with its own."""
    policy = Policy(
        (grant("admin", ANY, principals=["service:c"]), grant("viewer", "w1", groups=["ml"])),
        {"service:c": frozenset({"ann"})},
    )
    acting = Principal("service:c", on_behalf_of="ann", on_behalf_of_groups=("ml",))

    assert [ADMIN] * 3 == roles(policy, Caller(SERVICE))
    assert [VIEWER, set(), set()] == roles(policy, Caller(acting))
    assert policy.may_act_for_another(acting)
    assert policy.may_act_for_another(SERVICE)
    assert not policy.may_act_for_another(Principal("service:c", on_behalf_of="bob"))
    assert not policy.may_act_for_another(Principal("ann", on_behalf_of="bob"))


def test_services_are_those_that_the_policy_names():
    """They see who wrote what, where they may read; a name that begins like theirs is nothing."""
    policy = Policy(
        (grant("viewer", "w1", principals=["service:c", "service:x", "admin"]),), {"service:c": frozenset()}
    )

    assert VIEWER | {"authors"} == roles(policy, Caller(SERVICE))[0]
    assert [set(), set()] == roles(policy, Caller(SERVICE))[1:]
    assert VIEWER == roles(policy, Caller(Principal("service:x")))[0]


def test_secrets_are_granted_apart():
    """A grant may give and take them, whatever the role."""
    policy = Policy(
        (
            grant("viewer", "w1", principals=["bob"], secrets=True),
            grant("editor", "w2", principals=["bob"], secrets=False),
        )
    )

    assert [VIEWER | {"secrets"}, EDITOR - {"secrets"}, set()] == roles(policy, BOB)
    access = policy.access_of(BOB)
    assert (None, policy.redaction) == (access.sight("w1").redaction, access.sight("w2").redaction)


def test_roles_of_tokens():
    """A role and a workspace each; what is neither counts for nothing."""
    policy = Policy(roles_claim="roles")
    given_roles = ["editor:w1", "viewer:*", "admin", "admin:", "owner:w2", ":w2", "EDITOR:w2"]
    caller = BOB._replace(claims=frozenset(("roles", role) for role in given_roles) | {("x", "admin:w1")})

    assert [EDITOR, VIEWER, VIEWER] == roles(policy, caller)
    assert [set()] * 3 == roles(policy, BOB)


def test_without_a_policy():
    """Everyone, or everyone who is known; authors are seen as ever by services and the anonymous, or by nobody."""
    assert [ADMIN] * 3 == roles(EVERYONE, NOBODY)
    assert [ADMIN] * 3 == roles(EVERYONE, Caller(SERVICE))
    assert [EDITOR] * 3 == roles(EVERYONE, ANN)
    assert IDENTIFIED.access_of(NOBODY).is_nothing
    assert [EDITOR] * 3 == roles(IDENTIFIED, Caller(SERVICE))


WORKSPACES = st.sampled_from([ANY, "w1", "w2"])
GRANTS = st.builds(
    Grant,
    st.sampled_from(["viewer", "editor", "admin"]),
    st.lists(WORKSPACES, min_size=1, max_size=3).map(tuple),
    st.frozensets(st.sampled_from([ANY, "ann", "bob"]), max_size=2),
    st.frozensets(st.sampled_from(["ml", "ops"]), max_size=2),
    anonymous=st.booleans(),
    secrets=st.sampled_from([None, True, False]),
)
CALLERS = st.sampled_from([ANN, BOB, NOBODY, Caller(Principal("x", groups=("ops",)))])


@given(st.lists(GRANTS, max_size=4), GRANTS, CALLERS)
def test_a_further_grant_takes_nothing_away(grants, further, caller):
    """Rights are those of all grants together, in each workspace."""
    less, more = Policy(tuple(grants)).access_of(caller), Policy((*grants, further)).access_of(caller)

    for workspace in ("w1", "w2", "other"):
        assert less.rights(workspace) <= more.rights(workspace)
        applying = [
            one for one in (*grants, further) if one.is_for(caller) and {ANY, workspace} & {*one.workspaces}
        ]
        assert frozenset().union(*(one.rights for one in applying)) == more.rights(workspace)
    readable = more.readable
    assert (readable is None) == ("read" in more.rights("other"))
    assert readable is None or {*readable} == {w for w in ("w1", "w2") if "read" in more.rights(w)}
