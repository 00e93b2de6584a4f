import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest

from app.batch import Batch, Write
from app.event_log import LOCK, EventLog
from app.idempotency import Idempotency
from app.writer import OutcomeUnknown, Unavailable, Writer
from domain.deployment import DeploymentEvent
from projections.deployments import DEPLOYMENTS
from projections.timeline import Timeline
from tests.support.builders import create, create_config, delete, delete_config, report, update, update_config
from tests.support.postgres_proxy import CUT_AFTER, CUT_BEFORE, INTERNAL, Fault, PostgresProxy


@asynccontextmanager
async def started(database_url, **options):
    log = EventLog(database_url)
    limits = {
        "queue_max": 1000,
        "batch_max": 100,
        "wait_seconds": 15,
        "clock": lambda: datetime.now(UTC),
    } | options
    writer = Writer(log, **limits)
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


def submitted(database_url, commands, **options):
    """The answers to commands that arrive together."""

    async def run():
        async with started(database_url, **options) as writer:
            writes = [c if isinstance(c, Write) else Write(c) for c in commands]
            return await asyncio.gather(*map(writer.submit, writes), return_exceptions=True)

    return asyncio.run(run())


def query(database_url, statement):
    with psycopg.connect(database_url) as connection:
        return connection.execute(statement).fetchall()


def transactions(database_url):
    """How many transactions wrote the events of the log."""
    return query(database_url, "SELECT count(DISTINCT xmin::text) FROM stored_events")[0][0]


@pytest.mark.both_servers
def test_commands_that_wait_together_share_a_transaction(database_url):
    """Each succeeds or fails alone, on what the earlier ones of its batch made."""
    commands = [
        create_config(),
        create(),
        create(),
        *[update(id=f"d-{n}") for n in range(20)],
        report("READY"),
    ]

    answers = submitted(database_url, commands)

    assert [201, 201, 409, *[201] * 20, 200] == [answer.status for answer in answers]
    assert 1 == transactions(database_url)
    bodies = [msgspec.json.decode(answer.body) for answer in answers[3:]]
    assert [*range(2, 22), 21] == [body["entity_version"] for body in bodies]
    assert list(range(1, 24)) == [
        n for (n,) in query(database_url, "SELECT notification_id FROM stored_events")
    ]


def test_a_batch_has_a_limit(database_url):
    """What waits beyond it goes into the next one."""
    submitted(database_url, [create_config(), create(), *[update()] * 8], batch_max=5)

    assert 2 == transactions(database_url)


def test_a_config_written_in_the_batch_is_seen_by_the_next_command(database_url):
    """A deployment can refer to a config, or to its new version, created a moment before."""
    answers = submitted(
        database_url,
        [create_config(), create(), update_config(), update(), update(config_version=1)],
    )

    assert [1, 2, 1] == [msgspec.json.decode(answers[n].body)["config_version"] for n in (1, 3, 4)]


def test_removals_run_alone_and_in_their_place(database_url):
    """A config is removable exactly while no deployment refers to it, also among commands that wait together."""
    answers = submitted(
        database_url,
        [create_config(), create(), delete_config(), report("DELETED"), delete_config(), update(), delete()],
    )

    assert [201, 201, 409, 200, 204, 400, 204] == [answer.status for answer in answers]


def test_a_write_that_cannot_be_stored_fails_alone(database_url):
    """What the database itself rejects is found in its batch; all others are committed."""
    poison = create(name="poison", config_version=2**70)
    commands = [create_config(), *[create(name=f"d{n}") for n in range(9)], poison, update()]

    answers = submitted(database_url, [*commands[:5], poison, *commands[5:10], create(), commands[-1]])

    faults = [answer for answer in answers if isinstance(answer, Exception)]
    assert 1 == len(faults)
    assert answers[5] is faults[0]
    assert not isinstance(faults[0], Unavailable)
    assert {201} == {answer.status for answer in answers if answer is not faults[0]}


