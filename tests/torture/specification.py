"""What one deployment does when it is asked one thing at a time, written from the contract alone.

It shares no code with the service. What only an answer can tell (the id of a version, the position of an
event) is unknown in a state until an answer shows it; from then on every answer has to show the same.
"""

from typing import NamedTuple

STATUSES_MAX = 100


class Version(NamedTuple):
    """A stored version; `statuses` begins with the first and ends with the current one.

    `position` is that of the event that changed it last; while no answer has told it, the number of the
    operation that did, negated.
    """

    number: int
    id: str | None
    config_version: int
    statuses: tuple[tuple[str, str], ...]
    position: int

    @property
    def status(self):
        return self.statuses[-1][0]


class State(NamedTuple):
    """A deployment: the highest number and position ever given out, and what is stored, in order."""

    last_number: int
    last_position: int
    versions: tuple[Version, ...]


INITIAL = State(0, 0, ())


class Outcome(NamedTuple):
    """What a call comes to: the status of its answer, the state after it, and the versions it shows.

    `floor` is there if it made an event: the position shown has to be higher.
    """

    status: int
    after: State
    shown: tuple[Version, ...] = ()
    floor: int = 0


def steps(state, operation):
    """The states in which the deployment may be after an operation that was answered like that.

    None if it cannot have been answered like that in `state`.
    """
    outcomes = _outcomes(state, operation)
    if operation.answer is None:
        return list(dict.fromkeys(outcome.after for outcome in outcomes))
    reached = (_agreed(outcome, operation.answer) for outcome in outcomes)
    return [after for after in dict.fromkeys(reached) if after is not None]


def is_silent(operation):
    """Whether it can have changed nothing, given its answer."""
    answer = operation.answer
    return answer is not None and (
        operation.call.kind in ("read", "versions", "list") or answer.status >= 400
    )


def rank(operation):
    """In which order to try operations: by the position that an answer tells, which is mostly right."""
    positions = [seen.position or 0 for seen in operation.answer.shown]
    return max(positions, default=0), operation.answered


def _outcomes(state, operation):
    """All that can come of a call; more than one only where it depends on a position not known yet."""
    call = operation.call
    if call.kind in ("read", "versions", "list"):
        return [_read(state, call)]
    if call.kind == "create":
        return [_create(state, operation)]
    addressed = _addressed(state, call)
    if addressed is None:
        return [Outcome(400 if call.kind == "update" else 404, state)]
    if call.if_match is None:
        return [_carry_out(state, operation, addressed)]
    return _conditional(state, operation, addressed)


def _conditional(state, operation, addressed):
    call = operation.call
    position, number = call.if_match
    refused = Outcome(412, state, (addressed,))
    if number != addressed.number or (addressed.position > 0 and addressed.position != position):
        return [refused]
    if addressed.position > 0:
        return [_carry_out(state, operation, addressed)]
    known = _with_position(state, addressed.position, position)
    if known is None:
        return [refused]
    return [refused, _carry_out(known, operation, _addressed(known, call))]


def _read(state, call):
    if call.kind == "versions":
        return Outcome(200, state, state.versions[::-1])
    if call.kind == "list":
        return Outcome(200, state, state.versions[-1:])
    found = _addressed(state, call)
    return Outcome(404, state) if found is None else Outcome(200, state, (found,))


def _create(state, operation):
    if state.versions:
        return Outcome(409, state)
    return _added(state, operation, ("CREATED", "Deployment created"))


def _carry_out(state, operation, addressed):
    call = operation.call
    if call.kind == "update":
        return _added(state, operation, ("PENDING", "Deployment update pending"))
    if call.kind == "status":
        return _report(state, operation, addressed)
    return _delete(state, operation, state.versions if call.version is None else (addressed,))


def _added(state, operation, status):
    number = state.last_number + 1
    version = Version(number, None, operation.call.config_version, (status,), -operation.number)
    after = State(number, state.last_position, (*state.versions, version))
    return Outcome(201, after, (version,), state.last_position)


def _report(state, operation, addressed):
    reported = (operation.call.status, operation.call.message)
    if addressed.status == "DELETING" and reported[0] != "DELETED":
        return Outcome(409, state)
    if addressed.statuses[-1] == reported:
        return Outcome(200, state, (addressed,))
    changed = _changed(addressed, reported, operation)
    return Outcome(200, _replaced(state, {changed.number: changed}), (changed,), state.last_position)


def _delete(state, operation, concerned):
    numbers = {version.number for version in concerned}
    if all(version.status == "DELETED" for version in concerned):
        kept = tuple(version for version in state.versions if version.number not in numbers)
        return Outcome(204, state._replace(versions=kept))
    marked = {
        version.number: _changed(version, ("DELETING", "Deployment deletion requested"), operation)
        for version in concerned
        if version.status not in ("DELETING", "DELETED")
    }
    return Outcome(202, _replaced(state, marked))


def _addressed(state, call):
    if call.kind in ("update", "create") or call.version is None:
        return state.versions[-1] if state.versions else None
    return next((version for version in state.versions if version.number == call.version), None)


def _changed(version, status, operation):
    statuses = (*version.statuses, status)[-STATUSES_MAX:]
    return version._replace(statuses=statuses, position=-operation.number)


def _replaced(state, changed):
    return state._replace(versions=tuple(changed.get(v.number, v) for v in state.versions))


def _agreed(outcome, answer):
    """The state after the outcome with all that the answer tells; None if the answer says otherwise."""
    after = outcome.after
    if outcome.status != answer.status:
        return None
    if outcome.status == 412:
        return _told(after, outcome.shown[0], answer.current)
    if len(outcome.shown) != len(answer.shown):
        return None
    for version, seen in zip(outcome.shown, answer.shown, strict=True):
        if not _shows(version, seen) or (outcome.floor and (seen.position or 0) <= outcome.floor):
            return None
        if version.id is None:
            after = _with_id(after, seen.number, seen.id)
        if seen.position is not None:
            after = _with_position(after, version.position, seen.position)
            if after is None:
                return None
    return after


def _shows(version, seen):
    history = version.statuses if len(version.statuses) > 1 else ()
    stands = (version.number, version.config_version, version.statuses[-1], history)
    shown = (seen.number, seen.config_version, (seen.status, seen.message), seen.statuses)
    return stands == shown and version.id in (None, seen.id)


def _told(state, version, current):
    if current is None or current[1] != version.number:
        return None
    return _with_position(state, version.position, current[0])


def _with_id(state, number, found):
    versions = tuple(v._replace(id=found) if v.number == number else v for v in state.versions)
    return state._replace(versions=versions)


def _with_position(state, before, position):
    """The state in which what was changed at the unknown position `before` was changed at `position`."""
    if before > 0:
        return state if before == position else None
    if any(version.position == position for version in state.versions):
        return None
    versions = tuple(v._replace(position=position) if v.position == before else v for v in state.versions)
    return state._replace(last_position=max(state.last_position, position), versions=versions)
