"""What the audit commands show, to people and to programs, and the exit codes that scripts rely on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psycopg
import pytest

from app.audit.database import snapshot
from app.audit.progress import ProgressBar
from app.cli import run
from app.embedded_postgres import EmbeddedPostgres
from app.migrations import migrate
from app.settings import resolve
from tests.support.audit import EVENTS, STORY, Audit, fill
from tests.support.builders import create_config, update_config


@pytest.fixture
def audit(database_url, capsys):
    fill(database_url)
    return Audit(database_url, capsys)


def time_of(audit, position):
    """When the event at a position took place."""
    with psycopg.connect(audit.database_url) as connection:
        return connection.execute(
            "SELECT recorded_at FROM stored_events WHERE notification_id = %s", [position]
        ).fetchone()[0]


@pytest.mark.parametrize("command", ["history", "diff", "blame", "at", "who", "replay", "export"])
def test_help_teaches_with_examples(command, capsys):
    """Each command has some, and says what its exit codes mean where they are its own."""
    assert 0 == run(["audit", command, "--help"])

    printed = capsys.readouterr().out
    assert f"deployment-ledger audit {command}" in printed


def test_the_overview_lists_the_commands_and_exit_codes(capsys):
    """So that one need not try them."""
    assert 0 == run(["audit", "--help"])

    printed = capsys.readouterr().out
    assert all(
        word in printed
        for word in ("history", "diff", "blame", "at", "who", "replay", "export", "Exit codes")
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["at", "yesterday"],
        ["at", "99"],
        ["at", "2999-01-01T00:00:00Z"],
        ["history", "a/b/c"],
        ["history", "--kind", "deployment.teleported"],
        ["history", "--limit", "0"],
        ["diff", "a/b/c/d", "1", "2"],
        ["diff", "llama", "one"],
        ["blame", "llama", "--version", "-1"],
        ["replay", "default/llamas/a"],
        ["export", "--after", "-1"],
        ["exprot"],
    ],
)
def test_wrong_use_is_exit_code_2(audit, arguments):
    """With a line on stderr that says what is wrong; nothing on stdout."""
    assert 2 == audit(*arguments)

    assert "" == audit.out
    assert audit.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["history", "nowhere"], "no such event of workspace nowhere"),
        (["history", "default/deployments/nobody"], "no such event of default/deployments/nobody"),
        (["history", "--actor", "mallory"], "no such event"),
        (["who", "mallory"], "no event by 'mallory'"),
        (["at", "1"], "no deployment was live in all workspaces at 1"),
        (["at", "14", "--workspace", "nowhere"], "no deployment was live in workspace nowhere at 14"),
        (["diff", "llama", "1", "9"], "Deployment 'default/llama' version '9' not found"),
        (["diff", "nobody", "1"], "not found"),
        (["blame", "default/deployment-configs/c7"], "Deployment config 'default/c7' not found"),
        (["replay", "default/deployments/nobody"], "no event of default/deployments/nobody"),
    ],
)
def test_what_is_not_there_is_exit_code_3(audit, arguments, complaint):
    """Told apart from a failure, with the reason on stderr."""
    assert 3 == audit(*arguments)

    assert complaint in audit.err


@pytest.mark.both_servers
def test_at_shows_what_was_live(audit):
    """The latest version of every deployment, also of one that is gone; who made it and why."""
    assert 0 == audit("at", 9, "--json")

    shown = [
        (item["name"], item["version"], item["config"], item["config_version"], item["status"])
        for item in audit.lines
    ]
    assert [("gone", 1, "c1", 2, "CREATED"), ("llama", 3, "c1", 1, "READY")] == shown
    llama = audit.lines[1]
    assert (7, "deployment.rolled-back", "put back") == tuple(
        llama["made"][k] for k in ("position", "kind", "reason")
    )
    assert "alice@example.com" == llama["made"]["actor"]["id"]
    assert (8, "service:models") == (llama["changed"]["position"], llama["changed"]["actor"]["id"])


@pytest.mark.parametrize("position", range(3, EVENTS + 1))
def test_at_a_time_is_at_its_position(audit, position):
    """From an event until just before the next one, in any offset."""
    at = time_of(audit, position)
    assert 0 == audit("at", position, "--all-versions", "--json")
    expected = audit.out

    assert 0 == audit("at", at.isoformat(), "--all-versions", "--json")
    assert expected == audit.out
    assert 0 == audit("at", at.replace(tzinfo=None).isoformat(), "--all-versions", "--json")
    assert expected == audit.out
    if position < EVENTS:
        before_next = time_of(audit, position + 1) - timedelta(microseconds=1)
        assert 0 == audit("at", before_next.isoformat(), "--all-versions", "--json")
        assert expected == audit.out


def test_at_shows_a_workspace_or_all_versions(audit):
    """Both narrow and widen what is shown."""
    assert 0 == audit("at", EVENTS, "--workspace", "other", "--json")
    assert ["other"] == [item["workspace"] for item in audit.lines]
    assert 0 == audit("at", EVENTS, "--workspace", "default", "--all-versions", "--json")

    assert [("llama", 3), ("llama", 2), ("llama", 1)] == [
        (item["name"], item["version"]) for item in audit.lines
    ]


def test_at_as_a_table(audit):
    """One line a deployment."""
    assert 0 == audit("at", 9)

    lines = audit.out.splitlines()
    assert ["deployment", "version", "config", "status", "since", "made", "by", "reason"] == lines[0].split()
    assert lines[2].startswith("default/llama")
    assert all(word in lines[2] for word in ("READY", "c1 1", "alice@example.com", "put back"))
    assert "anonymous" in lines[1]


def test_who_shows_what_a_principal_did(audit):
    """Also what others did on its behalf; newest first; within a time."""
    assert 0 == audit("who", "bob", "--json")
    assert [12, 5] == [entry["position"] for entry in audit.lines]
    assert 0 == audit("who", "gateway", "--json", "--oldest-first")
    assert [5, 12] == [entry["position"] for entry in audit.lines]
    assert 0 == audit(
        "who", "alice@example.com", "--since", time_of(audit, 2).isoformat(), "--until", 6, "--json"
    )
    assert [3, 2] == [entry["position"] for entry in audit.lines]
    assert 0 == audit("who", "bob")

    assert "gateway for bob" in audit.out


def test_history_shows_events_and_what_they_changed(audit):
    """Of everything, newest first."""
    assert 0 == audit("history", "--json")

    assert list(range(EVENTS, 0, -1)) == [entry["position"] for entry in audit.lines]
    rollback = next(entry for entry in audit.lines if entry["position"] == 7)
    changes = {
        change["field"]: (change["old"], change["new"]) for change in rollback["versions"][0]["changes"]
    }
    assert (2, 1) == changes["/config_version"]
    assert ("ERROR", "PENDING") == changes["/status"]


@pytest.mark.parametrize(
    ("arguments", "positions"),
    [
        (["default", "--limit", 2], [12, 11]),
        (["other"], [14, 13]),
        (["default/deployments/llama", "--oldest-first"], [3, 4, 5, 6, 7, 8]),
        (["default/deployments/llama", "--kind", "deployment.updated"], [5]),
        (["--resource", "deployment-configs"], [13, 2, 1]),
        (["--name", "gone"], [12, 11, 10, 9]),
        (["all", "--actor", "bob"], [12, 5]),
        (["all", "--since", 3, "--until", 4], [4, 3]),
        (["default", "--oldest-first", "--limit", 3], [1, 2, 3]),
    ],
)
def test_history_is_filtered(audit, arguments, positions):
    """By what was asked for, and by all of it."""
    assert 0 == audit("history", *arguments, "--json")

    assert positions == [entry["position"] for entry in audit.lines]


def test_history_is_found_in_stretches(audit, monkeypatch):
    """However long the log and the pages are, every event is shown once."""
    monkeypatch.setattr("app.audit.search.POSITIONS_PER_READ", 3)
    monkeypatch.setattr("app.audit.search.ENTRIES_PER_READ", 2)

    assert 0 == audit("history", "--json")
    assert list(range(EVENTS, 0, -1)) == [entry["position"] for entry in audit.lines]
    assert 0 == audit("history", "--json", "--oldest-first", "--since", 2)
    assert list(range(2, EVENTS + 1)) == [entry["position"] for entry in audit.lines]


def test_history_as_a_table(audit):
    """With the fields that say something, and the reason."""
    assert 0 == audit("history", "default/deployments/llama")

    lines = audit.out.splitlines()
    rollback = next(line for line in lines if line.startswith("7 "))
    assert all(word in rollback for word in ("deployment.rolled-back", "put back", "config_version 2 → 1"))
    assert "created_at" not in audit.out


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            "100",
            [
                "deployment.rolled-back",
                "    put back",
                "    config_version 2 → 1",
                "    status ERROR → PENDING",
            ],
        ),
        ("250", ["deployment.rolled-back", "put back", "config_version 2 → 1"]),
    ],
)
def test_a_terminal_gets_colour_and_what_fits(audit, monkeypatch, columns, expected):
    """In a narrow one the long columns are lines below; nothing is cut off."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", columns)

    assert 0 == audit("history", "default/deployments/llama", "--kind", "deployment.rolled-back")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", audit.out)
    assert "\x1b[1mposition" in audit.out
    assert all(text in plain for text in expected)
    assert (columns == "100") == ("\n    put back\n" in plain)
    assert 0 == audit("at", 9)

    assert "\x1b[32mREADY" in audit.out