def test_a_full_queue_turns_away_at_once(database_url):
    """The limit bounds what waits; whoever is turned away has changed nothing."""
    answers = submitted(database_url, [create_config(name=f"c{n}") for n in range(30)], queue_max=10)

    turned_away = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert 20 == len(turned_away)
    assert [(10,)] == query(database_url, "SELECT count(*) FROM stored_events")


def test_a_write_does_not_wait_for_ever(database_url):
    """While the lock is held elsewhere, what waits too long for its turn is let go unwritten."""
    log = EventLog(database_url)

    async def run():
        async with started(database_url, wait_seconds=0.1) as writer:
            async with log.batch() as transaction:
                await transaction.head()
                first = asyncio.create_task(writer.submit(Write(create_config(name="c1"))))
                await asyncio.sleep(0.05)
                second = asyncio.create_task(writer.submit(Write(create_config(name="c2"))))
                await asyncio.sleep(0.3)
            await log.close()
            return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(run())

    assert 201 == first.status
    assert isinstance(second, Unavailable)
    assert [(1,)] == query(database_url, "SELECT count(*) FROM stored_events")


def test_old_keys_are_forgotten_as_new_ones_come(database_url):
    """After the retention a key may be used anew, and the table does not grow for ever."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    commands = [keyed(create_config(name=f"c{n}"), key=f"k{n}") for n in range(3)]
    submitted(database_url, commands, clock=lambda: long_ago)

    submitted(database_url, [keyed(create_config(name="c9"), key="k9")])
    (again,) = submitted(database_url, [keyed(create_config(name="c0"), key="k0")])

    assert (409, False) == (again.status, again.replayed)
    assert [("k0",), ("k9",)] == sorted(query(database_url, "SELECT key FROM idempotency_keys"))


def test_stopping_commits_what_waits(database_url):
    """Draining loses nothing that was taken; later writes are turned away."""

    async def run():
        async with started(database_url) as writer:
            waiting = [
                asyncio.create_task(writer.submit(Write(create_config(name=f"c{n}")))) for n in range(50)
            ]
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="stopping"):
            await writer.submit(Write(create_config()))
        return await asyncio.gather(*waiting)

    assert {201} == {answer.status for answer in asyncio.run(run())}
    assert [(50,)] == query(database_url, "SELECT count(*) FROM stored_events")


def test_stopping_goes_on_if_nobody_waits_for_it(database_url):
    """Who gives up waiting for the end stops no batch half-way."""

    async def run():
        async with started(database_url) as writer:
            with psycopg.connect(database_url) as other:
                other.execute(LOCK)
                write = asyncio.create_task(writer.submit(Write(create_config())))
                await asyncio.sleep(0.1)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(writer.stop(), 0.1)
            return await asyncio.wait_for(write, 5)

    assert 201 == asyncio.run(run()).status
    assert [(1,)] == query(database_url, "SELECT count(*) FROM stored_events")


def keyed(command, key="k1", fingerprint="f", principal="ann"):
    return Write(command, Idempotency(principal, key, fingerprint))


@pytest.mark.parametrize("together", [True, False])
def test_a_repeated_key_gets_the_first_answer(database_url, together):
    """In the same batch or later, from any writer: nothing is appended, the answer is the same."""
    writes = [create_config(), create(), keyed(update()), keyed(update())]
    if together:
        answers = submitted(database_url, writes)
    else:
        answers = [submitted(database_url, [write])[0] for write in writes]

    assert answers[2].body == answers[3].body
    assert (False, True) == (answers[2].replayed, answers[3].replayed)
    assert [(3,)] == query(database_url, "SELECT count(*) FROM stored_events")


def test_a_key_belongs_to_its_caller_and_request(database_url):
    """Another caller's key is another key; another request with a used key is refused; refusals are kept too."""
    answers = submitted(
        database_url,
        [
            create_config(),
            keyed(create()),
            keyed(create(), principal="bob"),
            keyed(update(), fingerprint="other"),
            keyed(delete("9"), key="k2"),
            keyed(delete("9"), key="k2"),
        ],
    )

    assert [201, 201, 409, 422, 404, 404] == [answer.status for answer in answers]
    assert answers[5].replayed
    assert [(2,)] == query(database_url, "SELECT count(*) FROM stored_events")


