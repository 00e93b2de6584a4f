"""Rebuilds in tests: as the command line, and step by step in this process."""

import json
from contextlib import contextmanager

import psycopg

from app.cli import run
from app.rebuild import registry
from app.rebuild.registry import existing
from app.rebuild.run import Work, go_on, start
from app.rebuild.workers import work

TABLES = ("deployment_versions", "deployment_config_versions")


class Rebuild:
    """`deployment-ledger rebuild` on a database: call it with arguments, then look at what it printed."""

    def __init__(self, database_url, capsys=None):
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
        """The object printed."""
        return json.loads(self.out)

    @property
    def json_lines(self):
        """The objects printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def execute(self, *statements):
        """Run statements; the rows of the last one."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def rows(self):
        """Every row of the live tables."""
        select = "SELECT * FROM public.{} ORDER BY workspace, name, version, valid_from"
        return {table: self.execute(select.format(table)) for table in TABLES}

    def shape(self):
        """All that a table is beside its rows: columns, indexes, constraints, owners, grants, settings."""
        return (
            self.execute(
                "SELECT relname, attname, attnum, format_type(atttypid, atttypmod), attnotnull, attcollation"
                " FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE attnum > 0"
                " AND relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1, 3"
            ),
            self.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
            self.execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
            ),
            self.execute(
                "SELECT relname, relowner, relacl::text, reloptions FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
            ),
        )

    def left_over(self):
        """Tables, indexes and rows that a rebuild has outside the live tables."""
        return self.execute(
            "SELECT relname::text FROM pg_class WHERE relnamespace IN ('rebuild'::regnamespace, 'retired'::regnamespace)"
            " AND relname NOT IN ('run', 'run_pkey', 'run_id_seq', 'slices', 'slices_pkey')"
            " UNION ALL SELECT 'a run' FROM rebuild.run UNION ALL SELECT 'a slice' FROM rebuild.slices"
        )

    def finish(self, *, slice_events=3, accept=False):
        """What an operator does, whatever the state: go on, in this process; the outcome, None if it is done."""
        with self.turn() as connection:
            found = registry.current(connection)
            if found is None:
                start(connection, ["deployments", "deployment-configs"], slice_events)
            if existing(connection).state == "switched":
                return None
            return go_on(connection, self.inline, SILENT, accept=accept)

    @property
    def inline(self):
        """One worker, in this process."""
        return Work(lambda which, _: work(self.database_url, which, 1))

    @contextmanager
    def turn(self):
        with registry.turn(self.database_url) as connection:
            yield connection


class Silent:
    """Nobody watches."""

    def phase(self, title):
        """Say nothing."""

    def loaded(self, connection):
        """Say nothing."""


SILENT = Silent()
