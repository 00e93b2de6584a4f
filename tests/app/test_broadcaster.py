import asyncio
import re
from contextlib import asynccontextmanager

import psycopg
import pytest

from app import broadcaster as broadcasting
from app import window as windows
from app.broadcaster import Broadcaster
from app.doorbell import Doorbell
from app.reader import Reader, Unreadable
from domain.sight import EVERYTHING_SEEN
from projections.deployment_configs import DEPLOYMENT_CONFIGS
from projections.deployments import DEPLOYMENTS
from projections.following import EVERYTHING
from tests.support.builders import create, create_config, update
from tests.support.committing import commit, committed, opened_log


@pytest.fixture
def log(database_url):
    with opened_log(database_url) as log:
        commit(log, create_config(), create())
        yield log


def all_seen(_):
    return EVERYTHING_SEEN


@asynccontextmanager
async def watched(database_url, watchers_max=10):
    reader = Reader(
        database_url,
        (DEPLOYMENTS, DEPLOYMENT_CONFIGS),
        connections_max=2,
        batch_max=10,
        queue_max=10,
        statement_seconds=10,
    )
    broadcaster = Broadcaster(reader, watchers_max=watchers_max)
    try:
        yield broadcaster
    finally:
        await broadcaster.stop()
        await reader.stop()


async def eventually(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


async def positions(watcher, count):
    """The positions of the next events."""
    found = []
    while len(found) < count:
        chunk = await watcher.next(20)
        assert chunk
        found += [int(number) for number in re.findall(rb"^id: (\d+)$", chunk, re.MULTILINE)]
    return found


def test_who_falls_behind_the_window_misses_nothing(database_url, log, monkeypatch):
    """Who is slower than the window finds the rest in the log, and is back in the window after that."""
    monkeypatch.setattr(windows, "WINDOW_EVENTS_MAX", 4)
    monkeypatch.setattr(broadcasting, "POLL_SECONDS", 0.02)

    async def run():
        async with watched(database_url) as broadcaster:
            with (
                broadcaster.watcher(2, EVERYTHING, all_seen) as quick,
                broadcaster.watcher(0, EVERYTHING, all_seen) as slow,
            ):
                assert [1] == (await positions(slow, 1))[:1]
                for n in range(10):
                    await committed(log, update(), update())
                    assert [2 * n + 3, 2 * n + 4] == await positions(quick, 2)
                assert broadcaster.window.covers(18)
                assert not broadcaster.window.covers(17)
                assert list(range(3, 23)) == await positions(slow, 20)
                await committed(log, update())
                assert [23] == await positions(slow, 1) == await positions(quick, 1)

    asyncio.run(run())


def test_window_is_bounded_by_size(database_url, log, monkeypatch):
    """An event that is larger than the window is read from the log by each who wants it."""
    monkeypatch.setattr(windows, "WINDOW_BYTES_MAX", 100)
    monkeypatch.setattr(broadcasting, "POLL_SECONDS", 0.02)

    async def run():
        async with watched(database_url) as broadcaster:
            with broadcaster.watcher(2, EVERYTHING, all_seen) as watcher:
                assert await watcher.next(0.2) == b""
                await committed(log, update(), update())
                assert [3, 4] == await positions(watcher, 2)
                assert not broadcaster.window.covers(3)

    asyncio.run(run())


def test_nobody_follows_for_nobody(database_url, log, monkeypatch):
    """The log is left alone some time after the last watcher has left, and followed again for the next one."""
    monkeypatch.setattr(broadcasting, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(broadcasting, "LINGER_SECONDS", 0.1)

    async def run():
        async with watched(database_url) as broadcaster:
            for _ in range(3):
                with broadcaster.watcher(0, EVERYTHING, all_seen) as watcher:
                    assert [1, 2] == await positions(watcher, 2)
                await eventually(lambda: broadcaster.window.position is None)
                assert [] == [t for t in asyncio.all_tasks() if "Broadcaster" in t.get_coro().__qualname__]

    asyncio.run(run())


def test_a_fault_sends_watchers_away(database_url, log, monkeypatch):
    """A gap ends every watch instead of passing it over; who comes back is watched over again."""
    monkeypatch.setattr(broadcasting, "POLL_SECONDS", 0.02)

    async def run():
        async with watched(database_url) as broadcaster:
            with broadcaster.watcher(2, EVERYTHING, all_seen) as watcher:
                assert await watcher.next(0.2) == b""
                await committed(log, update(), update())
                with psycopg.connect(database_url) as connection:
                    connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
                    connection.execute(
                        "UPDATE stored_events SET notification_id = 9 WHERE notification_id = 4"
                    )
                await watcher.next(20)
                assert await watcher.next(20) == b""
                assert watcher.ended
            with broadcaster.watcher(9, EVERYTHING, all_seen) as watcher:
                await committed(log, update())
                assert [10] == await positions(watcher, 1)

    asyncio.run(run())


def test_room_and_end(database_url, log):
    """There is room for so many, for none when the service stops, and whoever waits is sent away at once."""

    async def run():
        async with watched(database_url, watchers_max=1) as broadcaster:
            broadcaster.require_room()
            with broadcaster.watcher(2, EVERYTHING, all_seen) as watcher:
                with pytest.raises(Unreadable, match="1 watch already"):
                    broadcaster.require_room()
                waiting = asyncio.create_task(watcher.next(60))
                stuck = asyncio.create_task(watcher.hand_over(asyncio.sleep(60), 60))
                await asyncio.sleep(0.1)
                broadcaster.end_streams()
                assert await waiting == b""
                with pytest.raises(TimeoutError):
                    await stuck
            with pytest.raises(Unreadable, match="stopping"):
                broadcaster.require_room()

    asyncio.run(run())


def test_ring_is_heard_in_the_process_and_in_others(database_url):
    """At once where it was rung, by way of the database elsewhere; many in a row are few there."""

    async def run():
        here, there = [], []
        one, other = (
            Doorbell(database_url, lambda: here.append(1)),
            Doorbell(database_url, lambda: there.append(1)),
        )
        await one.start()
        await other.start()
        await eventually(lambda: here and there)  # both listen
        here.clear()
        there.clear()
        one.ring()
        assert [1] == here
        await eventually(lambda: there)
        for _ in range(1000):
            one.ring()
        await asyncio.sleep(0.5)
        assert 1001 == len(here)
        assert 2 <= len(there) < 20
        await one.stop()
        await other.stop()

    asyncio.run(run())
