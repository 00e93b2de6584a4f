"""Upgrades: from every earlier schema with data in it, by many processes at once, and never backwards unnoticed."""

import subprocess
import threading

import httpx
import psycopg
import pytest

from app.cli import run
from app.migrations import MIGRATIONS_DIR
from app.roles import set_up
from tests.support.service import PROGRAM, ServiceFailed
from tests.support.upgrades import SCHEMAS, addresses, assert_it_is_the_same_ledger, restore

TITLES = sorted(path.stem for path in MIGRATIONS_DIR.glob("*.sql"))
EARLIER = ["0001", *sorted(path.stem for path in SCHEMAS.glob("*.sql"))]


def test_every_earlier_schema_is_kept():
    """Whoever adds a migration records the release before it, as tests/app/schemas/record.py says."""
    missing = {title[:4] for title in TITLES[:-1]} - set(EARLIER)

    assert set() == missing


@pytest.mark.parametrize(("server", "schema"), [*(("18", schema) for schema in EARLIER), ("15", EARLIER[-1])])
def test_a_ledger_of_an_earlier_release_goes_on(postgres_servers, live_service, capsys, server, schema):
    """Served by this release it answers byte for byte what that one answered, and goes on where it stopped."""
    with postgres_servers(server).new_database(template="template0") as url:
        answers = restore(url, schema)
        if schema == "0001":
            set_up(url)
            assert 0 == run(
                ["rebuild", "start", "--workers", "1", "--accept-differences", "--database-url", url]
            )
        service = live_service(*addresses(url))

        assert_it_is_the_same_ledger(service.url, url, answers, capsys)


@pytest.mark.parametrize("schema", [None, *EARLIER])
def test_many_start_at_once(empty_database_url, schema):
    """Each migration is applied by one of them, the roles are made once, and all find everything done."""
    if schema is not None:
        restore(empty_database_url, schema)
    done = []
    threads = [threading.Thread(target=lambda: done.append(set_up(empty_database_url))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(done)
    assert [title for title in TITLES if title[:4] > (schema or "")] == sorted(
        t for one in done for t in one.applied
    )
    assert sorted(done[0].roles) == sorted(name for one in done for name in one.created)
    assert {None} == {one.problem for one in done}


def test_processes_that_start_at_once_take_turns(empty_database_url):
    """As different programs, as in a roll-out."""
    command = [PROGRAM, "migrate", "--database-url", empty_database_url]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    printed = [process.communicate()[0] for process in processes]

    assert [0, 0, 0] == [process.returncode for process in processes], printed
    for title in TITLES:
        assert 1 == "".join(printed).count(f"applied {title}")


def test_an_older_release_on_a_newer_schema_is_refused(live_service, database_url):
    """At its start in words; one that runs already says that it is not ready."""
    service = live_service("--database-url", database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'later', 'x')"
        )

    ready = httpx.get(f"{service.url}/health/ready")
    assert 503 == ready.status_code
    assert "9999_later was applied by a newer release" in ready.text
    for flags in (["--database-url", database_url], addresses(database_url)):
        with pytest.raises(ServiceFailed) as caught:
            live_service(*flags)
        assert 1 == caught.value.exit_code
        assert (
            "9999_later was applied by a newer release; start that one or a later one" in caught.value.output
        )
