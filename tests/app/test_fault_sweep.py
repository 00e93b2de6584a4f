"""Every statement of every kind of write and read fails once: all or nothing, and an honest answer."""

import asyncio
from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest

from app.batch import Write
from app.event_log import EventLog
from app.idempotency import Idempotency
from app.writer import Unavailable, Writer
from tests.support.builders import create, create_config, report, update, update_config
from tests.support.postgres_proxy import CUT_AFTER, CUT_BEFORE, DISK_FULL, INTERNAL, PostgresProxy
from tests.support.rebuild import Rebuild
from tests.support.service import Service
from tests.torture import faults
from tests.torture.faults import KINDS, MODES, READS, WRITES, Sweep


@pytest.fixture(scope="module")
def proxy(module_database_url):
    with PostgresProxy(module_database_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(proxy):
    running = Service("--database-url", proxy.url, "--log-level", "error")
    yield running
    running.end()


@pytest.fixture
def sweep(service, proxy, module_database_url):
    made = Sweep(service.url, proxy, module_database_url)
    yield made
    made.close()


def chosen(number):
    """The modes and kinds of fault for the n-th write: cuts always, the others in turn."""
    others = KINDS[2:]
    return [
        (MODES[1], CUT_BEFORE),
        (MODES[number % 3], CUT_AFTER),
        (MODES[(number + 1) % 3], others[number % len(others)]),
    ]


@pytest.mark.parametrize("name", WRITES)
def test_every_statement_of_a_write_fails_once(sweep, name):
    """All of it takes place or nothing, 2xx only if it did, and repeating it under its key changes nothing."""
    for mode, kind in chosen(list(WRITES).index(name)):
        sweep.write(name, mode, kind)

    assert [] == sweep.findings.problems
    assert sweep.findings.cases >= 20


def test_a_refusal_whose_commit_is_lost_is_not_given_away(sweep):
    """Under a key it is kept like any answer: if it is not, nobody has heard it."""
    for name in ("create a config that exists", "delete a config in use", "create without its config"):
        for kind in (CUT_BEFORE, CUT_AFTER, DISK_FULL):
            sweep.write(name, "with a key", kind)

    assert [] == sweep.findings.problems


def test_every_statement_of_a_read_fails_once(sweep):
    """A read is answered as it should be, or with 503; never with half of it."""
    for number, path in enumerate(READS):
        for kind in (CUT_BEFORE, CUT_AFTER, KINDS[2 + number % 4]):
            sweep.read(path, kind)

    assert [] == sweep.findings.problems


def test_the_rows_are_those_of_the_log_after_all_of_it(sweep, module_database_url, capsys):
    """Not one fault left a row that its event does not explain."""
    rebuild = Rebuild(module_database_url, capsys)

    assert 0 == rebuild("verify"), rebuild.out


STATUSES = [201, 201, 409, 201, 400, 200, 201]


def commands(n):
    """A batch in which the third and the fifth are refused, on names of its own."""
    a = f"a{n}"
    given = [
        create_config(name=f"x{n}"),
        create(name=a),
        create(name=a),
        update(name=a, config=f"x{n}"),
        update(name=a, config="none"),
        report("READY", name=a),
        create(name=f"b{n}"),
    ]
    return [Write(command, Idempotency("ann", f"{n}-{i}", "f")) for i, command in enumerate(given)]


async def sweep_batches(url, proxy, kind):
    """How often the batch was refused, and how often it took place, until no statement was left to fail."""
    writer = Writer(
        EventLog(proxy.url), queue_max=100, batch_max=100, wait_seconds=15, clock=lambda: datetime.now(UTC)
    )
    await writer.start()
    refused = done = 0
    with psycopg.connect(url, autocommit=True) as database:
        await writer.submit(Write(create_config()))
        for n in count(1):
            before = state(database)
            answers, fired = await faults.batch(writer, commands(n), proxy, n, kind)
            if isinstance(answers[0], Unavailable):
                refused += 1
                assert {Unavailable} == {type(answer) for answer in answers}
                assert before == state(database)
                assert fired
                continue
            done += 1
            assert STATUSES == [answer.status for answer in answers]
            whole = tuple(number + added for number, added in zip(before, (5, 5, 7), strict=True))
            assert whole == state(database)
            again, _ = await faults.batch(writer, commands(n), proxy, 0, kind)
            assert [(True, answer.body) for answer in answers] == [(a.replayed, a.body) for a in again]
            assert whole == state(database)
            if not fired:
                break
    await writer.stop()
    return refused, done


@pytest.mark.parametrize("kind", [CUT_BEFORE, CUT_AFTER, DISK_FULL, INTERNAL])
def test_every_statement_of_a_batch_fails_once(postgres_servers, kind):
    """Commands that share a transaction share its fate; a fault that is no loss is survived by trying again."""
    with postgres_servers("18").new_database() as url, PostgresProxy(url) as proxy:
        refused, done = asyncio.run(sweep_batches(url, proxy, kind))

    if kind == INTERNAL:
        assert refused == 0
        assert done >= 8
    else:
        assert refused >= 8
        # Only the commit is done although its answer was lost.
        assert done == (2 if kind == CUT_AFTER else 1)


async def sweep_batches_in_a_row(url, proxy, kind):
    """Which writes were refused in each round, until no statement was left to fail.

    Batches of three follow each other, so that what a statement fails has two packets on their way.
    """
    limits = {"queue_max": 100, "batch_max": 3, "wait_seconds": 15, "clock": lambda: datetime.now(UTC)}
    writer = Writer(EventLog(proxy.url), **limits)
    await writer.start()
    await writer.submit(Write(create_config()))
    refused = []
    for n in count(1):
        ids = [f"{n}-{i}" for i in range(9)]
        writes = [Write(create_config(name=f"x{n}", id=ids[0]))]
        writes += [Write(update_config(name=f"x{n}", id=each)) for each in ids[1:]]
        answers, fired = await faults.batch(writer, writes, proxy, n, kind)
        out = [i for i, answer in enumerate(answers) if isinstance(answer, Unavailable)]
        done = [i for i, answer in enumerate(answers) if getattr(answer, "status", None) == 201]
        with psycopg.connect(url) as database:
            assert [ids[i] for i in done] == stored_ids(database, n)
        # Without the first batch there is nothing to update.
        assert done == ([] if 0 in out else [i for i in range(9) if i not in out])
        refused.append(out)
        if not fired:
            break
    await writer.stop()
    return refused


def stored_ids(database, n):
    """The ids of a round's events in the order of the log."""
    found = database.execute(
        "SELECT convert_from(state, 'UTF8')::json->>'id' FROM stored_events WHERE originator_id LIKE %s ORDER BY notification_id",
        (f"%/x{n}",),
    )
    return [each for (each,) in found]


@pytest.mark.parametrize("kind", [CUT_BEFORE, CUT_AFTER, DISK_FULL, INTERNAL])
def test_every_statement_of_batches_in_a_row_fails_once(postgres_servers, kind):
    """One batch is refused at most; what was opened behind it is neither lost, nor written twice, nor out of order."""
    with postgres_servers("18").new_database() as url, PostgresProxy(url) as proxy:
        refused = asyncio.run(sweep_batches_in_a_row(url, proxy, kind))

    batches = ([], [0, 1, 2], [3, 4, 5], [6, 7, 8])
    assert all(each in batches for each in refused), refused
    assert len(refused) >= 20
    if kind == INTERNAL:
        assert all(each == [] for each in refused)
    else:
        assert all(batch in refused for batch in batches)


def state(database):
    """Events, the projections' position, and answers under keys."""
    return database.execute(
        "SELECT (SELECT count(*) FROM stored_events), (SELECT position FROM projection_position),"
        " (SELECT count(*) FROM idempotency_keys)"
    ).fetchone()
