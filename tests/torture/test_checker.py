"""The checker is itself checked: on histories known to be right or wrong, and against brute force."""

from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.torture import specification
from tests.torture.campaign import DEPLOYMENT, judged
from tests.torture.checker import Specification, check
from tests.torture.examples import FIRST, LINEARIZABLE, PENDING, VIOLATED, asked, made, read, seen
from tests.torture.history import Answer, Call, Operation, load, save


@pytest.mark.parametrize("history", LINEARIZABLE.values(), ids=LINEARIZABLE)
def test_what_is_right_is_accepted(history):
    """Histories that a person sees to be linearizable."""
    assert "linearizable" == check(history, DEPLOYMENT).outcome


@pytest.mark.parametrize("history", VIOLATED.values(), ids=VIOLATED)
def test_what_is_wrong_is_found(history):
    """Histories that a person sees to be impossible; the operation that does not fit is named."""
    verdict = check(history, DEPLOYMENT)

    assert "violated" == verdict.outcome
    assert verdict.stuck


def test_giving_up_is_no_praise():
    """A search that is too long ends undecided, and counts as a broken promise."""
    history = [asked(n, Call("update", 1), None, 0, None) for n in range(1, 9)]
    history = [made(9, -2, -1), *history, read(10, 1, 2, seen(9, PENDING, position=2), FIRST)]

    assert "undecided" == check(history, DEPLOYMENT, steps_max=50).outcome
    assert 1 == len(judged(history, steps_max=50))


def test_a_history_can_be_kept(tmp_path):
    """As lines of JSON that are read back as they were."""
    for history in (*LINEARIZABLE.values(), *VIOLATED.values()):
        save(tmp_path / "history", history)

        assert history == load(tmp_path / "history")


CALLS = st.one_of(
    st.builds(Call, st.just("create"), st.integers(1, 2)),
    st.builds(Call, st.just("update"), st.integers(1, 2), if_match=st.none() | st.just((3, 1))),
    st.builds(
        Call,
        st.just("status"),
        version=st.none() | st.just(1),
        status=st.sampled_from(["READY", "DELETED"]),
        message=st.just(""),
    ),
    st.builds(Call, st.just("delete"), version=st.none() | st.just(1)),
    st.builds(Call, st.sampled_from(["read", "versions", "list"])),
    st.builds(Call, st.just("read"), version=st.integers(1, 2)),
)


@st.composite
def histories(draw, most):
    """What a deployment answers, one after the other, spread over time so that operations overlap."""
    state, position, history = specification.INITIAL, 0, []
    for number, call in enumerate(draw(st.lists(CALLS, min_size=1, max_size=most)), start=1):
        effect = 10.0 * number
        invoked, answered = effect - draw(st.floats(0, 40)), effect + draw(st.floats(0, 40))
        lost = call.kind in ("create", "update", "status", "delete") and draw(st.integers(0, 5)) == 0
        operation = Operation(number, number, "d", call, invoked)
        if lost and draw(st.booleans()):
            history.append(operation)
            continue
        outcome = specification._outcomes(state, operation)[0]
        position += 1
        state = known(outcome.after, number, position)
        if not lost:
            answer = answer_of(outcome, state, number, position, call)
            operation = Operation(number, number, "d", call, invoked, answered, answer)
        history.append(operation)
    return history


def known(state, number, position):
    """The state with everything filled in that a service would have decided by then."""
    versions = tuple(
        v._replace(id=v.id or f"id-{v.number}", position=position if v.position == -number else v.position)
        for v in state.versions
    )
    return state._replace(versions=versions, last_position=position)


def answer_of(outcome, state, number, position, call):
    if outcome.status == 412:
        version = outcome.shown[0]
        return Answer(412, current=(version.position, version.number))
    alone = call.kind not in ("versions", "list")
    shown = []
    for version in outcome.shown:
        where = position if version.position == -number else version.position
        name = version.id or f"id-{version.number}"
        place = where if alone else None
        shown.append(
            seen(
                version.number,
                *version.statuses,
                position=place,
                config_version=version.config_version,
                known_as=name,
            )
        )
    return Answer(outcome.status, tuple(shown))


@given(histories(40))
def test_every_possible_history_is_accepted(history):
    """Whatever was answered one after the other is linearizable however it overlaps."""
    assert "linearizable" == check(history, DEPLOYMENT).outcome


@given(histories(5), st.data())
def test_it_agrees_with_brute_force(history, data):
    """On small histories, some with answers swapped: the same verdict as trying every order."""
    answered = [n for n, operation in enumerate(history) if operation.answer is not None]
    assume(answered)
    one, other = data.draw(st.sampled_from(answered)), data.draw(st.sampled_from(answered))
    history = swapped(history, one, other)

    expected = "linearizable" if brute_force(history) else "violated"
    assert expected == check(history, DEPLOYMENT).outcome


def swapped(history, one, other):
    answers = {one: history[other].answer, other: history[one].answer}
    return [
        Operation(o.number, o.client, o.deployment, o.call, o.invoked, o.answered, answers.get(n, o.answer))
        for n, o in enumerate(history)
    ]


def brute_force(history):
    """Whether any order of the answered operations, and of any others among them, is possible."""
    lost = [operation for operation in history if operation.answer is None]
    answered = [operation for operation in history if operation.answer is not None]
    for chosen in range(2 ** len(lost)):
        taking_part = answered + [o for n, o in enumerate(lost) if chosen >> n & 1]
        if any(map(is_possible, permutations(taking_part))):
            return True
    return False


def is_possible(order):
    for n, operation in enumerate(order):
        if any(o.answered is not None and o.answered < operation.invoked for o in order[n + 1 :]):
            return False
    states = {specification.INITIAL}
    for operation in order:
        states = {after for state in states for after in specification.steps(state, operation)}
    return bool(states)


def test_any_specification_can_be_checked():
    """A register that is written and read: the textbook's example."""
    register = Specification(
        initial=0,
        steps=lambda state, o: [o.call[1]] if o.call[0] == "write" else [state] * (o.answer == state),
        is_silent=lambda o: o.call[0] == "read",
        rank=lambda o: o.answered,
    )
    history = [asked(1, ("write", 1), 0, 0, 10), asked(2, ("read",), 1, 1, 2), asked(3, ("read",), 0, 3, 4)]

    assert "violated" == check(history, register).outcome
    assert "linearizable" == check([history[0], history[2]], register).outcome
