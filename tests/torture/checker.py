"""Whether a history is linearizable: the search of Wing and Gong, with the memory of Lowe.

An order of the operations is looked for in which each is answered as the specification says, and none comes
before one that had been answered before it was invoked. What was reached once, the same operations put in
order and the same state, is not searched again. Operations without an answer may come anywhere after their
invocation, or nowhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

STEPS_MAX = 2_000_000
"""How many times the specification is asked before the search gives up."""


class Specification(NamedTuple):
    """What is to be compared with: see the module `specification` for what the functions promise."""

    initial: Any
    steps: Callable[[Any, Any], Sequence[Any]]
    is_silent: Callable[[Any], bool]
    rank: Callable[[Any], Any]


class Verdict(NamedTuple):
    """`undecided` is no praise: the search was given up. Of a violation `stuck` cannot be put in order."""

    outcome: Literal["linearizable", "violated", "undecided"]
    steps: int
    ordered: int
    state: Any
    stuck: tuple[Any, ...] = ()


class _Node(NamedTuple):
    """What is in order: the first `prefix` answered operations, some beyond them, and some without an answer."""

    prefix: int
    beyond: int
    unanswered: int
    state: Any


def check(operations, specification, steps_max=STEPS_MAX):
    """The verdict on a history; each operation has `invoked`, `answered` and `answer`, None if unknown."""
    return _Search(operations, specification, steps_max).run()


class _Search:
    def __init__(self, operations, specification, steps_max):
        self._answered = sorted((o for o in operations if o.answer is not None), key=lambda o: o.invoked)
        self._unanswered = sorted((o for o in operations if o.answer is None), key=lambda o: o.invoked)
        self._specification = specification
        self._steps_max = steps_max
        self._steps = 0

    def run(self):
        first = _Node(0, 0, 0, self._specification.initial)
        deepest, depth = first, -1
        seen = set()
        ways = [iter((first,))]
        while ways:
            node = next(ways[-1], None)
            if self._steps > self._steps_max:
                return Verdict("undecided", self._steps, depth, deepest.state, self._stuck(deepest))
            if node is None:
                ways.pop()
                continue
            if node in seen:
                continue
            seen.add(node)
            ordered = node.prefix + node.beyond.bit_count()
            if ordered > depth:
                deepest, depth = node, ordered
            if node.prefix == len(self._answered):
                return Verdict("linearizable", self._steps, depth, node.state)
            ways.append(self._ways(node))
        return Verdict("violated", self._steps, depth, deepest.state, self._stuck(deepest))

    def _ways(self, node):
        """Where one more operation leads, the likeliest first."""
        candidates, horizon = self._candidates(node)
        alternatives = []
        for place in candidates:
            operation = self._answered[place]
            for after in self._ask(node.state, operation):
                following = self._with(node, place, after)
                if after == node.state and self._specification.is_silent(operation):
                    # It can come here, and nothing that could come before it is made impossible by that.
                    yield following
                    return
                alternatives.append((self._specification.rank(operation), following))
        alternatives.sort(key=lambda alternative: alternative[0])
        yield from (following for _, following in alternatives)
        for place, operation in enumerate(self._unanswered):
            if operation.invoked > horizon:
                break
            if not node.unanswered >> place & 1:
                for after in self._ask(node.state, operation):
                    if after != node.state:
                        yield node._replace(unanswered=node.unanswered | 1 << place, state=after)

    def _ask(self, state, operation):
        self._steps += 1
        return self._specification.steps(state, operation)

    def _candidates(self, node):
        """Places of the answered operations that may come next, and until when one has to be invoked."""
        horizon = float("inf")
        found = []
        for place in range(node.prefix, len(self._answered)):
            operation = self._answered[place]
            if operation.invoked > horizon:
                break
            if not node.beyond >> (place - node.prefix) & 1:
                found.append(place)
                horizon = min(horizon, operation.answered)
        return [place for place in found if self._answered[place].invoked <= horizon], horizon

    def _with(self, node, place, state):
        prefix, beyond = node.prefix, node.beyond | 1 << (place - node.prefix)
        while beyond & 1:
            prefix, beyond = prefix + 1, beyond >> 1
        return _Node(prefix, beyond, node.unanswered, state)

    def _stuck(self, node):
        candidates, _ = self._candidates(node)
        return tuple(self._answered[place] for place in candidates)
