"""What a run does, by its seed: the faults in order, and what each client asks for next.

How processes and requests interleave is up to the machine; the plan is the same for the same seed.
"""

from random import Random
from typing import NamedTuple

from tests.torture.history import Call

FAULTS = {
    "worker": "kill -9 of an HTTP worker",
    "service": "kill -9 of the service",
    "backend": "kill -9 of a PostgreSQL backend",
    "postmaster": "kill -9 of the postmaster",
    "everything": "kill -9 of the service and the postmaster at once",
    "sessions": "all database sessions terminated",
    "freeze": "an HTTP worker stopped for a while (SIGSTOP)",
    "restart": "the service stopped by SIGTERM and started again",
}
KILLS = ("worker", "service", "backend", "postmaster", "everything")
PAUSE_ANSWERS = (50, 400)
CONFIG_VERSIONS = 3
GROWING = {
    "create": 5,
    "update": 22,
    "update if": 14,
    "status": 14,
    "status if": 6,
    "delete": 2,
    "delete one": 3,
    "read": 20,
    "read one": 7,
    "versions": 3,
    "list": 4,
}
REAPING = {
    "create": 8,
    "status if": 4,
    "gone": 42,
    "delete": 14,
    "delete one": 6,
    "read": 14,
    "read one": 4,
    "versions": 6,
    "list": 2,
}


class Fault(NamedTuple):
    """One thing done to the service, so many answers after the one before it has been recovered from."""

    pause_answers: int
    kind: str
    pick: float
    """Which of several processes, and how long where that matters: from 0 to 1."""


class Memory:
    """What a client has seen of a deployment: the ETag and number of the latest version, and all numbers."""

    def __init__(self):
        self.latest = None
        self.numbers = []


class Asking(NamedTuple):
    """A call, and whether the client repeats it under an Idempotency-Key until it knows the outcome."""

    call: Call
    keyed: bool


def faults(seed, kinds=tuple(FAULTS)):
    """The faults without end; each round has every one of the kinds, in an order of its own."""
    random = Random(f"{seed} faults")
    while True:
        for kind in random.sample(sorted(kinds), len(kinds)):
            yield Fault(random.randint(*PAUSE_ANSWERS), kind, random.random())


def requests(seed, client):
    """Takes a `Memory` and whether versions are being removed; gives what the client asks for next."""
    random = Random(f"{seed} client {client}")
    asking = None
    while True:
        memory, reaping = yield asking
        asking = _asking(random, memory, reaping=reaping)


def _asking(random, memory, *, reaping):
    weights = REAPING if reaping else GROWING
    kind = random.choices(list(weights), list(weights.values()))[0]
    number = random.choice(memory.numbers) if memory.numbers else 1
    reported = random.choice(("READY", "READY", "ERROR", "PENDING", "LOST", "DELETED"))
    message = random.choice(("", "probe", f"run {random.randrange(10**6)}"))
    config_version = random.randint(1, CONFIG_VERSIONS)
    condition = memory.latest if kind.endswith(" if") else None
    keyed = random.random() < 0.85
    calls = {
        "create": Call("create", config_version),
        "update": Call("update", config_version),
        "update if": Call("update", config_version, if_match=condition),
        "status": Call("status", version=random.choice((None, number)), status=reported, message=message),
        "status if": Call("status", status=reported, message=message, if_match=condition),
        "gone": Call("status", version=number, status="DELETED", message="taken down"),
        "delete": Call("delete"),
        "delete one": Call("delete", version=number),
        "read": Call("read"),
        "read one": Call("read", version=number),
        "versions": Call("versions"),
        "list": Call("list"),
    }
    return Asking(calls[kind], keyed)
