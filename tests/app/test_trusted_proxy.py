"""Identity headers are believed of listed proxies, and of nobody else."""

import httpx
import pytest

from app.identity_settings import is_in, trusted_networks
from app.settings import BadSetting
from tests.support.postgres import short_directory
from tests.support.secured import ROOT, grant
from tests.support.service import Service

ID, BEHALF = "X-NMP-Principal-Id", "X-NMP-Principal-On-Behalf-Of"
PROXY, OTHER = "127.0.0.2", "127.0.0.1"
SPEC = {"engine": "nim", "model_spec": {}, "executor_config": {"gpu": 1}}
POLICY = (
    grant("editor", ["*"], principals=["ann", "service:c"])
    + grant("viewer", ["open"], anonymous=True)
    + '[[services]]\nprincipal = "service:c"\non_behalf_of = ["ann"]\n'
)


@pytest.fixture(scope="module")
def services(postgres_servers):
    """The addresses of a service without a policy, and of one with."""
    with postgres_servers("18").new_database() as url, short_directory() as directory:
        policy = directory / "policy.toml"
        policy.write_text(POLICY)
        flags = (
            "--database-url",
            url,
            "--identity",
            "trusted-proxy",
            "--trusted-proxies",
            f"10.0.0.0/8, {PROXY}",
        )
        running = [Service(*flags), Service(*flags, "--policy-file", policy)]
        yield [service.url for service in running]
        for service in running:
            service.end()


@pytest.fixture(params=["without", "with"])
def url(request, services):
    return services[request.param == "with"]


def client(url, address, **headers):
    return httpx.Client(
        base_url=f"{url}{ROOT}", transport=httpx.HTTPTransport(local_address=address), headers=headers
    )


def status(url, address, path="w1/deployments", **headers):
    with client(url, address, **headers) as http:
        return http.get(path).status_code


def test_who_is_believed(url):
    """Whoever is not listed is nobody, whatever it says, also of where it comes from."""
    ann = {ID: "ann"}
    lies = {"X-Forwarded-For": PROXY, "X-Real-IP": PROXY, "Forwarded": f"for={PROXY}"}

    assert 200 == status(url, PROXY, **ann)
    assert 401 == status(url, PROXY)
    assert 401 == status(url, OTHER, **ann)
    assert 401 == status(url, OTHER, **ann, **lies)
    assert 401 == status(url, OTHER, **{ID: "!"})
    assert 400 == status(url, PROXY, **{ID: "!"})
    assert 401 == status(url, PROXY, Authorization="Bearer x")
    with client(url, OTHER, **ann) as http:
        assert 200 == http.get(f"{url}/health/ready").status_code
        assert "www-authenticate" not in http.get("w1/deployments").headers


def test_a_header_that_is_there_twice_is_not_believed(url):
    """A proxy that adds its own behind the client's, and does not replace it, would have the client's believed."""
    for name in (ID, BEHALF, "X-NMP-Principal-Groups"):
        with client(url, PROXY) as http:
            twice = [(name, "service:c"), (name.lower(), "ann")]
            answer = http.get("w1/deployments", headers=twice)
            assert (400, True) == (answer.status_code, "more than once" in answer.json()["detail"])


def test_what_is_recorded(services):
    """The principal that the proxy names, also on whose behalf it acts."""
    with client(services[0], PROXY, **{ID: "gateway", BEHALF: "bob"}) as http:
        http.post("w1/deployment-configs", json={"name": "c", **SPEC})
        [entry] = http.get("w1/deployment-configs/c/history").json()["data"]

    assert {"id": "gateway", "on_behalf_of": "bob"} == entry["actor"]


def test_services_are_those_of_the_policy(services):
    """What begins like one is none: it does not see who wrote a version, nor act for others."""
    with client(services[1], PROXY, **{ID: "ann"}) as http:
        http.post("w2/deployment-configs", json={"name": "c", **SPEC})
        http.post("w2/deployments", json={"name": "d", "config": "c"})
    for url, caller, sees in [
        (services[0], "service:x", False),
        (services[1], "service:c", True),
        (services[1], "ann", False),
    ]:
        with client(url, PROXY, **{ID: caller}) as http:
            assert sees == (http.get("w2/deployments/d").json()["auth_context"] is not None)

    for caller, behalf, expected in [
        ("service:c", "ann", 200),
        ("service:c", "bob", 403),
        ("ann", "bob", 403),
    ]:
        assert expected == status(services[1], PROXY, **{ID: caller, BEHALF: behalf})


def test_what_the_anonymous_may(services):
    """What the policy gives them, and with them everybody; for more they are asked who they are."""
    for address, headers, otherwise in [(OTHER, {}, 401), (PROXY, {}, 401), (PROXY, {ID: "bob"}, 403)]:
        assert 200 == status(services[1], address, "open/deployments", **headers)
        assert otherwise == status(services[1], address, "w1/deployments", **headers)
        with client(services[1], address, **headers) as http:
            assert otherwise == http.post("open/deployments", json={}).status_code
            assert [] == http.get("-/deployments").json()["data"]


@pytest.mark.parametrize(
    ("peer", "networks", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:11.1.2.3", "10.0.0.0/8", False),
        ("::10.1.2.3", "10.0.0.0/8", False),
        ("2001:db8::5", "10.0.0.0/8, 2001:db8::/32", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("", "10.0.0.0/8", False),
        ("unix", "10.0.0.0/8", False),
        ("10.1.2.3, 1.1.1.1", "10.0.0.0/8", False),
    ],
)
def test_peers_in_networks(peer, networks, expected):
    """IPv4 inside IPv6 is what it is inside; what is no address is in no network."""
    assert expected == is_in(peer, trusted_networks(networks))


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "proxy.example", "0.0.0.0/0", "10.0.0.1,::/0", "10.0.0.1,"]
)
def test_networks_that_are_refused(text):
    """Names, addresses that say more than their network, and everybody."""
    with pytest.raises(BadSetting, match="trusted_proxies"):
        trusted_networks(text)
