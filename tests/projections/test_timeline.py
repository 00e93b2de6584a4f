"""The rows of a stream against the plain meaning of its events, for random command sequences."""

from hypothesis import example, given
from hypothesis import strategies as st

from domain import deployment
from domain.errors import Refusal
from projections.timeline import NEVER, OPEN, Row, Timeline
from tests.support.builders import Stream, create, decide, delete, report, update

VERSIONS = st.sampled_from([None, "1", "2", "3", "4"])
COMMANDS = st.one_of(
    st.just(create()),
    st.just(update()),
    st.builds(report, st.sampled_from(["READY", "DELETED", "DELETED"]), version=VERSIONS),
    st.builds(delete, VERSIONS),
)


def stream_of(commands):
    """The stream of the commands that are not refused, and the snapshots after each of its events."""
    stream = Stream(deployment.changes)
    seen = [{}]
    for command in commands:
        count = len(stream.events)
        try:
            decide(stream, command)
        except Refusal:
            continue
        if len(stream.events) > count:
            seen.append(dict(stream.snapshots))
    return stream, seen


def facts(rows):
    return {(r.version, r.valid_from, r.valid_until, r.latest_until, r.snapshot) for r in rows}


@given(st.lists(COMMANDS, max_size=40))
@example([create(), update(), update(), report("DELETED"), delete("3")])
def test_rows_show_at_every_position_what_readers_saw(commands):
    """After event p, the rows that hold at p are the stored versions, and the latest one is the highest."""
    stream, seen = stream_of(commands)
    timeline = Timeline(deployment.changes)
    for recorded in stream.events:
        timeline.apply(recorded)

    for position, snapshots in enumerate(seen):
        shown = {r.version: r.snapshot for r in timeline.added if r.valid_from <= position < r.valid_until}
        latest = [r.version for r in timeline.added if r.valid_from <= position < r.latest_until]
        assert snapshots == shown
        assert ([max(snapshots)] if snapshots else []) == latest
    for row in timeline.added:
        assert row.latest_until == NEVER or row.latest_until <= row.valid_until
        assert row.created_position <= row.valid_from


@given(st.lists(COMMANDS, max_size=40), st.integers(1, 7))
def test_rows_are_the_same_however_the_events_are_cut_into_batches(commands, size):
    """Going on from the open rows of the table gives what one pass over the whole stream gives."""
    stream, _ = stream_of(commands)
    whole = Timeline(deployment.changes)
    for recorded in stream.events:
        whole.apply(recorded)

    table = {}
    for begin in range(0, len(stream.events), size):
        still_open = [stored(row) for row in table.values() if row.valid_until == OPEN]
        batch = Timeline(deployment.changes, still_open)
        for recorded in stream.events[begin : begin + size]:
            batch.apply(recorded)
        for row in [*batch.ended.values(), *batch.added]:
            table[row.version, row.valid_from] = row

    assert facts(whole.added) == facts(table.values())
    assert {(r.version, r.created_position) for r in whole.added} == {
        (r.version, r.created_position) for r in table.values()
    }


def stored(row):
    """A row as it comes from the table."""
    return Row(
        row.version,
        row.snapshot,
        valid_from=row.valid_from,
        latest_until=row.latest_until,
        created_position=row.created_position,
        place="(0,1)",
    )
