"""Migrations: applied once, in order, one process at a time, and never around a contradiction."""

import threading

import psycopg
import pytest

from app.migrations import MIGRATIONS_DIR, MigrationRefused, migrate, pending

pytestmark = pytest.mark.both_servers


@pytest.fixture
def files(tmp_path):
    """A directory with two small migrations."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (x integer); INSERT INTO first VALUES (1);")
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE first ADD COLUMN y integer;")
    return tmp_path


def test_the_projects_own_migrations_apply_and_repeating_applies_nothing(empty_database_url):
    """What `serve` does at every start."""
    titles = sorted(path.stem for path in MIGRATIONS_DIR.glob("*.sql"))

    assert titles == pending(empty_database_url)
    assert titles == migrate(empty_database_url)
    assert [] == migrate(empty_database_url)
    assert [] == pending(empty_database_url)


def test_only_what_is_missing_is_applied_in_order(empty_database_url, files):
    """A database of an earlier release gets the newer files only."""
    migrate(empty_database_url, files)
    (files / "0003_third.sql").write_text("ALTER TABLE first ADD COLUMN z integer;")

    assert ["0003_third"] == pending(empty_database_url, files)
    assert ["0003_third"] == migrate(empty_database_url, files)


def test_looking_changes_nothing(empty_database_url, files):
    """`pending` does not even make its own table."""
    assert ["0001_first", "0002_second"] == pending(empty_database_url, files)

    with psycopg.connect(empty_database_url) as connection:
        assert (None,) == connection.execute("SELECT to_regclass('schema_migrations')").fetchone()


def test_processes_that_start_together_take_turns(empty_database_url, files):
    """Each migration is applied by exactly one of them, and all end with the same schema."""
    (files / "0003_slow.sql").write_text("SELECT pg_sleep(0.2);")
    applied = []
    threads = [
        threading.Thread(target=lambda: applied.extend(migrate(empty_database_url, files))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["0001_first", "0002_second", "0003_slow"] == applied


def test_a_failing_migration_leaves_nothing_of_itself(empty_database_url, files):
    """It is one transaction; those before it stay."""
    (files / "0003_bad.sql").write_text("CREATE TABLE half (x integer); SELECT 1 / 0;")

    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database_url, files)

    assert ["0003_bad"] == pending(empty_database_url, files)
    with psycopg.connect(empty_database_url) as connection:
        assert (None,) == connection.execute("SELECT to_regclass('half')").fetchone()


def test_a_changed_file_is_refused(empty_database_url, files):
    """What was applied is history; the message says which file and what to do."""
    migrate(empty_database_url, files)
    (files / "0001_first.sql").write_text("CREATE TABLE first (x bigint);")

    with pytest.raises(MigrationRefused, match="0001_first was changed after it was applied"):
        migrate(empty_database_url, files)


def test_a_database_of_a_newer_release_is_refused(empty_database_url, files):
    """An old release must not write into a schema that it does not know."""
    migrate(empty_database_url, files)
    (files / "0002_second.sql").unlink()

    with pytest.raises(
        MigrationRefused, match="at migration 0002, this release knows 0001: 0002_second was applied"
    ):
        pending(empty_database_url, files)


@pytest.mark.parametrize("name", ["2_second.sql", "0001_again.sql", "0004_gap.sql"])
def test_misnumbered_files_are_refused(empty_database_url, files, name):
    """Order must be beyond doubt before anything is applied."""
    (files / name).write_text("SELECT 1;")

    with pytest.raises(MigrationRefused):
        migrate(empty_database_url, files)