def test_text_of_users_cannot_command_the_terminal(database_url, capsys):
    """Control characters are spelled out, and nothing is read as markup."""
    fill(database_url, [create_config(), update_config(reason="\x1b[2Jgone\r\n\u202e[bold]x[/bold]")])
    audit = Audit(database_url, capsys)

    assert 0 == audit("history")

    assert "\\x1b[2Jgone\\r\\n\\u202e[bold]x[/bold]" in audit.out
    assert "\x1b" not in audit.out


def test_diff_shows_fields_and_what_is_referred_to(audit):
    """As JSON with a patch, and as tables."""
    assert 0 == audit("diff", "default/llama", 1, 2, "--json")
    [answer] = audit.lines
    assert 0 == audit("diff", "llama", 1, 2)

    changed = {change["field"]: (change["old"], change["new"]) for change in answer["changes"]}
    assert (1, 2) == changed["/config_version"]
    assert {"op": "replace", "path": "/config_version", "value": 2} in answer["patch"]
    assert "c1" == answer["effective"]["config"]["to"]["name"]
    assert "config c1 1 → c1 2" in audit.out
    assert "newest config" in audit.out


def test_diff_takes_versions_positions_and_times(audit):
    """A number is a version, one after an @ a position; without the second, the latest version now is meant."""
    assert 0 == audit("diff", "llama", "@4", "@5", "--json")
    by_position = audit.out
    times = [time_of(audit, position).isoformat() for position in (4, 5)]
    assert 0 == audit("diff", "llama", *times, "--json")
    assert by_position == audit.out
    assert 0 == audit("diff", "llama", 1, "--json")

    assert 3 == audit.lines[0]["to"]["version"]


