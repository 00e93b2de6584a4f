"""Settings of identity: what does not fit together, or would let everybody in, does not start."""

import asyncio
import json
from dataclasses import dataclass

import msgspec
import pytest

from app.callers import Bearing, Rejection
from app.cli import run
from app.identity import identity_of
from app.identity_settings import require_safe, who_is_believed
from app.key_set import KeySet
from app.policy import BadPolicy, load_policy, read_policy
from app.settings import BadSetting, Settings
from app.tokens import Expected, Tokens
from tests.support.secured import BASE, KEY, grant
from tests.support.service import ServiceFailed
from tests.support.tokens import AUDIENCE, ISSUER, jwks

JWT = {
    "identity": "jwt",
    "jwt_issuer": ISSUER,
    "jwt_audience": AUDIENCE,
    "jwt_keys": "https://issuer.example/jwks",
}


def checked(host="127.0.0.1", **chosen):
    require_safe(Settings(**chosen), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_everybody_is_believed_on_this_machine(host):
    """Without a word, and nowhere else."""
    checked(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "2001:db8::1"])
def test_nobody_serves_others_unknowingly(host):
    """Only by its name, or with one of the ways to know callers."""
    with pytest.raises(BadSetting, match=f"identity: .*{host}.*--identity insecure-none"):
        checked(host)
    for chosen in (
        {"identity": "insecure-none"},
        {"identity": "trusted-proxy", "trusted_proxies": "10.0.0.1"},
        JWT,
    ):
        checked(host, **chosen)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"identity": "jwt"}, "jwt_issuer: --identity jwt needs it"),
        ({**JWT, "jwt_audience": None}, "jwt_audience: .*--jwt-audience"),
        ({**JWT, "jwt_keys": None}, "jwt_keys: "),
        ({**JWT, "identity": "none"}, "jwt_issuer: it means nothing with --identity none"),
        ({**JWT, "trusted_proxies": "10.0.0.1"}, "trusted_proxies: it means nothing"),
        ({"identity": "trusted-proxy"}, "trusted_proxies: "),
        ({"trusted_proxies": "10.0.0.1"}, "trusted_proxies: it means nothing"),
        ({"jwt_roles_claim": "roles"}, "jwt_roles_claim: it means nothing"),
        ({**JWT, "jwt_keys": "http://issuer.example/jwks"}, "jwt_keys: .*https is needed"),
        ({**JWT, "jwt_keys": "/no/such/file"}, "jwt_keys: .*No such file"),
        ({**JWT, "jwt_keys": __file__}, "jwt_keys: .*no JSON Web Key Set"),
        ({"policy_file": "/no/such/file"}, "policy_file: .*No such file"),
        ({"policy_file": __file__}, "policy_file: .*not a TOML file"),
    ],
)
def test_settings_that_do_not_fit(chosen, reason):
    """Each is named, with what to do."""
    with pytest.raises(BadSetting, match=reason):
        checked(**chosen)


def test_the_service_does_not_start_with_them(live_service):
    """A wrong setting, told on stderr; the database is not even looked at."""
    address = ("--database-url", "postgresql://nowhere.invalid/x")
    for flags, told in [
        (("--host", "0.0.0.0"), "bad setting: identity: with none every caller is believed"),
        (("--identity", "open"), "none or trusted-proxy or jwt or insecure-none"),
    ]:
        with pytest.raises(ServiceFailed) as failed:
            live_service(*address, *flags)
        assert 2 == failed.value.exit_code
        assert told in failed.value.output


def test_the_operator_is_told_who_is_believed():
    """One sentence for each way."""
    assert "everything" in who_is_believed(Settings())
    assert "insecure-none" in who_is_believed(Settings(identity="insecure-none"))
    assert f"tokens of {ISSUER}; they may do what p.toml grants" in who_is_believed(
        Settings(**JWT, policy_file="p.toml")
    )


GRANT = {"role": "viewer", "workspaces": ["w1"], "principals": ["ann"]}


