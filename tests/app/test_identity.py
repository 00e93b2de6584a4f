"""Who is calling, through HTTP: tokens, policies that change, and watches that come to an end."""

import json
import threading
import time
from itertools import count

import pytest

from tests.support import secured as support
from tests.support.secured import BASE, KEY, ROOT, grant
from tests.support.tokens import claims, ec_key, jwks, part, signed
from tests.support.watching import Watching

SPEC = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
NUMBERS = count()


@pytest.fixture
def policy(secured):
    """The service, its policy put back afterwards."""
    yield secured
    secured.rewrite(BASE)
    assert secured.wait(lambda: secured.send("temp", "GET", "temp/deployments").status_code == 403)


def get(secured, path="matrix/deployments", **options):
    return secured.client.get(f"{ROOT}/{path}", **options)


HEAD, BODY, SIGNATURE = support.token("root").encode().split(b".")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (signed(KEY, "ES256", claims("root", exp=int(time.time()) - 60)), "it has expired"),
        (signed(ec_key("main"), "ES256", claims("root")), "its signature is wrong"),
        (signed(ec_key("unknown"), "ES256", claims("root")), "its key is not known"),
        (part({"alg": "none"}) + b"." + BODY + b".", "it is no signed JSON Web Token"),
        (b"x" * 20_000, "it is longer than 16,384 bytes"),
        (b"x", "it is no signed JSON Web Token"),
        (signed(KEY, "ES256", claims('a"\\b')), None),
        (signed(KEY, "ES256", claims("root", exp='é"\\')), "its claims are not what they must be"),
    ],
)
def test_tokens_that_prove_nothing(secured, sent, reason):
    """They are refused, on any path that is not for everybody, and the challenge says why."""
    for path in ("matrix/deployments", "matrix/no/such"):
        answer = get(secured, path, headers={"authorization": b"Bearer " + sent})
        if reason is None:
            assert 403 == answer.status_code
            continue
        assert (401, {"detail": "Invalid or expired token"}) == (answer.status_code, answer.json())
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith(f'Bearer error="invalid_token", error_description="{reason}')
        assert challenge.isascii()
        assert 4 == challenge.count('"')
    assert 200 == secured.client.get("/health/live", headers={"authorization": b"Bearer " + sent}).status_code


def test_one_token_is_sent_in_one_way(secured):
    """Scheme in any case; what is sent twice, or in another way, is nobody's."""
    good = support.token("vera")
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert 200 == get(secured, headers={"Authorization": f"{scheme}  {good}"}).status_code
    for headers in (
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
        [("Authorization", f"Bearer {good}"), ("Authorization", "Basic eA==")],
        [("Authorization", f"Basic {good}")],
        [("Authorization", good)],
        [("Cookie", f"access_token={good}")],
        [("X-Authorization", f"Bearer {good}")],
    ):
        assert 401 == get(secured, headers=headers).status_code
    assert 401 == get(secured, params={"access_token": good}).status_code


def test_headers_say_nothing_of_who_calls(secured):
    """Neither alone nor beside a token; nor do they break a request."""
    root = {"X-NMP-Principal-Id": "root", "X-NMP-Principal-Groups": "ml", "X-NMP-Principal-Email": "!"}

    assert 401 == get(secured, headers=root).status_code
    assert 403 == get(secured, "other/deployments", headers={**root, **support.bearer("vera")}).status_code
    secured.send("root", "POST", "matrix/deployment-configs", json={"name": "who", **SPEC})
    headers = {**root, **support.bearer("ed", email="ed@example.com", groups=("g", "f"))}
    secured.client.post(f"{ROOT}/matrix/deployments", headers=headers, json={"name": "who", "config": "who"})
    [entry] = secured.send("root", "GET", "matrix/deployments/who/history").json()["data"]
    assert {"id": "ed", "on_behalf_of": None, "email": "ed@example.com", "groups": ["f", "g"]} == entry[
        "actor"
    ]


def test_services_act_for_others_with_their_rights(secured):
    """Those that the policy names, and nobody else whatever it is called."""
    for_vera = {"X-NMP-Principal-On-Behalf-Of": "vera"}
    controller, other = support.bearer("service:controller"), support.bearer("service:other")

    assert 200 == get(secured, headers={**controller, **for_vera}).status_code
    denied = secured.client.post(f"{ROOT}/matrix/deployments", headers={**controller, **for_vera}, json={})
    assert 403 == denied.status_code
    assert 403 == get(secured, headers={**other, **for_vera}).status_code
    assert 403 == get(secured, headers={**support.bearer("root"), **for_vera}).status_code
    assert 403 == get(secured, headers=other).status_code
    malformed = get(secured, headers={**controller, "X-NMP-Principal-On-Behalf-Of": "!"})
    assert 400 == malformed.status_code
    in_group = {"X-NMP-Principal-On-Behalf-Of": "x", "X-NMP-Principal-On-Behalf-Of-Groups": "ml"}
    assert 200 == get(secured, "team/deployments", headers={**controller, **in_group}).status_code


def test_who_sees_who_wrote_a_version(secured):
    """Services that the policy names and administrators; not those who only call themselves a service."""
    secured.send("root", "POST", "matrix/deployment-configs", json={"name": "by", **SPEC})
    secured.send("ed", "POST", "matrix/deployments", json={"name": "by", "config": "by"})
    for subject, sees in [("root", True), ("service:controller", True), ("ed", False), ("vera", False)]:
        answer = secured.send(subject, "GET", "matrix/deployments/by")
        assert sees == (answer.json()["auth_context"] is not None)
        assert sees == (not answer.headers["etag"].endswith('-r"'))


