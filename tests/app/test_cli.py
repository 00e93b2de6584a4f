"""The command line: what it prints, and the exit codes that scripts rely on."""

import json
import re
import subprocess
import sys

import psycopg
import pytest

from app.cli import run
from app.migrations import MIGRATIONS_DIR
from app.projection_versions import own_versions

TITLES = sorted(path.stem for path in MIGRATIONS_DIR.glob("*.sql"))


@pytest.mark.parametrize("command", [[], ["serve"], ["migrate"], ["settings"], ["version"]])
def test_help_is_there_for_every_command(command, capsys):
    """With an example for each command."""
    assert run([*command, "--help"]) == 0

    printed = capsys.readouterr().out
    assert "deployment-ledger " + " ".join(command) in printed


def test_the_first_page_says_what_each_command_is_for():
    """In a process of its own, which has loaded none of them yet."""
    printed = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout

    told = dict(re.findall(r"^│ ([a-z]+) +(\S.*?) +│$", printed, re.MULTILINE))
    assert {"audit", "bench", "migrate", "policy", "rebuild", "serve", "settings", "version"} == set(told)


@pytest.mark.parametrize("arguments", [["serv"], ["serve", "--prot", "1"], ["migrate", "--workers", "2"]])
def test_a_wrong_command_line_is_exit_code_2(arguments, capsys):
    """Told apart from a failure, with the reason on stderr."""
    assert run(arguments) == 2

    assert "Did you mean" in capsys.readouterr().err or "workers" in arguments[1]


def test_a_bad_setting_is_exit_code_2_and_named(capsys):
    """On stderr, so that output stays data."""
    assert run(["settings", "--port", "http"]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        "bad setting: port: 'http' is not allowed; a whole number from 0 to 65535 (from --port)"
        in printed.err
    )


def test_settings_shows_values_and_origins(capsys, monkeypatch):
    """Passwords are not shown."""
    monkeypatch.setenv("DEPLOYMENT_LEDGER_DATABASE_URL", "postgresql://ledger:secret@db.example/ledger")

    assert run(["settings", "--workers", "3", "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["workers"] == {"value": 3, "origin": "--workers"}
    assert shown["port"] == {"value": 8080, "origin": "default"}
    assert shown["database_url"]["origin"] == "environment variable DEPLOYMENT_LEDGER_DATABASE_URL"
    assert "db.example" in shown["database_url"]["value"]
    assert "secret" not in shown["database_url"]["value"]


def test_settings_as_a_table_has_every_setting(capsys):
    """For people."""
    assert run(["settings"]) == 0

    assert "shutdown_grace_seconds" in capsys.readouterr().out


def test_migrate_lists_then_applies_then_has_nothing_to_do(empty_database_url, capsys):
    """`--dry-run` changes nothing."""
    flags = ["--database-url", empty_database_url, "--json"]

    assert run(["migrate", "--dry-run", *flags]) == 0
    assert run(["migrate", *flags]) == 0
    assert run(["migrate", *flags]) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [{"pending": TITLES}, TITLES, []] == [lines[0], *(line["applied"] for line in lines[1:])]
    assert [sorted(lines[1]["roles"].values()), []] == [sorted(line["created"]) for line in lines[1:]]
    assert lines[1]["problem"] is None


def test_migrate_uses_the_embedded_database_by_default(data_dir, capsys):
    """And says in words what it did."""
    assert run(["migrate", "--data-dir", str(data_dir)]) == 0
    assert run(["migrate", "--data-dir", str(data_dir)]) == 0

    lines = capsys.readouterr().out.splitlines()
    roles = "ledger_owner owns the tables, ledger_runtime is for serve, ledger_reader is for reading"
    new = "ledger_runtime is new: give it a password if it needs one to log in (psql: \\password ledger_runtime)"
    assert [*(f"applied {title}" for title in TITLES), roles, new, "the schema is up to date", roles] == lines


def test_a_contradicting_database_is_exit_code_1(database_url, capsys):
    """The reason is on stderr, without a stack."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE schema_migrations SET checksum = 'another' WHERE version = 1")

    assert run(["migrate", "--database-url", database_url]) == 1

    printed = capsys.readouterr().err
    assert "was changed after it was applied" in printed
    assert "Traceback" not in printed


def test_an_unreachable_database_is_exit_code_1(capsys):
    """The address is shown without its password."""
    assert run(["migrate", "--database-url", "postgresql://u:secret@127.0.0.1:1/x"]) == 1

    printed = capsys.readouterr().err
    assert "database_url: cannot connect to" in printed
    assert "secret" not in printed


def test_version_as_json(capsys):
    """For scripts that check what is installed."""
    assert run(["version", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"version": "0.1.0", "projections": own_versions()}