def toml(**parts):
    """A policy with one grant that has these parts, as TOML."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in (GRANT | parts).items() if value is not None]
    return "\n".join(["[[grants]]", *lines])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing required field `grants`"),
        ("[[grants]", "not a TOML file"),
        (toml(role="owner"), "Invalid enum value 'owner' - at `\\$.grants\\[0\\].role`"),
        (toml(roles="x"), "unknown field `roles`"),
        (toml(workspaces=None), "missing required field `workspaces`"),
        (toml(workspaces=[]), "grant 1 has no workspaces"),
        (toml(workspaces=["w*"]), "grant 1: 'w\\*' is no name of a workspace"),
        (toml(workspaces=["-"]), "grant 1: '-' is no name"),
        (toml(principals=[]), "grant 1 is for nobody"),
        (toml(principals=[""]), "'' names nobody"),
        (toml(principals="ann"), "Expected `array`"),
        (toml() + '\n[secrets]\nnames = ["["]', "secrets.names: .*no regular expression"),
        (toml() + '\n[secrets]\nfields = ["/description"]', "secrets.fields: '/description' is in none of"),
        (toml() + '\n[secrets]\nfields = ["/executor_config/gpu"]', "secrets.fields"),
        (toml() + "\n[other]", "unknown field `other`"),
        (toml() + '\n[secrets]\nnames = ["a{99999999999999999999}"]', "no regular expression"),
        (b"a = " + b"[" * 10_000, "not a TOML file"),
        (b"\xff", "not a TOML file"),
        (b"#" * 2**21, "are allowed"),
    ],
)
def test_policies_that_are_refused(text, reason):
    """Each says where it is wrong, and how to mend it."""
    with pytest.raises(BadPolicy, match=reason):
        read_policy(text if isinstance(text, bytes) else text.encode())


def test_policy_check(tmp_path, capsys):
    """The file in words; one principal's rights and why; and what is wrong with it."""
    file = tmp_path / "policy.toml"
    file.write_text(BASE)

    assert 0 == run(["policy", "check", str(file)])
    told = capsys.readouterr().out
    assert "grant 1: viewer in matrix for vera\n" in told
    assert "grant 4: editor without secrets in matrix for blind\n" in told
    assert "grant 6: editor in team for tokens with team=ml\n" in told
    assert "service:controller is a service, which may act on behalf of anybody\n" in told
    assert 0 == run(["policy", "check", str(file), "--as", "vera", "--group", "ml", "--claim", "team=ml"])
    told = capsys.readouterr().out
    assert "vera: read in matrix\nvera: read, secrets, write in team\n  by grant 1: viewer in matrix" in told
    assert 0 == run(["policy", "check", str(file), "--as", "vera", "--workspace", "team"])
    assert "vera: nothing\n" == capsys.readouterr().out
    assert 0 == run(["policy", "check", str(file), "--as", "root", "--workspace", "x1", "--json"])
    rights = {"x1": ["authors", "read", "secrets", "write"]}
    assert {"principal": "root", "workspaces": rights, "grants": [3]} == json.loads(capsys.readouterr().out)
    file.write_text("grants = 1")
    assert 1 == run(["policy", "check", str(file)])
    assert f"{file}: Expected `array`, got `int`" in capsys.readouterr().err
    assert 1 == run(["policy", "check", str(tmp_path / "none")])


def test_the_documented_policy_is_one():
    """The example in the handbook is read as it stands."""
    from pathlib import Path  # noqa: PLC0415

    handbook = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    [example] = [
        block.partition("```")[0] for block in handbook.split("```toml\n")[1:] if "[[grants]]" in block
    ]

    policy = read_policy(example.encode())
    assert {"viewer", "editor", "admin"} == {grant.role for grant in policy.grants}
    assert policy.services
    assert policy.redaction.names
    assert policy.redaction.fields


@dataclass
class Sent:
    """What a worker's identity says of a request."""

    identity: object

    def __call__(self, path="/apis/models/v2/workspaces/w1/deployments", **headers):
        scope = {
            "method": "GET",
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        rejection = asyncio.run(self.identity.admit(scope))
        return None if rejection is None else rejection.answer.status


def test_a_worker_without_a_policy_lets_nobody_in(tmp_path):
    """One that is started again while the file is broken has none from before; it is not ready."""
    file = tmp_path / "policy.toml"
    file.write_text("broken = [")
    identity = identity_of(Settings(policy_file=str(file)))
    send = Sent(identity)

    assert 401 == send()
    assert 403 == send(**{"x-nmp-principal-id": "ann"})
    assert None is send("/health/ready")
    assert ["the policy file cannot be used: nobody may do anything"] == identity.problems()


def test_without_keys_nobody_is_told_that_a_token_is_wrong():
    """They are asked to try again, and the service is not ready."""
    key_set = KeySet("http://127.0.0.1:9/none")
    bearing = Bearing(key_set, Tokens(key_set, Expected(ISSUER, AUDIENCE)))
    scope = {"path": "/", "headers": [(b"authorization", b"Bearer a.b.c")], "client": None}

    with pytest.raises(Rejection) as rejection:
        asyncio.run(bearing.of(scope))

    assert 503 == rejection.value.answer.status
    assert [(b"retry-after", b"5")] == rejection.value.headers
    assert ["the keys to check tokens with cannot be read"] == identity_of(Settings(**JWT)).problems()


def test_roles_of_tokens_need_no_policy():
    """The claim alone grants; without it everyone who is known may everything."""
    roles = identity_of(Settings(**JWT, jwt_roles_claim="roles")).policies.current
    assert ("roles", None) == (roles.roles_claim, roles.unrestricted)
    assert "identified" == identity_of(Settings(**JWT)).policies.current.unrestricted


def test_a_policy_file_and_roles_of_tokens_add_up(tmp_path):
    """Both are asked."""
    file = tmp_path / "policy.toml"
    file.write_text(grant("viewer", ["w1"], principals=["ann"]))
    settings = Settings(
        **{**JWT, "jwt_keys": str(tmp_path / "keys"), "policy_file": str(file)}, jwt_roles_claim="roles"
    )
    (tmp_path / "keys").write_bytes(jwks(KEY))

    policy = identity_of(settings).policies.current
    assert ("roles", 1) == (policy.roles_claim, len(policy.grants))
    assert policy == msgspec.structs.replace(load_policy(file), roles_claim="roles")