MOMENTS = {"before": (1, CUT_AFTER), "instead": (0, CUT_BEFORE), "after": (0, CUT_AFTER)}
"""At which statement from the end a connection is cut: `before` the last, what was stored by then is carried out."""


def cut_at_its_commit(database_url, moment, write, alike):
    """The answer to a write whose connection is cut around its commit, the keys known then, and the next answer.

    A write of the same kind tells how many statements it takes; the last one is the commit.
    """

    async def run():
        async with started(proxy.url) as writer:
            await writer.submit(Write(create_config(name="first")))
            counted = proxy.plant("writes", 10_000, CUT_BEFORE)
            await writer.submit(alike)
            from_end, kind = MOMENTS[moment]
            proxy.plant("writes", counted.statements - from_end, kind)
            [first] = await asyncio.gather(writer.submit(write), return_exceptions=True)
            keys = query(database_url, "SELECT key FROM idempotency_keys WHERE key = 'k1'")
            return first, keys, await writer.submit(write)

    with PostgresProxy(database_url) as proxy:
        return asyncio.run(run())


@pytest.mark.parametrize(("moment", "count"), [("before", 0), ("after", 1)])
def test_a_lost_connection_is_answered_by_what_the_log_holds(database_url, moment, count):
    """Cut before the commit: 503 and nothing written. Cut after it: the answer, and written once."""
    alike = Write(create_config(name="alike"))

    first, _, again = cut_at_its_commit(database_url, moment, Write(create_config()), alike)

    assert [(3,)] == query(database_url, "SELECT count(*) FROM stored_events")
    if count:
        assert (201, 409) == (first.status, again.status)
    else:
        assert isinstance(first, Unavailable)
        assert not isinstance(first, OutcomeUnknown)
        assert 201 == again.status


class LostAndThenUnsettled(Fault):
    """The answer to the n-th statement is lost, and the first question what came of it fails."""

    def meets(self, purpose):
        if purpose != self.purpose:
            return False
        self.statements += 1
        before = ("settings of the session", "time limit", "BEGIN", "lock", "head")
        asks = self.statements == self.n + len(before) + 1
        if asks:
            self.kind = INTERNAL
        return asks or self.statements == self.n


@pytest.mark.parametrize("count", [1, 2])
def test_a_question_what_came_of_a_commit_that_fails_is_asked_again(database_url, count):
    """Whatever it fails with: what was committed is answered, and never done again."""
    submitted(database_url, [create_config(), create(name="d0"), create(name="d1")])

    async def run(proxy):
        async with started(proxy.url) as writer:
            await writer.submit(Write(update(name="d0")))  # it connects
            counted = proxy.fault = Fault("deployment-ledger writes", 1000, CUT_AFTER)
            await writer.submit(Write(update(name="d0")))
            proxy.fault = LostAndThenUnsettled("deployment-ledger writes", counted.statements, CUT_AFTER)
            updates = [Write(update(name=f"d{n}", id=f"x-{n}")) for n in range(count)]
            answers = await asyncio.gather(*map(writer.submit, updates))
            assert proxy.fault.kind == INTERNAL
            return [answer.status for answer in answers]

    with PostgresProxy(database_url) as proxy:
        assert [201] * count == asyncio.run(run(proxy))

    ids = (
        "SELECT convert_from(state, 'UTF8')::json->>'id' FROM stored_events ORDER BY notification_id OFFSET 5"
    )
    assert [(f"x-{n}",) for n in range(count)] == query(database_url, ids)


def test_statements_prepared_on_tables_that_were_replaced_are_forgotten(database_url):
    """Writes go on with the others, and their callers do not notice."""
    submitted(database_url, [create_config(), create()])

    async def run(together):
        async with started(database_url) as writer:
            await writer.submit(Write(update()))
            with psycopg.connect(database_url) as other:
                other.execute("ALTER TABLE deployment_versions ALTER COLUMN body TYPE varchar")
            first = await asyncio.gather(*[writer.submit(Write(update())) for _ in range(together)])
            with psycopg.connect(database_url) as other:
                other.execute("ALTER TABLE deployment_versions ALTER COLUMN body TYPE text")
            return [answer.status for answer in (*first, await writer.submit(Write(update())))]

    assert [201, 201] == asyncio.run(run(1))
    assert [201, 201, 201] == asyncio.run(run(2))


