"""A dump of one major version of PostgreSQL, restored into another: the same ledger, to every client."""

import subprocess

import pytest

from app.postgres_programs import EMBEDDED_BIN
from tests.support.roles import runtime_url
from tests.support.upgrades import addresses, assert_it_is_the_same_ledger, told_and_answered

DUMP = [EMBEDDED_BIN / "pg_dump", "--no-owner", "--no-privileges"]


def to_newer(source, target):
    """As docs/upgrade.md has it."""
    dump = subprocess.run([*DUMP, "--format=custom", source], check=True, capture_output=True).stdout
    restore = [
        EMBEDDED_BIN / "pg_restore",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--dbname",
        target,
    ]
    subprocess.run(restore, check=True, input=dump, capture_output=True)


def to_older(source, target):
    """Older servers do not know one of the settings that a dump begins with."""
    dump = subprocess.run([*DUMP, source], check=True, capture_output=True, text=True).stdout
    known = "".join(
        line for line in dump.splitlines(keepends=True) if not line.startswith("SET transaction_timeout")
    )
    restore = [EMBEDDED_BIN / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", target]
    subprocess.run(restore, check=True, input=known, capture_output=True, text=True)


@pytest.mark.parametrize(("source", "target", "copy"), [("15", "18", to_newer), ("18", "15", to_older)])
def test_a_restored_ledger_is_the_same(
    postgres_servers, postgres_15_bin, live_service, capsys, source, target, copy
):
    """Answers, positions, ETags, watch positions and idempotency keys hold, and the roles are made again."""
    with (
        postgres_servers(source).new_database() as old,
        postgres_servers(target).new_database(template="template0") as new,
    ):
        service = live_service(*addresses(old))
        answers = told_and_answered(service.url)
        assert 0 == service.stop()
        copy(old, new)
        service = live_service(*addresses(new))

        assert_it_is_the_same_ledger(service.url, new, answers, capsys)
        assert "roles are not set up" not in service.output
        assert runtime_url(new) != runtime_url(old)
