"""Rebuilds: the same rows again, whatever the log, and no way around a difference."""

import json

import psycopg
import pytest

from app.cli import run
from tests.support.audit import EVENTS, fill


class Rebuild:
    """`deployment-ledger rebuild` on a database: call it with arguments, then look at what it printed."""

    def __init__(self, database_url, capsys):
        self.database_url = database_url
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments):
        """The exit code."""
        code = run(["rebuild", *map(str, arguments), "--database-url", self.database_url])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def json(self):
        return json.loads(self.out)

    def execute(self, statement):
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def live_rows(self):
        return {table: rows_of(self.execute, f"public.{table}") for table in TABLES}


TABLES = ("deployment_versions", "deployment_config_versions")


def rows_of(execute, table):
    return execute(f"SELECT * FROM {table} ORDER BY workspace, name, version, valid_from")


@pytest.fixture
def rebuild(database_url, capsys):
    fill(database_url)
    return Rebuild(database_url, capsys)


def test_a_rebuild_makes_the_same_rows(rebuild):
    """The live tables hold what they held, and are others."""
    before = rebuild.live_rows()
    oids = "SELECT oid FROM pg_class WHERE relname LIKE 'deployment%versions' AND relnamespace = 'public'::regnamespace"
    old = rebuild.execute(oids)

    assert 0 == rebuild("start", "--workers", 1, "--json"), rebuild.err
    assert rebuild.json["switched"]
    assert before == rebuild.live_rows()
    assert not set(old) & set(rebuild.execute(oids))
    assert EVENTS == rebuild.json["position"]
