"""Database roles, from the outside: what each may do, and how they come to be with the rights that there are."""

import httpx
import psutil
import psycopg
import pytest
from psycopg import errors

from app.cli import run
from app.database import Database, DatabaseRefused, roles_set_up
from app.migrations import MIGRATIONS_DIR, MigrationRefused, migrate
from app.roles import Roles, RolesRefused, excess, preparation, set_up
from tests.support import story
from tests.support.audit import EVENTS, fill
from tests.support.builders import create_config
from tests.support.rebuild import Rebuild
from tests.support.roles import roles_of, runtime_url, url_as

FORBIDDEN = """
    UPDATE stored_events SET topic = 'deployment.purged'
    UPDATE stored_events SET state = state WHERE false
    DELETE FROM stored_events
    DELETE FROM stored_events WHERE false
    TRUNCATE stored_events
    INSERT INTO stored_events SELECT * FROM stored_events ON CONFLICT (notification_id) DO UPDATE SET topic = 'x'
    MERGE INTO stored_events s USING stored_events t ON s.notification_id = t.notification_id WHEN MATCHED THEN DELETE
    BEGIN; LOCK TABLE stored_events IN ACCESS EXCLUSIVE MODE
    DROP TRIGGER stored_events_append_only ON stored_events
    ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only
    ALTER TABLE stored_events DISABLE TRIGGER ALL
    SET session_replication_role = replica
    ALTER ROLE {runtime} SET session_replication_role = replica
    ALTER DATABASE {database} SET session_replication_role = replica
    CREATE OR REPLACE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE sql AS ''
    CREATE TRIGGER mine BEFORE INSERT ON stored_events FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history()
    CREATE RULE mine AS ON INSERT TO stored_events DO INSTEAD NOTHING
    CREATE INDEX mine ON stored_events (topic)
    ALTER TABLE stored_events ADD COLUMN mine text
    ALTER TABLE stored_events RENAME TO mine
    ALTER TABLE stored_events OWNER TO {runtime}
    ALTER TABLE deployment_versions SET SCHEMA retired
    DROP TABLE stored_events
    DROP TABLE deployment_versions
    DELETE FROM deployment_versions
    TRUNCATE deployment_versions
    DELETE FROM projection_position
    UPDATE idempotency_keys SET body = 'x'
    TRUNCATE idempotency_keys
    UPDATE schema_migrations SET checksum = 'x'
    DELETE FROM schema_migrations
    INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'x')
    DELETE FROM rebuild.run
    CREATE TABLE mine (x integer)
    CREATE TABLE rebuild.mine (x integer)
    CREATE TEMP TABLE stored_events (x integer)
    CREATE VIEW mine AS SELECT 1
    CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'
    CREATE SCHEMA mine
    DROP SCHEMA rebuild CASCADE
    SET ROLE {owner}
    SET ROLE postgres
    SET SESSION AUTHORIZATION postgres
    GRANT {owner} TO {runtime}
    GRANT UPDATE ON stored_events TO {runtime}
    REVOKE ALL ON stored_events FROM {owner}
    CREATE ROLE mine
    ALTER ROLE {runtime} SUPERUSER
    DROP OWNED BY {owner}
    REASSIGN OWNED BY {owner} TO {runtime}
    COPY stored_events TO PROGRAM 'cat'
"""
NO_EFFECT_ALLOWED = ("GRANT UPDATE ON", "REVOKE ALL ON")
"""Statements that the server may ignore with a warning instead."""


@pytest.fixture
def ledger(postgres):
    """The administrator's address of a migrated database with roles, and a log that the run-time role has written."""
    with postgres.new_database() as url:
        assert set_up(url).problem is None
        fill(runtime_url(url))
        yield url


