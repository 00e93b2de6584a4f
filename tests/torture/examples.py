"""Histories that a person sees to be linearizable, or not, and what they are made of."""

from tests.torture.history import Answer, Call, Operation, Seen

CREATED = ("CREATED", "Deployment created")
PENDING = ("PENDING", "Deployment update pending")


def seen(number, *statuses, position=None, config_version=1, known_as=None):
    history = statuses if len(statuses) > 1 else ()
    return Seen(number, known_as or f"id-{number}", config_version, *statuses[-1], history, position)


def asked(number, call, answer, invoked, answered):
    return Operation(number, number, "d", call, invoked, None if answer is None else answered, answer)


def made(number, invoked, answered, version=1, position=1, kind="create"):
    status = CREATED if kind == "create" else PENDING
    answer = Answer(201, (seen(version, status, position=position),))
    return asked(number, Call(kind, 1), answer, invoked, answered)


def read(number, invoked, answered, *shown):
    return asked(number, Call("read"), Answer(200, shown) if shown else Answer(404), invoked, answered)


def update(number, invoked, answered, version, position):
    return made(number, invoked, answered, version, position, kind="update")


READY = Call("status", status="READY", message="serving")
FIRST = seen(1, CREATED, position=1)
SECOND = seen(2, PENDING, position=2)
LINEARIZABLE = {
    "one after the other": [made(1, 0, 1), update(2, 2, 3, 2, 2), read(3, 4, 5, SECOND)],
    "either order while both wait": [made(1, 0, 1), update(2, 2, 9, 3, 3), update(3, 2, 9, 2, 2)],
    "a read beside a write sees it or not": [
        made(1, 0, 1),
        update(2, 2, 9, 2, 2),
        read(3, 3, 4, FIRST),
        read(4, 5, 6, SECOND),
    ],
    "a lost answer took effect late": [
        made(1, 0, 1),
        asked(2, Call("update", 1), None, 2, None),
        read(3, 4, 5, FIRST),
        read(4, 6, 7, SECOND),
        update(5, 8, 9, 3, 3),
    ],
    "a lost answer never took effect": [
        made(1, 0, 1),
        asked(2, Call("update", 1), None, 2, None),
        update(3, 4, 5, 2, 2),
    ],
    "a condition on a state nobody was told of": [
        made(1, 0, 1),
        asked(2, READY, None, 2, None),
        asked(3, Call("update", 1, if_match=(1, 1)), Answer(412, current=(2, 1)), 4, 5),
        read(4, 6, 7, seen(1, CREATED, ("READY", "serving"), position=2)),
    ],
    "numbers go on after a removal": [
        made(1, 0, 1),
        asked(
            2,
            Call("status", status="DELETED"),
            Answer(200, (seen(1, CREATED, ("DELETED", ""), position=2),)),
            2,
            3,
        ),
        asked(3, Call("delete"), Answer(204), 4, 5),
        read(4, 6, 7),
        made(5, 8, 9, version=2, position=4),
    ],
}
VIOLATED = {
    "a stale read": [made(1, 0, 1), update(2, 2, 3, 2, 2), read(3, 4, 5, FIRST)],
    "a lost update": [made(1, 0, 1), update(2, 2, 9, 2, 2), update(3, 2, 9, 2, 3)],
    "an acknowledged write that is gone": [made(1, 0, 1), update(2, 2, 3, 2, 2), update(3, 4, 5, 2, 3)],
    "two creations": [made(1, 0, 9), made(2, 0, 9, position=2)],
    "a number left out": [made(1, 0, 1), update(2, 2, 3, 3, 2)],
    "a number given out again": [
        made(1, 0, 1),
        asked(
            2,
            Call("status", status="DELETED"),
            Answer(200, (seen(1, CREATED, ("DELETED", ""), position=2),)),
            2,
            3,
        ),
        asked(3, Call("delete"), Answer(204), 4, 5),
        made(4, 8, 9, version=1, position=4),
    ],
    "a refused write that took effect": [
        made(1, 0, 1),
        asked(2, Call("update", 1, if_match=(7, 1)), Answer(412, current=(1, 1)), 2, 3),
        read(3, 4, 5, SECOND),
    ],
    "a condition ignored": [
        made(1, 0, 1),
        update(2, 2, 3, 2, 2),
        asked(3, Call("update", 1, if_match=(1, 1)), Answer(201, (seen(3, PENDING, position=3),)), 4, 5),
    ],
    "a condition that held and was refused": [
        made(1, 0, 1),
        asked(2, Call("update", 1, if_match=(1, 1)), Answer(412, current=(1, 1)), 2, 3),
    ],
    "a read of the future": [made(1, 0, 1), read(2, 2, 3, SECOND), update(3, 4, 5, 2, 2)],
    "reads that go back": [
        made(1, 0, 1),
        update(2, 2, 9, 2, 2),
        read(3, 3, 4, SECOND),
        read(4, 5, 6, FIRST),
    ],
    "positions against the order": [made(1, 0, 1, position=5), update(2, 2, 3, 2, 4)],
    "another id": [made(1, 0, 1), read(2, 2, 3, seen(1, CREATED, position=1, known_as="other"))],
    "a status forgotten": [
        made(1, 0, 1),
        asked(2, READY, Answer(200, (seen(1, CREATED, ("READY", "serving"), position=2),)), 2, 3),
        read(3, 4, 5, seen(1, CREATED, position=2)),
    ],
    "a write without an answer seen, and then not": [
        made(1, 0, 1),
        asked(2, Call("update", 1), None, 2, None),
        read(3, 4, 5, SECOND),
        read(4, 6, 7, FIRST),
    ],
    "a write seen that began later": [
        made(1, 0, 1),
        read(2, 2, 3, SECOND),
        asked(3, Call("update", 1), None, 4, None),
    ],
}