@pytest.mark.parametrize(
    "setting", ["client_encoding = 'LATIN1'", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kolkata'"]
)
def test_no_default_of_the_database_changes_what_is_stored(database_url, setting):
    """Texts, and times that are read back by the next write."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET {setting}')

    answers = submitted(database_url, [create_config(description="h\xe9 \u4e2d")])
    answers += submitted(database_url, [create()])

    assert [201, 201] == [answer.status for answer in answers]
    bodies = "SELECT convert_to(body, 'UTF8') FROM deployment_config_versions"
    assert [(answers[0].body.encode(),)] == query(database_url, bodies)
    assert "h\xe9 \u4e2d" in answers[0].body


def test_tables_that_were_replaced_by_those_of_another_release_are_found_to_be(database_url):
    """Though what is prepared on those before fails before versions are compared. Back again, they are written."""
    submitted(database_url, [create_config(), create()])
    switch = "UPDATE projection_versions SET version = {} WHERE resource = 'deployments'"
    [(own,)] = query(database_url, "SELECT version FROM live_projections WHERE resource = 'deployments'")

    async def run():
        async with started(database_url) as writer:
            await writer.submit(Write(update()))
            with psycopg.connect(database_url) as other:
                other.execute("ALTER TABLE deployment_versions ALTER COLUMN body TYPE varchar")
                other.execute(switch.format("'other'"))
            with pytest.raises(Unavailable, match="deployments"):
                await writer.submit(Write(update()))
            with psycopg.connect(database_url) as other:
                other.execute("ALTER TABLE deployment_versions ALTER COLUMN body TYPE text")
                other.execute(switch.format(f"'{own}'"))
            return (await writer.submit(Write(update()))).status

    assert 201 == asyncio.run(run())


def test_a_write_that_fails_as_if_tables_had_been_replaced_fails_alone(database_url):
    """A new connection is tried and is no help."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            "  RAISE EXCEPTION 'rejected' USING ERRCODE = 'feature_not_supported'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER reject BEFORE INSERT ON stored_events"
            " FOR EACH ROW WHEN (new.originator_id LIKE '%/poison') EXECUTE FUNCTION reject()"
        )
    names = ("a", "b", "poison", "c", "d")

    answers = submitted(database_url, [create_config(name=name) for name in names])

    assert isinstance(answers.pop(2), psycopg.errors.FeatureNotSupported)
    assert [201] * 4 == [answer.status for answer in answers]


def test_a_key_is_stored_with_its_write_or_not_at_all(database_url):
    """A key whose write was cut off before the commit is not known: repeated, the write is carried out."""
    alike = keyed(create_config(name="alike"), key="k0")

    first, keys, again = cut_at_its_commit(database_url, "before", keyed(create_config()), alike)

    assert isinstance(first, Unavailable)
    assert [] == keys
    assert (201, False) == (again.status, again.replayed)


def test_a_refusal_that_was_not_kept_is_not_told(database_url):
    """Told and not kept, a repetition under the key could be answered otherwise."""
    alike = keyed(create(name="alike"), key="k0")

    first, keys, again = cut_at_its_commit(database_url, "before", keyed(create()), alike)

    assert isinstance(first, Unavailable)
    assert [] == keys
    assert (400, False) == (again.status, again.replayed)


def test_commits_are_told_to_those_who_follow(database_url):
    """Once for each batch that appended something; what was refused is nothing new."""

    async def run():
        told = []
        async with started(database_url) as writer:
            writer.committed = lambda: told.append(query(database_url, "SELECT count(*) FROM stored_events"))
            for command in (create_config(), create_config(), create()):
                await writer.submit(Write(command))
        return told

    assert [[(1,)], [(2,)]] == asyncio.run(run())