def test_blame_names_the_event_behind_each_field(audit):
    """By whom, when and why, for the latest version or another."""
    assert 0 == audit("blame", "default/llama", "--json")
    fields = {field["field"]: field for field in audit.lines[0]["fields"]}
    assert (7, "put back") == (fields["/config_version"]["position"], fields["/config_version"]["reason"])
    assert 3 == fields["/config"]["position"]
    assert 0 == audit("blame", "default/deployment-configs/c1", "--version", 1, "--json")
    assert {1} == {field["position"] for field in audit.lines[0]["fields"]}
    assert 0 == audit("blame", "llama")

    line = next(line for line in audit.out.splitlines() if line.startswith("status "))
    assert all(word in line for word in ("READY", "service:models", "deployment.status-changed"))


def test_an_old_schema_is_refused(empty_database_url, capsys):
    """With what to do about it."""
    audit = Audit(empty_database_url, capsys)

    assert 1 == audit("replay")

    assert "run `deployment-ledger migrate` first" in audit.err


def test_a_directory_without_a_database_is_a_bad_setting(tmp_path, capsys):
    """A mistyped one is not filled with a new database."""
    assert 2 == run(["audit", "replay", "--data-dir", str(tmp_path / "typo")])

    assert "there is no database in" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_an_embedded_server_is_used_as_it_is_found(data_dir, capsys):
    """One that runs goes on running, one that does not is stopped again."""
    with EmbeddedPostgres(data_dir) as server:
        migrate(server.url)
        fill(server.url)
        process = server.postmaster()

        assert 0 == run(["audit", "replay", "--data-dir", str(data_dir), "--json"])
        assert process == server.postmaster()
    assert 0 == run(["audit", "replay", "--data-dir", str(data_dir), "--json"])

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert EVENTS == first["events"] == second["events"]
    assert server.postmaster() is None


