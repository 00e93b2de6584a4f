"""The database's own limit: `pgbench` writes the rows of one write by one statement, a transaction each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from app.bench.measurements import WrongAnswer
from app.postgres_programs import EMBEDDED_BIN, Programs

_TABLES: Final[LiteralString] = """
    CREATE SCHEMA one_row;
    CREATE TABLE one_row.stored_events (LIKE stored_events INCLUDING ALL);
    CREATE TABLE one_row.deployment_versions (LIKE deployment_versions INCLUDING ALL);
    INSERT INTO one_row.stored_events SELECT * FROM stored_events;
    INSERT INTO one_row.deployment_versions SELECT * FROM deployment_versions;
    CREATE SEQUENCE one_row.position;
    SELECT setval('one_row.position', max(notification_id)) FROM stored_events;
    -- The event is of the service's own making, so it has the same size.
    DO $$ BEGIN
        EXECUTE (SELECT format('ALTER TABLE one_row.stored_events ALTER state SET DEFAULT %L::bytea', state)
                   FROM stored_events ORDER BY notification_id DESC LIMIT 1);
    END $$;
    ANALYZE one_row.stored_events, one_row.deployment_versions
"""


class Write(NamedTuple):
    """What tells writes apart: topic and number of the event, ends of the row before, and the new row."""

    topic: str
    event_number: str
    ends: str
    version: str
    created_position: str
    created_at: str


UPDATE: Final = Write(
    "deployment.updated", "version + 1", "latest_until = position", "version + 1", "place", "at"
)
STATUS: Final = Write(
    "deployment.status-changed",
    "place",
    "valid_until = position, latest_until = position",
    "version",
    "created_position",
    "created_at",
)
# Every client has deployments of its own, so none waits for another one's row.
_WRITE: Final = """\
\\set number random(0, {each} - 1) * {clients} + :client_id
WITH place AS MATERIALIZED (SELECT nextval('one_row.position') AS position),
before AS (
    UPDATE one_row.deployment_versions v SET {write.ends}
      FROM place
     WHERE v.workspace = 'default' AND v.name = 'model-' || :number AND v.valid_until = 9223372036854775807
       AND v.version = (SELECT max(m.version) FROM one_row.deployment_versions m
                         WHERE m.workspace = 'default' AND m.name = 'model-' || :number
                           AND m.valid_until = 9223372036854775807)
    RETURNING v.*, place.position AS place, 'epoch'::timestamptz + place.position * interval '1 us' AS at
),
event AS (
    INSERT INTO one_row.stored_events (originator_id, originator_version, topic, notification_id, recorded_at)
    SELECT workspace || '/deployments/' || name, {write.event_number}, '{write.topic}', place, at FROM before
)
INSERT INTO one_row.deployment_versions (
       workspace, name, version, valid_from, valid_until, latest_until, changed_position, created_position,
       created_at, updated_at, config_version, id, project, config, status, status_message, model_provider_id,
       body)
SELECT workspace, name, {write.version}, place, 9223372036854775807, 9223372036854775807, place,
       {write.created_position}, {write.created_at}, at, config_version, id, project, config, status,
       status_message, model_provider_id, body
  FROM before;
"""
# As the service's writer sets them, see app/event_log.py.
_OPTIONS: Final = " ".join(
    f"-c {name}=off" for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
)
_DONE: Final = re.compile(r"number of transactions actually processed: (\d+)")
_RATE: Final = re.compile(r"tps = ([0-9.]+)")


class Ran(NamedTuple):
    """Transactions, how many there were in a second, and at a given rate their times since they were due."""

    transactions: int
    rate: float
    seconds: list[float]


def is_there() -> bool:
    """Whether this PostgreSQL comes with `pgbench`."""
    return (EMBEDDED_BIN / "pgbench").exists()


def make_tables(url: str) -> None:
    """Tables of their own in the schema `one_row`, with the rows that the service has written."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)


def write(
    kind: Write,
    url: str,
    directory: Path,
    *,
    deployments: int,
    clients: int,
    seconds: float,
    rate: float = 0.0,
) -> Ran:
    """Writes to deployments `model-0` and so on, from so many connections; at a rate, if one is given."""
    before = _events(url)
    text = _WRITE.format(write=kind, each=deployments // clients, clients=clients)
    ran = run(url, directory, text, clients=clients, seconds=seconds, rate=rate)
    if (events := _events(url) - before) != ran.transactions:
        message = f"pgbench did {ran.transactions} transactions, but there are {events} events more"
        raise WrongAnswer(message)
    return ran


def run(url: str, directory: Path, text: str, *, clients: int, seconds: float, rate: float = 0.0) -> Ran:
    """A script's transactions, as fast as they can be done, or due at random times with a mean rate."""
    script = directory / "pgbench.sql"
    script.write_text(text, encoding="utf-8")
    conninfo = make_conninfo(url, options=_OPTIONS)
    # It knows whole seconds only.
    size = ("-T", str(round(seconds))) if seconds >= 1 else ("-t", "5")
    times = ("-l", "--log-prefix", str(directory / "pgbench-times"), "-R", f"{rate:.0f}") if rate else ()
    flags = ("-n", "-M", "prepared", "-c", str(clients), "-j", "2", *size, *times)
    printed = Programs(EMBEDDED_BIN, None).run("pgbench", *flags, "-f", str(script), conninfo)
    done, found = _DONE.search(printed), _RATE.search(printed)
    if done is None or found is None:
        message = f"pgbench says something else than how many transactions it did: {printed}"
        raise WrongAnswer(message)
    return Ran(int(done[1]), float(found[1]), _times(directory))


def _times(directory: Path) -> list[float]:
    """The third field of each line is the microseconds since a transaction was due; a thread has a file."""
    seconds = []
    for file in directory.glob("pgbench-times.*"):
        seconds += [int(line.split()[2]) / 1e6 for line in file.read_text(encoding="utf-8").splitlines()]
        file.unlink()
    return sorted(seconds)


def _events(url: str) -> int:
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM one_row.stored_events")
    return int(count)
