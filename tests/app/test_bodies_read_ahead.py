"""Bodies of writes are read before anything else is done for them, within a time that all have."""

import asyncio

import pytest

from app.bodies import Bodies, Deadlines

LIMIT = 0.1


def server(*messages):
    """What a server delivers, one message after the other."""
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive


def part(body, more_body=False):
    """A message of the server's with a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more_body}


LEFT = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("messages", "content"),
    [
        ([part(b"{}")], b"{}"),
        ([{"type": "http.request"}], b""),
        ([part(b"{", more_body=True), part(b"}")], b"{}"),
        ([part(b"12345678")], b"12345678"),
        ([part(b"123456789")], None),
        ([part(b"123456789", more_body=True), part(b"0")], None),
        ([part(b"{", more_body=True), LEFT], None),
        ([LEFT], None),
    ],
)
def test_bodies(messages, content):
    """The content is only there if it is whole, and then it is held once; else what came is handed over."""

    async def run():
        bodies = Bodies(bytes_max=8, seconds_max=LIMIT)
        body = await bodies.read_ahead(server(*messages))
        assert content == body.content
        if content is None:
            assert messages == [await body() for _ in messages]
        else:
            assert body.content is (await body())["body"]

    asyncio.run(run())


def test_deadlines():
    """Each has its own, also those who come later; whoever is in time or ends otherwise is left alone."""

    async def run():
        deadlines, ended = Deadlines(LIMIT), {}

        async def attempt(name, before, inside):
            await asyncio.sleep(before)
            began = asyncio.get_running_loop().time()
            try:
                with deadlines:
                    await asyncio.sleep(inside)
                ended[name] = "in time"
            except TimeoutError:
                ended[name] = "late"
            assert asyncio.get_running_loop().time() - began < 1.5 * LIMIT
            await asyncio.sleep(2 * LIMIT)  # nothing that was begun inside reaches out of it

        attempts = [("a", 0, 9), ("b", LIMIT / 2, 9), ("c", LIMIT / 2, LIMIT / 2), ("d", 3 * LIMIT, 9)]
        tasks = [asyncio.create_task(attempt(*each)) for each in attempts]
        gone = asyncio.create_task(attempt("gone", 0, 9))
        await asyncio.sleep(LIMIT / 2)
        gone.cancel()
        await asyncio.gather(*tasks)
        assert {"a": "late", "b": "late", "c": "in time", "d": "late"} == ended
        assert gone.cancelled()

    asyncio.run(run())


def test_whoever_is_cancelled_while_late_ends():
    """A request that is given up is not answered, whatever else happens to it."""

    async def run():
        deadlines = Deadlines(0)

        async def read():
            with deadlines:
                await asyncio.sleep(9)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        deadlines._end_late()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