TEMP = grant("viewer", ["temp"], principals=["temp"])


def test_a_policy_is_in_force_soon_after_it_was_written(policy):
    """For every request that comes later, while others go on without a fault."""
    outcomes, ending = [], threading.Event()

    def load(subject, path):
        while not ending.is_set():
            outcomes.append((subject, policy.send(subject, "GET", path).status_code))

    loads = [
        threading.Thread(target=load, args=one)
        for one in [("temp", "temp/deployments"), ("vera", "matrix/deployments")] * 2
    ]
    for thread in loads:
        thread.start()
    for _ in range(2):
        policy.rewrite(BASE + TEMP)
        assert policy.wait(lambda: policy.send("temp", "GET", "temp/deployments").status_code == 200)
        policy.rewrite(BASE)
        assert policy.wait(lambda: policy.send("temp", "GET", "temp/deployments").status_code == 403)
    ending.set()
    for thread in loads:
        thread.join()

    assert {("temp", 200), ("temp", 403), ("vera", 200)} == set(outcomes)


def test_a_broken_policy_changes_nothing(policy):
    """What was in force stays so, and readiness says it, until the file is right again."""

    def warned():
        answer = policy.client.get("/health/ready")
        assert 200 == answer.status_code
        return "warnings" in answer.json()

    policy.rewrite(BASE + TEMP)
    assert policy.wait(lambda: policy.send("temp", "GET", "temp/deployments").status_code == 200)
    for broken in ("grants = [", ""):
        policy.rewrite(broken)
        assert policy.wait(warned)
        assert 200 == policy.send("temp", "GET", "temp/deployments").status_code
        policy.rewrite(BASE + TEMP)
        assert policy.wait(lambda: not warned())
    policy.policy.unlink()
    assert policy.wait(warned)
    assert 200 == policy.send("temp", "GET", "temp/deployments").status_code
    assert "cannot be used" in policy.service.output


def test_a_watch_ends_when_its_right_does(policy):
    """With a word of it; who may go on is not disturbed, and nothing comes that may not be seen."""
    policy.rewrite(BASE + TEMP)
    assert policy.wait(lambda: policy.send("temp", "GET", "temp/deployments").status_code == 200)
    with (
        Watching(policy.url, "temp", support.bearer("temp"), after=0) as own,
        Watching(policy.url, "-", support.bearer("temp"), after=0) as every,
        Watching(policy.url, "-", support.bearer("root"), after=0) as other,
    ):
        policy.send("root", "POST", "temp/deployment-configs", json={"name": f"c{next(NUMBERS)}", **SPEC})
        assert own.wait(lambda it: it.events)
        assert every.wait(lambda it: it.events)
        policy.rewrite(BASE)
        for watching in (own, every):
            assert watching.wait(lambda it: it.ended.is_set())
            assert ("cut-off", "What the caller may see has changed") == watching.farewell
        policy.send("root", "POST", "temp/deployment-configs", json={"name": f"c{next(NUMBERS)}", **SPEC})

        assert other.wait(lambda it: it.events and it.events[-1].data["workspace"] == "temp")
        assert not other.ended.is_set()
    again = get(policy, "temp/watch", headers=support.bearer("temp"))
    assert 403 == again.status_code


def test_a_watch_ends_with_its_token(secured):
    """Tokens are believed half a minute longer than they say, not longer."""
    short = signed(KEY, "ES256", claims("root", exp=int(time.time()) - 28)).decode()
    with Watching(secured.url, "matrix", {"authorization": f"Bearer {short}"}) as watching:
        assert watching.wait(lambda it: it.ended.is_set())

        assert ("cut-off", "The token has expired") == watching.farewell
    assert 401 == get(secured, headers={"authorization": f"Bearer {short}"}).status_code


def test_keys_change_without_a_restart(secured):
    """New ones count at once, and what was signed with one that is gone does not any more."""
    new = ec_key("new")
    ours = {"authorization": b"Bearer " + signed(new, "ES256", claims("vera"))}
    assert 401 == get(secured, headers=ours).status_code

    secured.keys.write_bytes(jwks(KEY, new))
    assert secured.wait(lambda: get(secured, headers=ours).status_code == 200)
    assert 200 == get(secured, headers=support.bearer("vera")).status_code
    with Watching(secured.url, "matrix", {"authorization": ours["authorization"].decode()}) as watching:
        secured.keys.write_bytes(jwks(KEY))
        assert secured.wait(lambda: get(secured, headers=ours).status_code == 401)
        assert watching.wait(lambda it: it.ended.is_set())
        assert ("cut-off", "The token is not valid any more") == watching.farewell
    secured.keys.write_text("{")
    assert secured.wait(lambda: "warnings" in secured.client.get("/health/ready").json())
    assert 200 == get(secured, headers=support.bearer("vera")).status_code
    secured.keys.write_bytes(jwks(KEY))
    assert secured.wait(lambda: "warnings" not in secured.client.get("/health/ready").json())


def test_no_log_line_has_a_token(secured):
    """Whatever was logged above."""
    assert json.dumps(support.token("root"))[1:-1] not in secured.service.output
    assert SIGNATURE.decode() not in secured.service.output
