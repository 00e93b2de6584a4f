"""Batches of commands, committed without a writer."""

import asyncio
from contextlib import contextmanager

from app.batch import Batch, Write
from app.event_log import EventLog
from tests.support.builders import at


@contextmanager
def opened_log(database_url):
    """A log, whose connection is closed at the end."""
    log = EventLog(database_url)
    yield log
    asyncio.run(log.close())


def run(log, work):
    """What the work on a log gives, where no loop runs; its connection ends with the loop."""

    async def closed_after():
        try:
            return await work
        finally:
            await log.close()

    return asyncio.run(closed_after())


async def committed(log, *commands, clock=lambda: at(0)):
    """The answers to commands that are committed as one batch."""
    async with log.batch() as transaction:
        return await Batch(log, transaction, [Write(command) for command in commands], clock).run()


def commit(log, *commands, clock=lambda: at(0)):
    """The same, where no loop runs."""
    return run(log, committed(log, *commands, clock=clock))