def execute(url, *statements):
    """Run statements; the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.both_servers
def test_the_run_time_role_can_change_neither_events_nor_the_schema(ledger):
    """Each way is refused by the server for want of rights, and nothing is different afterwards."""
    everything = "SELECT * FROM stored_events ORDER BY notification_id"
    rights = "SELECT relname, relowner, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = execute(ledger, everything), execute(ledger, rights)
    names = roles_of(ledger)._asdict() | {"database": execute(ledger, "SELECT current_database()")[0][0]}
    done = []
    for line in FORBIDDEN.strip().splitlines():
        try:
            execute(runtime_url(ledger), line.strip().format(**names))
        except errors.InsufficientPrivilege:
            continue
        done.append(line.strip())

    assert [] == [line for line in done if not line.startswith(NO_EFFECT_ALLOWED)]
    assert before == (execute(ledger, everything), execute(ledger, rights))
    assert EVENTS == len(before[0])
    assert [] == excess(runtime_url(ledger))


@pytest.mark.both_servers
def test_the_reader_reads_everything_and_writes_nothing(ledger, capsys):
    """A person who is made a member can audit and verify."""
    reader = roles_of(ledger).reader
    execute(ledger, "DROP ROLE IF EXISTS ann", "CREATE ROLE ann LOGIN", f"GRANT {reader} TO ann")
    ann = url_as(ledger, "ann")
    try:
        assert [(EVENTS,)] == execute(ann, "SELECT count(*) FROM stored_events")
        assert 0 == run(["rebuild", "verify", "--workers", "1", "--database-url", ann]), capsys.readouterr()
        assert 0 == run(["audit", "replay", "--database-url", ann]), capsys.readouterr()
        for table in (
            "stored_events",
            "idempotency_keys",
            "deployment_versions",
            "schema_migrations",
            "rebuild.run",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                execute(ann, f"INSERT INTO {table} DEFAULT VALUES")
    finally:
        execute(ledger, "DROP ROLE ann")


def test_the_service_needs_no_other_role(live_service, ledger):
    """Started with both addresses it serves, writes and watches with the run-time role; workers know no other."""
    execute(
        ledger,
        "DROP SCHEMA rebuild CASCADE",
        "DROP SCHEMA retired",
        "DELETE FROM schema_migrations WHERE version = 3",
    )
    owner = {"DEPLOYMENT_LEDGER_OWNER_URL": ledger}
    service = live_service("--database-url", runtime_url(ledger), environ=owner)
    story.tell(service.url)
    story.repeated(service.url)

    assert "migration=0003_rebuild" in service.output
    assert "more rights" not in service.output
    assert '"ready"' in httpx.get(f"{service.url}/health/ready").text
    assert f"id: {EVENTS + 2}" in story.watched(service.url, EVENTS, EVENTS + 2)
    connected = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert [(roles_of(ledger).runtime,)] == execute(ledger, connected)
    for pid in service.worker_pids():
        assert not set(owner) & set(psutil.Process(pid).environ())


def test_the_run_time_role_is_told_what_it_may_not_do(ledger, capsys):
    """Migrating where something is missing, rebuilding, verifying: refused in words, with nothing done."""
    url = runtime_url(ledger)
    assert [] == migrate(url)
    execute(ledger, "DELETE FROM schema_migrations WHERE version = 3")

    with pytest.raises(
        MigrationRefused, match=f"lacks 0003_rebuild.*and {roles_of(ledger).runtime} may not change it"
    ):
        migrate(url)
    with pytest.raises(MigrationRefused, match="lacks 0003_rebuild"):
        set_up(url)
    execute(ledger, f"INSERT INTO schema_migrations (version, name, checksum) VALUES {row_of(3)}")
    for command, word in (
        ("start", "does not own the tables"),
        ("verify", "may not make the temporary tables"),
    ):
        assert 1 == run(["rebuild", command, "--database-url", url])
        assert word in capsys.readouterr().err


@pytest.mark.both_servers
@pytest.mark.parametrize("may_make_roles", [True, False])
def test_an_owner_that_is_no_superuser(postgres, capsys, may_make_roles):
    """One that may make roles sets them up; another is told the SQL for an administrator, and then does the rest."""
    with postgres.new_database(template="template0") as admin:
        login = f"login_of_{roles_of(admin).owner}"
        database = execute(admin, "SELECT current_database()")[0][0]
        attribute = "CREATEROLE" if may_make_roles else "NOCREATEROLE"
        execute(
            admin, f"CREATE ROLE {login} LOGIN {attribute}", f"ALTER DATABASE {database} OWNER TO {login}"
        )
        url = url_as(admin, login)
        if not may_make_roles:
            done = set_up(url)
            assert (len(list(MIGRATIONS_DIR.glob("*.sql"))), []) == (len(done.applied), done.created)
            assert "permission denied to create role" in done.problem
            fill(url)
            execute(admin, *preparation(url))
        done = set_up(url)

        assert done.problem is None
        assert [] == preparation(url)
        assert [] == excess(runtime_url(admin))
        assert [(roles_of(admin).owner,)] == execute(
            admin,
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace::regnamespace::text IN ('public', 'rebuild', 'retired')",
        )
        fill(runtime_url(admin), [create_config(name="later")])
        rebuild = Rebuild(url, capsys)
        shape = rebuild.shape()
        assert 0 == rebuild("start", "--workers", 1), rebuild.err
        assert shape == rebuild.shape()
        fill(runtime_url(admin), [create_config(name="last")])
        assert 0 == rebuild("rollback"), rebuild.err
        assert shape == rebuild.shape()


def test_setting_up_again_mends_what_was_changed(ledger):
    """Rights that were granted beside ours are taken away, lost ones come back; what others have is named."""
    owner, runtime, reader = roles_of(ledger)
    events = (
        f"SELECT relacl::text FROM pg_class WHERE relname = 'stored_events' AND relowner = '{owner}'::regrole"
    )
    before = execute(ledger, events)
    execute(
        ledger,
        f"GRANT UPDATE, DELETE ON stored_events TO {runtime}",
        f"REVOKE ALL ON stored_events FROM {reader}",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
    )

    assert ([], [], None) == (set_up(ledger).applied, set_up(ledger).created, set_up(ledger).problem)
    assert [sorted(acl.strip("{}").split(",")) for (acl,) in before] == [
        sorted(acl.strip("{}").split(",")) for (acl,) in execute(ledger, events)
    ]
    assert [] == excess(runtime_url(ledger))

    database = execute(ledger, "SELECT current_database()")[0][0]
    for right, given_to, words in [
        ("TRUNCATE ON stored_events", "PUBLIC", "may change or remove events"),
        (f"TEMPORARY ON DATABASE {database}", runtime, "may hide the tables that it writes"),
        ("pg_write_all_data", runtime, "may change or remove events"),
        ("pg_execute_server_program", runtime, "may run programs"),
        ("pg_write_server_files", runtime, "may run programs or write files on the server"),
    ]:
        execute(ledger, f"GRANT {right} TO {given_to}")
        with pytest.raises(RolesRefused, match=f"the role {runtime} {words}.*: take that from it"):
            set_up(ledger)
        execute(ledger, f"REVOKE {right} FROM {given_to}")
    set_up(ledger)


def test_two_ledgers_on_a_server_share_no_role(postgres, ledger):
    """The run-time role of one can do nothing in the other; addresses of two databases are no pair."""
    with postgres.new_database() as other:
        set_up(other)
        stranger = url_as(ledger, roles_of(other).runtime)

        with pytest.raises(errors.InsufficientPrivilege):
            execute(stranger, "SELECT FROM stored_events")
        with pytest.raises(DatabaseRefused, match="is another database than database_url"):
            roles_set_up(Database(runtime_url(other), ledger, "two"))


def test_roles_are_named_after_the_database():
    """Where that cannot be a role's name, after a digest of it."""
    assert Roles("x_owner", "x_runtime", "x_reader") == Roles.of("x")
    for database in ("pg_x", "x" * 60, "ä" * 30):
        assert all(len(name.encode()) <= 63 and name.startswith("ledger_") for name in Roles.of(database))
    assert Roles.of("x" * 60) != Roles.of("x" * 61)


def row_of(version):
    """What the table of migrations says of one."""
    path = next(MIGRATIONS_DIR.glob(f"{version:04d}_*.sql"))
    checksum = f"encode(sha256(pg_read_binary_file('{path}')), 'hex')"
    return f"({version}, '{path.stem[5:]}', {checksum})"
