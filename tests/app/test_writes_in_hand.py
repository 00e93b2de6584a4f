"""So many writes at once; whoever finds no place is held, and gets the next one or is told to come back."""

import asyncio

import pytest

from app.overload import WritesInHand


async def turns(count):
    """Let others go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_places_go_to_those_who_came_first(monkeypatch):
    """Nobody who comes later gets a place that somebody is held for."""
    monkeypatch.setattr("app.overload.AT_ONCE_MAX", 0)

    async def run():
        writes, took = WritesInHand(1, []), []

        async def write(name):
            assert await writes.take()
            took.append(name)

        await write("a")
        held = [asyncio.create_task(write(name)) for name in "bc"]
        await turns(2)
        writes.give_back()
        late = asyncio.create_task(write("d"))
        await turns(3)
        assert ["a", "b"] == took
        for task in (held[1], late):
            writes.give_back()
            await task
        assert ["a", "b", "c", "d"] == took

    asyncio.run(run())


@pytest.mark.parametrize("when", ["held", "given a place"])
def test_whoever_leaves_keeps_no_place(when):
    """Neither while it is held nor when it was just given one."""

    async def run():
        writes = WritesInHand(1, [])
        assert await writes.take()
        held = asyncio.create_task(writes.take())
        await turns(2)
        if when == "held":
            held.cancel()
            await turns(2)
            writes.give_back()
        else:
            writes.give_back()
            held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        assert await asyncio.wait_for(writes.take(), 1)
        assert writes._in_hand == 1

    asyncio.run(run())


def test_those_who_are_held_are_told_to_come_back():
    """Some at a time, in the order in which they came; the first of them after a while, too."""

    async def run():
        writes, told = WritesInHand(1, []), []
        assert await writes.take()

        async def ask(number):
            assert not await writes.take()
            told.append(number)

        asked = [asyncio.create_task(ask(number)) for number in range(12)]
        await turns(9)
        assert [] == told
        await asyncio.gather(*asked)
        assert list(range(12)) == told

    asyncio.run(run())