def test_rows_equal_the_fold_of_the_whole_log(database_url):
    """Whatever was written in whatever batches: folding the log from nothing gives the same rows."""
    commands = [create_config(), create(), update(), report("READY"), delete(), report("DELETED")]
    for command in [
        *commands,
        delete("2"),
        update(),
        report("DELETED", version="1"),
        delete("1"),
        create(name="b"),
    ]:
        submitted(database_url, [command])

    rows = folded_rows(database_url)
    assert 10 == len(rows)
    assert rows == stored_rows(database_url)


def stored_rows(database_url):
    columns = "version, valid_from, valid_until, latest_until, changed_position, created_position, body"
    return sorted(query(database_url, f"SELECT workspace, name, {columns} FROM {DEPLOYMENTS.table}"))


def folded_rows(database_url):
    timelines = {}
    for recorded in EventLog(database_url).read(0, 10_000):
        if isinstance(recorded.event, DeploymentEvent):
            key = recorded.workspace, recorded.name
            timelines.setdefault(key, Timeline(DEPLOYMENTS.fold)).apply(recorded)
    return sorted(
        (
            *key,
            row.version,
            row.valid_from,
            row.valid_until,
            row.latest_until,
            row.snapshot.position,
            row.created_position,
            DEPLOYMENTS.body(row),
        )
        for key, timeline in timelines.items()
        for row in timeline.added
    )


def test_two_writers_take_turns_without_conflicts(database_url):
    """Two processes' writers on one deployment: all succeed, numbered without gap or repetition."""
    submitted(database_url, [create_config(), create()])

    async def run():
        async with started(database_url, batch_max=3) as one, started(database_url, batch_max=4) as two:
            writes = [w.submit(Write(update(id=f"d-{n}"))) for n in range(40) for w in (one, two)]
            return await asyncio.gather(*writes)

    versions = [msgspec.json.decode(answer.body)["entity_version"] for answer in asyncio.run(run())]

    assert list(range(2, 82)) == sorted(versions)


def test_no_default_of_the_database_weakens_the_lock(database_url):
    """Writers see what was committed before they got the lock, also where transactions are serializable by default."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")

    test_two_writers_take_turns_without_conflicts(database_url)


def test_nothing_is_decided_outside_the_lock(database_url):
    """While another transaction holds the log's lock, a batch waits, and then sees what that one wrote."""
    submitted(database_url, [create_config(), create()])
    log = EventLog(database_url)

    asked = []

    def clock():
        asked.append(datetime.now(UTC))
        return asked[-1]

    async def run():
        async with started(database_url, clock=clock) as writer:
            async with log.batch() as transaction:
                await transaction.head()
                late = asyncio.create_task(writer.submit(Write(update(id="late"))))
                await asyncio.sleep(0.3)
                assert not late.done()
                assert [] == asked
                early = [Write(update(id="early"))]
                await Batch(log, transaction, early, lambda: datetime.now(UTC)).run()
            await log.close()
            return await late

    answer = asyncio.run(run())

    assert 3 == msgspec.json.decode(answer.body)["entity_version"]


LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted = "
WAITING, HELD = f"{LOCKS} false", f"{LOCKS} true"


def until(database_url, statement, expected):
    """Wait for a count."""
    give_up = time.monotonic() + 10
    while (found := query(database_url, statement)) != [(expected,)]:
        assert time.monotonic() < give_up, found
        time.sleep(0.01)


@contextmanager
def next_in_line(database_url):
    """Who gets the log's lock once, after the batch that holds it: the first queues for it, the second lets it go."""
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as thread:
        queued = []

        def queue():
            if not queued:
                queued.append(thread.submit(other.execute, LOCK))
                until(database_url, WAITING, 1)

        yield queue, other.rollback


def between_two_batches(database_url, commands, then):
    """The answers to commands, each a batch, where another takes the lock between the first and the second.

    `then` is done when the first is answered and the second waits for the lock, with all that was submitted.
    """

    async def run():
        def clock():
            queue()
            return datetime.now(UTC)

        async with started(database_url, batch_max=1, clock=clock) as writer:
            answers = [asyncio.create_task(writer.submit(Write(command))) for command in commands]
            await asyncio.wait_for(asyncio.shield(answers[0]), 5)
            until(database_url, WAITING, 1)
            await asyncio.sleep(0.1)
            assert [True, False, False] == [answer.done() for answer in answers]
            await then(answers)
            release()
            return await asyncio.gather(*answers, return_exceptions=True)

    with next_in_line(database_url) as (queue, release):
        return asyncio.run(run())


