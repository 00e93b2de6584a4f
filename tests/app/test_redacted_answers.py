"""Secrets of configs through HTTP: who sees them, and that nobody else does, anywhere."""

import json
import re
import subprocess
import sys

import pytest

from app.cli import run
from tests.support import secured as support
from tests.support.secured import ROOT
from tests.support.watching import Watching

SECRETS = [f"s3cr3t-{n}-value" for n in range(8)]
MARK = "[redacted]"


def spec(one, two):
    return {
        "engine": "nim",
        "model_spec": {},
        "executor_config": {
            "gpu": 1,
            "additional_envs": {"HF_TOKEN": SECRETS[one], "LICENSE_FILE": SECRETS[two], "MAX_TOKENS": "64"},
            "additional_args": ["--api-key", SECRETS[one + 4], "--seed=1"],
            "override_config": {"hidden": {"a": [SECRETS[two + 4]]}, "shown": 1},
        },
    }


@pytest.fixture(scope="module")
def stored(secured):
    """A config of three versions, the last one rolled back to, and a deployment that used them all."""
    send = secured.send
    created = [
        send("ed", "POST", "matrix/deployment-configs", json={"name": "sec", **spec(0, 1)}),
        send("ed", "POST", "matrix/deployments", json={"name": "sec", "config": "sec"}),
        send("ed", "POST", "matrix/deployment-configs/sec", json=spec(2, 3)),
        send("ed", "POST", "matrix/deployments/sec", json={"config": "sec"}),
        send("ed", "POST", "matrix/deployment-configs/sec/rollback", json={"version": 1}),
    ]
    assert [201] * 5 == [answer.status_code for answer in created]
    return secured


CONFIG = "matrix/deployment-configs/sec"
READS = [
    CONFIG,
    f"{CONFIG}?as_of=2100-01-01T00:00:00Z",
    f"{CONFIG}/versions",
    f"{CONFIG}/versions/1",
    f"{CONFIG}/history",
    f"{CONFIG}/blame",
    f"{CONFIG}/blame?version=2",
    f"{CONFIG}/diff?from=1&to=2",
    f"{CONFIG}/diff?from=2",
    "matrix/deployments/sec/diff?from=1",
    "matrix/deployment-configs?filter[name]=sec",
    "-/deployment-configs?filter[name]=sec",
    "matrix/history?name=sec",
    "-/history?name=sec",
]


@pytest.mark.parametrize("path", [path for path in READS if "2100" not in path])
def test_secrets_are_for_those_who_may_see_them(stored, path):
    """Editors and administrators; everybody else gets a mark in their place, and the rest as it is."""
    seen = {subject: stored.send(subject, "GET", path) for subject in ("vera", "blind", "ed", "root")}

    assert {200} == {answer.status_code for answer in seen.values()}, seen["vera"].text
    for subject in ("vera", "blind"):
        assert [] == [secret for secret in SECRETS if secret in seen[subject].text]
        assert MARK in seen[subject].text
        assert "[redacted]" in seen[subject].text
    for subject in ("ed", "root"):
        assert any(secret in seen[subject].text for secret in SECRETS)
        assert MARK not in seen[subject].text
    assert structure(seen["ed"].json()) == structure(seen["vera"].json())


def structure(value):
    """The same without texts, which differ, and without who wrote it."""
    if isinstance(value, dict):
        return {key: structure(part) for key, part in value.items()}
    return [structure(part) for part in value] if isinstance(value, list) else type(value)


def test_redacted_objects_have_a_tag_of_their_own(stored):
    """Readers who see different things share no cache; either tag is one for a write."""
    redacted, whole = (stored.send(subject, "GET", CONFIG).headers["etag"] for subject in ("vera", "ed"))

    assert redacted == f'{whole[:-1]}-r"'
    for subject, tag, status in [
        ("vera", redacted, 304),
        ("vera", whole, 200),
        ("ed", whole, 304),
        ("ed", redacted, 200),
    ]:
        assert status == stored.send(subject, "GET", CONFIG, headers={"If-None-Match": tag}).status_code
    tried = stored.send(
        "ed", "POST", f"{CONFIG}?dry_run=true", json=spec(0, 1), headers={"If-Match": redacted}
    )
    assert 201 == tried.status_code


def test_watches_show_secrets_to_those_who_may_see_them(stored):
    """Events from before and events that come; each watcher its own."""
    with (
        Watching(stored.url, "matrix", support.bearer("vera"), after=0, name="sec") as plain,
        Watching(stored.url, "-", support.bearer("root"), after=0, name="sec") as whole,
    ):
        last = int(
            stored.send("ed", "POST", CONFIG, json=spec(2, 1)).headers["etag"].strip('"').split(".")[0]
        )
        assert plain.reaches(last)
        assert whole.reaches(last)

        assert [] == [
            secret for secret in SECRETS if secret in json.dumps([event.data for event in plain.events])
        ]
        body = plain.events[-1].data["versions"][0]["body"]
        assert MARK == body["executor_config"]["additional_envs"]["HF_TOKEN"]
        assert (
            SECRETS[2]
            == whole.events[-1].data["versions"][0]["body"]["executor_config"]["additional_envs"]["HF_TOKEN"]
        )


