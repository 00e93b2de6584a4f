"""Recordings: read as they were written or refused, and what two of them differ in."""

import gzip
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rebuild.fingerprints import COLUMNS
from app.rebuild.recording import FORMAT, Header, Recording, RecordingRefused, RowPrint, read, write
from app.rebuild.release_check import ORDER, ReleaseCheck

HEADER = Header(FORMAT, "1.0", {"deployments": "1", "deployment-configs": "2"}, 9, "00", COLUMNS)
STREAMS = ["a/deployment-configs/b", "a/deployments/b", "a/deployments/b-c", "b/deployments/a"]


def row(stream, version=1, valid_from=1, answer=0, columns=(), fields=()):
    resource = stream.split("/")[1]
    values = dict.fromkeys(COLUMNS[resource], 0) | dict(columns)
    return RowPrint(
        stream,
        version,
        valid_from,
        str(sorted(values.items())),
        str(answer),
        list(values.values()),
        dict(fields),
    )


ROWS = [row(stream, version, version + 3) for stream in STREAMS for version in (1, 2)]


def recorded(rows=ROWS, header=HEADER):
    file = io.BytesIO()
    write(file, header, [msgspec.json.encode(each) + b"\n" for each in rows])
    return file.getvalue()


def lines_of(data):
    return gzip.decompress(data).splitlines(keepends=True)


def readable(data):
    recording = read(io.BytesIO(data), "it")
    return recording.header, list(recording.rows)


def test_a_recording_is_read_as_written():
    """Header and rows, also if there are none."""
    assert (HEADER, ROWS) == readable(recorded())
    assert (HEADER, []) == readable(recorded([]))


def test_a_cut_off_recording_is_refused():
    """Wherever it is cut: no row that is missing passes for one that is gone."""
    data = recorded()
    for length in range(len(data)):
        with pytest.raises(RecordingRefused, match=r"cut off|no recording"):
            readable(data[:length])
    lines = lines_of(data)
    for count in range(len(lines)):
        with pytest.raises(RecordingRefused, match=r"cut off|no recording"):
            readable(gzip.compress(b"".join(lines[:count])))


def test_a_damaged_recording_is_refused():
    """Any byte that is another one; the first ten have what gzip does not check, and need not be right."""
    data = recorded()
    for place in range(10, len(data)):
        damaged = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        with pytest.raises(RecordingRefused, match="it is"):
            readable(damaged)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "it is damaged: line 3 is not in order"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "it is damaged: line 3 is not in order"),
        (lambda lines: [*lines[:1], *lines[2:]], "it is damaged: it ends with 8 rows, and has 7"),
        (lambda lines: [*lines, lines[1]], "it is damaged: it ends with 8 rows, and has 8"),
        (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "it is damaged in line 2: "),
        (
            lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]],
            "it has format 2, and this release reads 1",
        ),
        (lambda lines: [b'{"position":1}\n', *lines], "it is no recording of `rebuild record`"),
        (lambda _: [], "it is no recording"),
    ],
)
def test_a_forged_recording_is_refused(change, said):
    """What gzip has no objection to."""
    with pytest.raises(RecordingRefused, match=said):
        readable(gzip.compress(b"".join(change(lines_of(recorded())))))


KEYS = st.tuples(st.sampled_from(STREAMS), st.integers(1, 3), st.integers(1, 12))
SIDES = st.dictionaries(KEYS, st.integers(0, 2))


@given(SIDES, SIDES)
def test_every_row_that_differs_is_told(old, new):
    """Once, in order, and no other."""
    sides = [
        iter([row(*key, answer=value, fields={"/x": value}) for key, value in sorted(side.items())])
        for side in (old, new)
    ]
    check = ReleaseCheck(Recording(HEADER, sides[0]), sides[1])
    expected = [
        (key, "new" if key not in old else "gone" if key not in new else "changed")
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]

    found = [
        (
            (f"{change.workspace}/{change.resource}/{change.name}", change.version, change.valid_from),
            change.what,
        )
        for change in check
    ]

    assert expected == found
    assert len(old | new) == check.rows
    assert len(expected) == check.found.total()


def differing(old, new, columns=COLUMNS):
    header = msgspec.structs.replace(HEADER, columns=columns)
    check = ReleaseCheck(Recording(header, iter([old])), iter([new]))
    return [(change.what, change.fields, change.columns) for change in check], check


def test_what_differs_in_a_row_is_told():
    """Fields of the answer, also those that came or went; columns; and, if nothing else, the order."""
    stream = STREAMS[1]
    before = row(stream, answer=1, columns={"status": 1}, fields={"/a": 1, "/b": 2, "/c": 3})
    after = row(stream, answer=2, columns={"status": 2}, fields={"/a": 1, "/b": 3, "/d": 4})

    assert [("changed", ("/b", "/d", "/c"), ("status",))] == differing(before, after)[0]
    assert [("changed", (), ("status",))] == differing(
        before, msgspec.structs.replace(after, answer="1", fields=before.fields)
    )[0]
    assert [("changed", (ORDER,), ())] == differing(before, msgspec.structs.replace(before, answer="2"))[0]
    assert [] == differing(before, before)[0]


def test_a_column_that_only_one_has_is_no_difference_of_rows():
    """It is told once instead: the answers are what they were."""
    stream = STREAMS[1]
    fewer = COLUMNS | {"deployments": ["colour", *COLUMNS["deployments"][1:]]}
    before = msgspec.structs.replace(row(stream), row="other")
    found, check = differing(before, row(stream, columns={"valid_until": 7}), fewer)

    assert [] == found
    assert (["deployments.colour"], ["deployments.valid_until"]) == (check.only_old, check.only_new)
