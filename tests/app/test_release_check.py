"""What another release would answer otherwise: recorded by it, or by its code beside this one, and compared."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from hashlib import blake2b
from threading import Thread

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.rebuild.fingerprints import COLUMNS, fold
from app.rebuild.recording import rows_of
from tests.support.audit import EVENTS, fill
from tests.support.builders import create, create_config, report
from tests.support.rebuild import TABLES, Rebuild
from tests.support.release import ROOT, Release

ROWS = 13
OTHERWISE = {
    "domain/deployment.py": [('"PENDING", "Deployment update pending"', '"PENDING", "Update pending"')],
    "projections/deployments.py": [("        state.project,\n", "        None,\n")],
    "app/rebuild/fingerprints.py": [
        (
            "            yield lines.result()\n",
            "            yield lines.result()\n            sleep(PAUSE)\n",
        ),
        (
            "RESOURCES: Final",
            "from time import sleep\nPAUSE = int(os.environ.get('PAUSE', 0))\nRESOURCES: Final",
        ),
    ],
}
"""A release in which updates say something else, and lists do not know projects; it can be made slow."""
CHANGED = [
    ("changed", "llama", 2, 5, ["/status_message"], ["status_message"]),
    ("changed", "llama", 2, 6, ["/status_history"], []),
    ("changed", "llama", 3, 7, ["/status_message"], ["status_message"]),
    ("changed", "llama", 3, 8, ["/status_history"], []),
    ("changed", "planned", 1, 15, [], ["project"]),
]


@pytest.fixture
def rebuild(database_url, capsys):
    fill(database_url)
    return Rebuild(database_url, capsys)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Release(tmp_path_factory.mktemp("other"), OTHERWISE)


@pytest.fixture
def recorded(rebuild, tmp_path):
    """A recording of the log as it is."""
    path = tmp_path / "recorded.gz"
    assert 0 == rebuild("record", "--output", path, "--workers", 1), rebuild.err
    assert f"{ROWS} rows up to position {EVENTS} are in {path}\n" == rebuild.err
    return path


def changes(rebuild):
    *found, summary = rebuild.json_lines
    keys = ("what", "name", "version", "valid_from", "fields", "columns")
    return [tuple(change[key] for key in keys) for change in found], summary


def test_a_recording_has_the_rows_of_the_tables(rebuild):
    """Each once, in order, however the log is cut; and their answers, byte for byte."""
    tables = {
        (f"{row[0]}/{resource}/{row[1]}", row[2], row[3]): blake2b(
            row[-1].encode(), digest_size=12
        ).hexdigest()
        for resource, table in zip(COLUMNS, TABLES, strict=True)
        for row in rebuild.execute(f"SELECT workspace, name, version, valid_from, body FROM {table}")
    }

    whole = b"".join(fold(rebuild.database_url, EVENTS, 1))
    sliced = b"".join(fold(rebuild.database_url, EVENTS, 2, slice_events=1))

    assert sliced == whole
    assert tables == {row.key: row.answer for row in rows_of([whole])}
    assert sorted(tables) == [row.key for row in rows_of([whole])]


def test_the_same_code_answers_the_same(rebuild, recorded, tmp_path):
    """Whether recorded before or beside; the same rows are recorded as the same bytes."""
    again = tmp_path / "again.gz"

    assert 0 == rebuild("record", "--output", again, "--workers", 2)
    assert recorded.read_bytes() == again.read_bytes()
    assert 0 == rebuild("compare", "--against", recorded, "--workers", 1), rebuild.err
    assert rebuild.out.startswith(f"ok: all {ROWS} rows up to position {EVENTS} are those of {recorded} (")
    assert [recorded, again] == sorted(tmp_path.iterdir(), reverse=True)


def test_code_that_answers_otherwise_is_found_out(rebuild, other, tmp_path):
    """Every row that differs is named, with what differs in it, and no other; beside or recorded, both ways."""
    fill(rebuild.database_url, [create(name="planned", project="p")])
    path = tmp_path / "other.gz"
    against = other("rebuild", "record", "--output", path, "--database-url", rebuild.database_url)
    assert 0 == against.returncode, against.stderr

    assert 1 == rebuild("compare", "--against", other.directory, "--workers", 1, "--json"), rebuild.err
    beside, summary = changes(rebuild)
    assert 1 == rebuild("compare", "--against", path, "--workers", 1, "--json"), rebuild.err
    assert CHANGED == beside == changes(rebuild)[0]
    assert (False, EVENTS + 1, ROWS + 1, 5, 0, 0) == tuple(
        summary[key] for key in ("ok", "position", "rows", "changed", "gone", "new")
    )
    assert 1 == rebuild("compare", "--against", path, "--workers", 1)
    *lines, last = rebuild.out.splitlines()
    assert (
        "changed default/deployments/llama version 2 from 5: answer /status_message; columns status_message"
        == lines[0]
    )
    assert "changed default/deployments/planned version 1 from 15: columns project" == lines[-1]
    assert last.startswith("of 14 rows up to position 15 5 differ from those of ")


def test_a_recording_pins_the_position(rebuild, recorded, tmp_path):
    """What was written since does not matter; an earlier position can be asked for, a later one cannot."""
    early = tmp_path / "early.gz"
    assert 0 == rebuild("record", "--output", early, "--position", 5, "--workers", 1)
    fill(rebuild.database_url, [report("ERROR"), create_config(name="new")])

    assert 0 == rebuild("compare", "--against", recorded, "--workers", 1, "--json")
    assert (EVENTS, ROWS) == tuple(rebuild.json[key] for key in ("position", "rows"))
    assert 0 == rebuild("compare", "--against", early, "--workers", 1, "--json")
    assert (5, 5) == tuple(rebuild.json[key] for key in ("position", "rows"))
    assert 1 == rebuild("record", "--output", tmp_path / "late.gz", "--position", 99)
    assert f"the log ends at position {EVENTS + 2}: 99 lies ahead of it" in rebuild.err
    assert 2 == rebuild("compare", "--against", recorded, "--position", 5)
    assert not (tmp_path / "late.gz").exists()


def test_another_log_is_refused(rebuild, recorded, postgres, capsys):
    """One that is not as long, and one that is."""
    with postgres.new_database() as url:
        elsewhere = Rebuild(url, capsys)
        assert 1 == elsewhere("compare", "--against", recorded)
        assert f"the log ends at position 0: {EVENTS} lies ahead of it" in elsewhere.err
        fill(url)
        assert 1 == elsewhere("compare", "--against", recorded)
        assert f"{recorded} is of another log: its event at position {EVENTS} is not the one" in elsewhere.err


def test_while_the_service_writes(rebuild):
    """Both sides are told the position at the beginning."""
    stopping = []

    def write():
        while not stopping:
            fill(rebuild.database_url, [report("READY", str(n)) for n in range(20)])

    writer = Thread(target=write)
    writer.start()
    try:
        code = rebuild("compare", "--against", ROOT, "--workers", 1, "--json")
    finally:
        stopping.append(True)
        writer.join()

    assert 0 == code, rebuild.err + rebuild.out
    [[head]] = rebuild.execute("SELECT max(notification_id) FROM stored_events")
    assert EVENTS <= rebuild.json["position"] < head


@contextmanager
def reader(rebuild):
    """The address for a role that may read the log and nothing else."""
    rebuild.execute("CREATE ROLE log_reader LOGIN", "GRANT SELECT ON stored_events TO log_reader")
    try:
        yield make_conninfo(rebuild.database_url, user="log_reader")
    finally:
        rebuild.execute("DROP OWNED BY log_reader", "DROP ROLE log_reader")


def test_reading_the_log_is_enough(rebuild, capsys):
    """Nothing is written, no table is needed, and the schema may still be that of the release in use."""
    relations = "SELECT oid, relname FROM pg_class ORDER BY oid"
    rebuild.execute("DELETE FROM schema_migrations WHERE version > 2", "DROP SCHEMA rebuild CASCADE")
    before = rebuild.execute(relations)

    with reader(rebuild) as url:
        assert 0 == Rebuild(url, capsys)("compare", "--against", ROOT, "--workers", 1)
    assert before == rebuild.execute(relations)


def test_code_that_cannot_record_is_refused(rebuild, tmp_path):
    """What is no checkout, code from before there were recordings, and code that fails."""
    old = Release(tmp_path / "old", {"app/rebuild/commands.py": [("in (record, compare)", "in ()")]})
    broken = Release(
        tmp_path / "broken",
        {"domain/deployment.py": [("    event = recorded.event\n", "    event = missing\n")]},
    )

    for directory, said in (
        (tmp_path, f"{tmp_path} is no checkout of Deployment Ledger: it has no app/cli.py"),
        (old.directory, f"{old.directory} does not know `rebuild record`: it is too old to be compared with"),
        (broken.directory, "failed with exit code 1: NameError: name 'missing' is not defined"),
        (tmp_path / "none.gz", "none.gz cannot be read: No such file or directory"),
    ):
        assert 1 == rebuild("compare", "--against", directory, "--workers", 1, "--json")
        assert said in rebuild.err
        assert "" == rebuild.out


def test_a_database_without_a_log_is_refused(empty_database_url, tmp_path, capsys):
    """With what to do about it."""
    rebuild = Rebuild(empty_database_url, capsys)

    assert 1 == rebuild("record", "--output", tmp_path / "none.gz")
    assert "the database has no log" in rebuild.err
    assert [] == list(tmp_path.iterdir())


def test_a_file_that_is_there_is_kept(rebuild, recorded, tmp_path):
    """A recording is never overwritten; nor is a directory made."""
    before = recorded.read_bytes()

    assert 1 == rebuild("record", "--output", recorded)
    assert f"{recorded} exists: name another file" in rebuild.err
    assert 1 == rebuild("record", "--output", tmp_path / "no" / "way.gz")
    assert "way.gz cannot be written: No such file or directory" in rebuild.err
    assert before == recorded.read_bytes()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_recording_leaves_nothing(rebuild, other, tmp_path, ending):
    """No file of that name, none at all if it could tidy up, and no process."""
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                "-c",
                "from app.cli import main; main()",
                "rebuild",
                "record",
                "--workers",
                "2",
            ),
            *("--output", str(tmp_path / "slow.gz"), "--database-url", rebuild.database_url),
        ],
        cwd=other.directory,
        env={"PYTHONPATH": str(other.directory), "PYTHONDONTWRITEBYTECODE": "1", "PAUSE": "60"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        wait_until(lambda: list(tmp_path.iterdir()) and len(psutil.Process(process.pid).children()) > 1)
        workers = psutil.Process(process.pid).children(recursive=True)
        # As a terminal does it: all of them are told.
        for each in [process, *(workers if ending == signal.SIGINT else [])]:
            each.send_signal(ending)
        _, said = process.communicate(timeout=120)

    wait_until(lambda: not any(worker.is_running() for worker in workers))
    assert (130, "deployment-ledger rebuild: interrupted\n") == (
        process.returncode,
        said,
    ) or ending == signal.SIGKILL
    left = [path.name for path in tmp_path.iterdir()]
    assert [] == left if ending == signal.SIGINT else "slow.gz" not in left
    with psycopg.connect(rebuild.database_url) as connection:
        wait_until(
            lambda: (
                connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'"
                ).fetchone()
                == (0,)
            )
        )


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
