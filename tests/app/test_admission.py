"""Who is let in, before any route: services and those they act for, and writes of those who are not let in."""

import asyncio

import pytest

from app.admission import ADMITTED_KEY
from app.callers import Bearing
from app.edge import Edge
from app.identity import Identity
from app.key_set import KeySet, read_key_set
from app.policy import Policies, read_policy
from app.tokens import Expected, Tokens
from domain.authorisation import IDENTIFIED
from tests.support.secured import grant
from tests.support.tokens import AUDIENCE, ISSUER, claims, ec_key, jwks, signed

KEY = ec_key()
GRANTS = grant("editor", ["w1"], principals=["service:c", "ann"], groups=["ops"])
FOR_ANN = GRANTS + '[[services]]\nprincipal = "service:c"\non_behalf_of = ["ann"]\n'
FOR_ALL = FOR_ANN.replace('of = ["ann"]', 'of = ["*"]')


class StaticKeys(KeySet):
    """Keys that are known, where to look for others takes until somebody says so."""

    def __init__(self):
        super().__init__("nowhere")
        self.keys = read_key_set(jwks(KEY))
        self.found = asyncio.Event()

    async def seek(self):
        await self.found.wait()


def identity(policy):
    keys = StaticKeys()
    policies = Policies(read_policy(policy.encode()) if isinstance(policy, str) else policy)
    return Identity(Bearing(keys, Tokens(keys, Expected(ISSUER, AUDIENCE))), policies, keys)


def request(token, method="GET", **headers):
    given = {"authorization": f"Bearer {token.decode()}", **headers}
    return {
        "type": "http",
        "method": method,
        "path": "/apis/models/v2/workspaces/w1/deployments",
        "query_string": b"",
        "headers": [
            (name.replace("_", "-").lower().encode(), value.encode()) for name, value in given.items()
        ],
    }


def status(policy, subject, **headers):
    scope = request(signed(KEY, "ES256", claims(subject)), **headers)
    rejection = asyncio.run(identity(policy).admit(scope))
    return None if rejection is None else rejection.answer.status


@pytest.mark.parametrize(
    ("policy", "subject", "groups", "expected"),
    [
        (IDENTIFIED, "service:c", "", 403),
        (IDENTIFIED, "bob", "", 403),
        (FOR_ANN, "service:c", "", None),
        (FOR_ANN, "service:c", "ops", 403),
        (FOR_ALL, "service:c", "ops", None),
        (FOR_ALL, "bob", "", 403),
    ],
)
def test_who_may_act_for_others(policy, subject, groups, expected):
    """Without a policy nobody who comes with a token; and who may for some only cannot put them into groups."""
    named = {"X_NMP_Principal_On_Behalf_Of": "ann", "X_NMP_Principal_On_Behalf_Of_Groups": groups}

    assert expected == status(policy, subject, **named)


def test_a_service_that_loses_whom_it_acts_for_is_stopped():
    """Also where the one on whose behalf it acts may do the same as before."""

    async def run():
        admitting = identity(FOR_ANN)
        admitting.policies._path = "policy.toml"  # one that may change
        scope = request(signed(KEY, "ES256", claims("service:c")), X_NMP_Principal_On_Behalf_Of="ann")
        assert await admitting.admit(scope) is None
        over = scope[ADMITTED_KEY].over
        assert over() is None
        admitting.policies.current = read_policy(FOR_ANN.encode())
        assert over() is None
        admitting.policies.current = read_policy(GRANTS.encode())
        assert "no service that may act on behalf of 'ann'" in over()

    asyncio.run(run())


class Client:
    """Sends a body when asked for it, and notes what it is answered."""

    def __init__(self):
        self.asked = 0
        self.status = None

    async def receive(self):
        self.asked += 1
        return {"type": "http.request", "body": b"{}"}

    async def send(self, message):
        self.status = message.get("status", self.status)


def test_writes_of_those_who_are_not_let_in_take_nobody_s_place():
    """Neither their bodies are read nor do they keep others out while their keys are looked for."""

    async def application(_, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def run():
        admitting = identity(GRANTS)
        edge = Edge(application, admitting, writes_max=1, body_bytes_max=100, body_read_seconds=1)
        ann = signed(KEY, "ES256", claims("ann"))
        unknown, stranger, known = Client(), Client(), Client()
        token = signed(ec_key("unknown"), "ES256", claims("ann"))
        seeking = asyncio.create_task(edge(request(token, "POST"), unknown.receive, unknown.send))
        await asyncio.sleep(0)
        await edge(request(ann, "POST"), known.receive, known.send)
        assert 201 == known.status
        await edge(request(b"", "POST"), stranger.receive, stranger.send)
        admitting._key_set.found.set()
        await seeking
        assert [(401, 0), (401, 0)] == [(each.status, each.asked) for each in (unknown, stranger)]

    asyncio.run(run())


def test_a_right_that_ends_while_the_body_comes_is_none():
    """What the policy says when the body is there is what counts."""

    async def application(_, __, send):
        await send({"type": "http.response.start", "status": 201, "headers": []})

    async def run():
        admitting = identity(GRANTS)
        admitting.policies._path = "policy.toml"  # one that may change
        edge = Edge(application, admitting, writes_max=1, body_bytes_max=100, body_read_seconds=1)
        client = Client()

        async def receive():
            admitting.policies.current = read_policy(b"grants = []")
            admitting.policies._known = {}
            return await client.receive()

        await edge(request(signed(KEY, "ES256", claims("ann")), "POST"), receive, client.send)
        assert 403 == client.status

    asyncio.run(run())


def test_a_right_that_ends_while_a_write_is_held_is_none():
    """Its body was there before, and so was the right; what counts is what the policy says when its turn comes."""

    async def run():
        admitting, first_may_end = identity(GRANTS), asyncio.Event()
        admitting.policies._path = "policy.toml"  # one that may change

        async def application(_, __, send):
            await first_may_end.wait()
            await send({"type": "http.response.start", "status": 201, "headers": []})

        edge = Edge(application, admitting, writes_max=1, body_bytes_max=100, body_read_seconds=1)
        token, first, held = signed(KEY, "ES256", claims("ann")), Client(), Client()
        writes = []
        for client in (first, held):
            writes.append(asyncio.create_task(edge(request(token, "POST"), client.receive, client.send)))
            await asyncio.sleep(0)
        assert [1, 1] == [first.asked, held.asked]
        admitting.policies.current = read_policy(b"grants = []")
        admitting.policies._known = {}
        first_may_end.set()
        await asyncio.gather(*writes)
        assert [201, 403] == [first.status, held.status]

    asyncio.run(run())