def test_writers_who_do_not_see_secrets_cannot_lose_them(stored):
    """Their answers and dry runs have none; what has the mark of one is not written."""
    tried = stored.send("blind", "POST", f"{CONFIG}?dry_run=true", json=spec(0, 1))
    rolled_back = stored.send("blind", "POST", f"{CONFIG}/rollback?dry_run=true", json={"version": 2})
    for answer in (tried, rolled_back):
        assert 201 == answer.status_code, answer.text
        assert [] == [secret for secret in SECRETS if secret in answer.text]
    read = stored.send("blind", "GET", CONFIG).json()
    back = {key: read[key] for key in ("engine", "model_spec", "executor_config")}
    refused = stored.send("blind", "POST", CONFIG, json=back)
    assert (422, "redacted_value") == (refused.status_code, refused.json()["detail"][0]["type"])
    assert 201 == stored.send("blind", "POST", CONFIG, json=spec(0, 1)).status_code
    assert 201 == stored.send("ed", "POST", f"{CONFIG}?dry_run=true", json=back).status_code


def test_first_answers_are_repeated_as_their_reader_sees_them(stored):
    """What is kept under a key is kept whole."""
    key = {"Idempotency-Key": "redacted-1"}
    first, again = (stored.send("blind", "POST", CONFIG, json=spec(3, 2), headers=key) for _ in range(2))

    assert first.text == again.text
    assert "true" == again.headers["idempotency-replayed"]
    assert SECRETS[3] not in again.text
    assert first.headers["etag"] == again.headers["etag"]


def test_no_log_line_has_a_secret(stored):
    """Nor any refusal; faults are logged without the values of variables."""
    broken = spec(0, 1)
    broken["executor_config"]["additional_envs"]["N"] = 5
    assert 422 == stored.send("ed", "POST", CONFIG, json=broken).status_code
    stored.client.post(f"{ROOT}/{CONFIG}", headers=support.bearer("vera"), json=spec(0, 1))

    assert [] == [secret for secret in SECRETS if secret in stored.service.output]


def test_no_fault_is_logged_with_what_it_was_about():
    """Variables of a frame can be anything; neither form of the log has them."""
    program = """
import structlog
from app.logs import configure_logs

def fail(hidden):
    raise ValueError("fault")

for form in ("json", "console"):
    structlog.reset_defaults()
    configure_logs(form, "info")
    try:
        fail("s3" + "cr3t")
    except ValueError as error:
        structlog.get_logger().error("request failed", exc_info=error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert 2 == done.stderr.count("request failed")
    assert 2 == len(re.findall('in fail|"name": ?"fail"', done.stderr))
    assert "s3cr3t" not in done.stderr


def test_audits_leave_secrets_out(stored, capsys):
    """On the terminal and in exports, as the policy says, unless they are asked for."""
    database = ("--database-url", stored.database_url)
    settings = stored.policy.with_name("ledger.toml")
    settings.write_text(f'policy_file = "{stored.policy}"')
    name = "matrix/deployment-configs/sec"
    for command in (
        ["history", name, "--json"],
        ["who", "ed", "--json"],
        ["diff", name, "1", "2"],
        ["diff", "matrix/sec", "1", "--json"],
        ["blame", name, "--version", "1"],
        ["export"],
    ):
        for flags, expected in ((), False), (("--with-secrets",), True):
            assert 0 == run(["audit", *command, *flags, *database, "--settings", str(settings)])
            told = capsys.readouterr().out
            assert expected == any(secret in told for secret in SECRETS), (command, flags)
            assert expected != (MARK in told)


def test_exports_go_on_as_they_were_begun(stored, tmp_path, capsys):
    """What has secrets is not continued without them, nor the other way round."""
    export = ["audit", "export", "--database-url", stored.database_url, "--output", str(tmp_path / "log")]
    assert 0 == run(export)
    position = json.loads((tmp_path / "log").read_text().splitlines()[-1])["position"]
    last = stored.send("ed", "POST", CONFIG, json=spec(0, 1)).headers["etag"]
    assert 0 == run([*export, "--resume"])
    assert 1 == run([*export, "--resume", "--with-secrets"])

    assert "other rules for secrets" in capsys.readouterr().err
    assert position < int(last.strip('"').split(".")[0])