def test_a_command_sees_one_state_of_the_log(database_url):
    """What is written while it runs is not in it, and it could not write itself."""
    fill(database_url)
    with snapshot(resolve({"database_url": database_url}, {}, None)) as connection:
        seen = connection.execute("SELECT count(*) FROM stored_events").fetchone()
        fill(database_url, [create_config(name="later", id="c-7")])

        assert seen == connection.execute("SELECT count(*) FROM stored_events").fetchone()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("UPDATE projection_position SET position = 0")


AT_WORK = """
    SELECT 1
      FROM pg_stat_activity
     WHERE datname = current_database() AND state = 'idle in transaction'
       AND (query LIKE 'FETCH%' OR query LIKE '%ORDER BY e.notification_id%')
"""
"""Whether a command is in the middle of the log."""


def test_progress_is_shown_in_a_terminal_when_it_takes_long(monkeypatch, capsys):
    """On stderr, so that output stays data; a command that streams to the terminal needs none."""
    for shown, environment, streaming in ((True, "1", False), (False, "", False)):
        monkeypatch.setattr("app.audit.progress.APPEARS_AFTER_SECONDS", 0.01)
        monkeypatch.setenv("FORCE_COLOR", environment)
        with ProgressBar("replaying", 5000, streaming=streaming) as bar:
            bar.at(4000)
            time.sleep(0.3)
            with bar.aside():
                print("data")

        printed = capsys.readouterr()
        assert "data\n" == printed.out
        assert shown == ("replaying" in printed.err)
        assert 4000 == bar.position


@pytest.mark.parametrize(
    ("command", "said"),
    [(["replay"], "no deviation up to there"), (["who", "mallory"], "positions were searched")],
)
def test_an_interrupted_command_says_how_far_it_came(database_url, tmp_path, command, said):
    """Ctrl-C ends it with exit code 130."""
    fill(database_url, [create_config(name=f"c{n}", id=f"c-{n}") for n in range(500)])
    # A shell's background jobs, and so tests that run in one, are started with the signal ignored.
    slow = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    slow += "import time, app.audit.log as log, app.audit.search as search; "
    slow += "search.POSITIONS_PER_READ = 5; answered = search.answered; "
    slow += "search.answered = lambda *a: (time.sleep(0.1), answered(*a))[1]; "
    slow += "make = log.Stored._make; log.Stored._make = lambda row: (time.sleep(0.02), make(row))[1]; "
    slow += "from app.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "audit", *command, "--database-url", database_url],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        while process.poll() is None and connection.execute(AT_WORK).fetchone() is None:
            time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert 130 == process.returncode
    assert said in err
    assert "Traceback" not in err


def test_a_reader_that_leaves_ends_the_command_quietly(database_url):
    """As in `audit export | head -1`."""
    fill(database_url, [create_config(name=f"c{n}", id=f"c-{n}", description="x" * 900) for n in range(300)])
    program = f"{sys.executable} -c 'from app.cli import main; main()' audit export | head -c 10"
    done = subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEPLOYMENT_LEDGER_DATABASE_URL": database_url},
    )

    assert "" == done.stderr
    assert '{"position' == done.stdout


def test_the_story_has_a_refused_command(database_url):
    """The fixtures of these tests are what they say."""
    assert [400] == [answer.status for answer in fill(database_url, STORY) if answer.status >= 400]