THREE = [create_config(name=f"c{n}") for n in range(3)]


def names(database_url):
    found = query(database_url, "SELECT originator_id FROM stored_events ORDER BY notification_id")
    return [stream.rsplit("/", 1)[1] for (stream,) in found]


def test_a_commit_is_answered_whoever_has_the_lock_then(database_url):
    """What the next batch asks for goes with the commit, and does not hold up its answer."""

    async def nothing(_):
        assert ["c0"] == names(database_url)

    answers = between_two_batches(database_url, THREE, nothing)

    assert [201] * 3 == [answer.status for answer in answers]
    assert ["c0", "c1", "c2"] == names(database_url)


def test_a_batch_that_is_lost_before_it_is_decided_is_not_written(database_url):
    """Cut while it waits for its lock behind a commit: 503, and those before and after it are not concerned."""

    async def cut(_):
        query(
            database_url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'deployment-ledger writes' AND datname = current_database()",
        )

    first, second, third = between_two_batches(database_url, THREE, cut)

    assert (201, 201) == (first.status, third.status)
    assert isinstance(second, Unavailable)
    assert not isinstance(second, OutcomeUnknown)
    assert ["c0", "c2"] == names(database_url)


def test_who_leaves_while_a_batch_is_open_disturbs_no_other(database_url):
    """Its write was taken and takes place; its answer is nobody's."""

    async def leave(answers):
        answers[1].cancel()

    first, second, third = between_two_batches(database_url, THREE, leave)

    assert (201, 201) == (first.status, third.status)
    assert isinstance(second, asyncio.CancelledError)
    assert ["c0", "c1", "c2"] == names(database_url)


def test_nobody_holds_the_lock_when_nothing_waits(database_url):
    """After the last answer there is no open transaction, whatever batches followed each other before."""

    async def run():
        async with started(database_url, batch_max=2) as writer:
            for _ in range(3):
                await asyncio.gather(*[writer.submit(Write(create_config(name=f"c{n}"))) for n in range(7)])
                assert [(0,)] == query(database_url, HELD)
                state = "SELECT state FROM pg_stat_activity WHERE application_name = 'deployment-ledger writes' AND datname = current_database()"
                assert [("idle",)] == query(database_url, state)

    asyncio.run(run())


def test_a_commit_that_fails_takes_the_next_batch_along(database_url):
    """The database rejects an event at the commit: the next batch, open by then, is decided after it was settled."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            "  RAISE EXCEPTION 'rejected' USING ERRCODE = 'check_violation'; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER reject AFTER INSERT ON stored_events DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (new.originator_id LIKE '%/poison') EXECUTE FUNCTION reject()"
        )
    commands = [
        create_config(),
        *[create_config(name=name) for name in ("a", "poison", "b")],
        create(),
        *[update(id=f"d-{n}") for n in range(5)],
    ]

    answers = submitted(database_url, commands, batch_max=4)

    assert isinstance(answers.pop(2), psycopg.errors.CheckViolation)
    assert {201} == {answer.status for answer in answers}
    assert ["c1", "a", "b", *["llama"] * 6] == names(database_url)
    versions = [msgspec.json.decode(answer.body)["entity_version"] for answer in answers[3:]]
    assert [1, 2, 3, 4, 5, 6] == versions


def test_a_batch_leaves_nothing_to_the_garbage_collector(database_url):
    """A search for cycles holds up every request of the process, so batches make none."""

    async def run():
        async with started(database_url) as writer:
            for command in (create_config(), create(), update()):
                await writer.submit(Write(command))
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    await writer.submit(Write(update()))
                return gc.collect()
            finally:
                gc.enable()

    assert asyncio.run(run()) < 10
