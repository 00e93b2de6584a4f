"""A log to audit: written by the service's own writer, and read by `deployment-ledger audit`."""

import asyncio
import json
from datetime import UTC, datetime

import psycopg

from app.batch import Write
from app.cli import run
from app.event_log import EventLog
from app.writer import Writer
from domain.deployment import RollBackDeployment
from domain.principal import Principal
from tests.support.builders import (
    NAME,
    WORKSPACE,
    create,
    create_config,
    delete,
    report,
    update,
    update_config,
)

ALICE = Principal(id="alice@example.com")
GATEWAY = Principal(id="gateway", on_behalf_of="bob")
CONTROLLER = Principal(id="service:models")

STORY = [
    create_config(by=ALICE),
    update_config(id="c-2", reason="room for two", by=ALICE),
    create(config_version=1, by=ALICE, reason="first"),
    report("READY", "serving", by=CONTROLLER),
    update(by=GATEWAY, reason="newest config"),
    report("ERROR", "out of memory", by=CONTROLLER),
    RollBackDeployment(workspace=WORKSPACE, name=NAME, id="d-3", version=None, by=ALICE, reason="put back"),
    report("READY", "serving again", by=CONTROLLER),
    create(name="gone", id="g-1"),
    delete(name="gone"),
    report("DELETED", name="gone"),
    delete(name="gone", by=GATEWAY),
    create(workspace="other", config="c9"),
    create_config(workspace="other", name="c9", id="c-9"),
    create(workspace="other", config="c9", id="o-1"),
]
"""Every kind of event but one, in two workspaces; one command is refused."""

EVENTS = 14


def fill(database_url, commands=STORY):
    """Give commands to a writer, all at once, and give their answers."""

    async def submitted():
        writer = Writer(
            EventLog(database_url),
            queue_max=100_000,
            batch_max=100,
            wait_seconds=60,
            clock=lambda: datetime.now(UTC),
        )
        await writer.start()
        try:
            return await asyncio.gather(*[writer.submit(Write(command)) for command in commands])
        finally:
            await writer.stop()

    return asyncio.run(submitted())


class Audit:
    """`deployment-ledger audit` on a database: call it with arguments, then look at what it printed."""

    def __init__(self, database_url, capsys):
        self.database_url = database_url
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments):
        """The exit code."""
        code = run(["audit", *map(str, arguments), "--database-url", self.database_url])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def lines(self):
        """The lines of JSON printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    def plant(self, *statements):
        """Change what nobody can change: history, in this test's own copy of the tables."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
            for statement in statements:
                connection.execute(statement)
            connection.execute("ALTER TABLE stored_events ENABLE TRIGGER stored_events_append_only")
