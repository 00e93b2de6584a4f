"""Exports: the log as JSON Lines, byte by byte the same, whatever happened to the file meanwhile."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from tests.support.audit import EVENTS, STORY, Audit, fill
from tests.support.builders import create_config


@pytest.fixture
def audit(database_url, capsys):
    fill(database_url)
    return Audit(database_url, capsys)


def test_a_line_has_the_event_as_it_is_stored(audit):
    """Beside it stand its place in the log and in its stream, its name and its time."""
    with psycopg.connect(audit.database_url) as connection:
        stored = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM stored_events WHERE notification_id = 5"
        ).fetchone()[0]

    assert 0 == audit("export", "--after", 4, "--until", 5)

    at = json.loads(stored)["at"]
    assert (
        f'{{"position":5,"stream":"default/deployments/llama","stream_version":3,"kind":"deployment.updated","at":"{at}","event":{stored}}}\n'
        == audit.out
    )


def test_the_same_events_are_the_same_bytes(audit):
    """Again, in parts, and after the log has grown."""
    assert 0 == audit("export")
    whole = audit.out
    assert 0 == audit("export", "--until", 6)
    first = audit.out
    assert 0 == audit("export", "--after", 6)
    rest = audit.out
    fill(audit.database_url, [create_config(name="later", id="c-7")])
    assert 0 == audit("export", "--until", EVENTS)

    assert EVENTS == whole.count("\n")
    assert whole == first + rest
    assert whole == audit.out


def test_nothing_to_export_is_no_failure(audit):
    """A job that exports what is new may find nothing."""
    assert 0 == audit("export", "--after", EVENTS)

    assert "" == audit.out


@pytest.mark.parametrize("kept", [0, 1, 100, 250, 1000, 1_000_000])
def test_a_file_cut_off_anywhere_is_completed(audit, tmp_path, kept):
    """A torn last line is written again; what is complete stays."""
    assert 0 == audit("export")
    whole = audit.out.encode()
    file = tmp_path / "events.jsonl"
    file.write_bytes(whole[:kept])

    assert 0 == audit("export", "--output", file, "--resume")

    assert whole == file.read_bytes()


def test_a_resumed_file_begins_where_it_was_asked_to(audit, tmp_path):
    """The same command line with --resume goes on; without a file it begins."""
    file = tmp_path / "events.jsonl"
    for until in (4, 9, EVENTS):
        assert 0 == audit("export", "--after", 2, "--until", until, "--output", file, "--resume")
    assert f"5 events after position 9 are in {file}" in audit.err
    assert 0 == audit("export", "--after", 2)

    assert audit.out == file.read_text()


def test_a_new_file_does_not_replace_an_old_one(audit, tmp_path):
    """Whoever means it says --resume, or takes another name."""
    file = tmp_path / "events.jsonl"
    file.write_text("precious")

    assert 1 == audit("export", "--output", file)

    assert "precious" == file.read_text()
    assert "--resume" in audit.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("notes of mine\nmore", "does not end with a line of an export"),
        ('{"position":3}\n', "its line of position 3 is not that of this one"),
        ('{"position":99}\n{', "its line of position 99 is not that of this one"),
    ],
)
def test_a_file_of_something_else_is_left_alone(audit, tmp_path, content, complaint):
    """Nothing is cut off from what is no export of this log."""
    file = tmp_path / "events.jsonl"
    file.write_text(content)

    assert 1 == audit("export", "--output", file, "--resume")

    assert content == file.read_text()
    assert complaint in audit.err


def test_two_exports_do_not_write_one_file(audit, tmp_path):
    """The second one says so and leaves it."""
    file = tmp_path / "events.jsonl"
    with file.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        assert 1 == audit("export", "--output", file, "--resume")

    assert "another export" in audit.err


@pytest.mark.parametrize(
    ("flags", "code", "complaint"),
    [
        (["--output", "/nowhere/events.jsonl"], 1, "/nowhere/events.jsonl: No such file or directory"),
        (["--resume"], 2, "--resume needs the file"),
    ],
)
def test_what_cannot_be_written_is_said(audit, flags, code, complaint):
    """In a line, without a stack."""
    assert code == audit("export", *flags)

    assert complaint in audit.err
    assert "Traceback" not in audit.err


def test_a_killed_export_resumes_to_the_same_bytes(database_url, capsys, tmp_path):
    """Kill -9 in the middle, as often as it takes, leaves a file that is completed."""
    padding = "x" * 900
    fill(
        database_url,
        [*STORY[:3], *[create_config(name=f"c-{n}", id=f"c-{n}", description=padding) for n in range(3000)]],
    )
    audit = Audit(database_url, capsys)
    assert 0 == audit("export")
    whole = audit.out
    file = tmp_path / "events.jsonl"
    program = [
        sys.executable,
        "-c",
        "from app.cli import main; main()",
        "audit",
        "export",
        "--output",
        str(file),
    ]
    killed = 0
    for _ in range(5):
        process = subprocess.Popen(
            [*program, "--resume", "--database-url", database_url], stderr=subprocess.PIPE
        )
        before = file.stat().st_size if file.exists() else 0
        while process.poll() is None and (file.stat().st_size if file.exists() else 0) == before:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stderr.close()

    assert 0 == audit("export", "--output", file, "--resume")

    assert killed
    assert whole == file.read_text()
