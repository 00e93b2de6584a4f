import pytest

from tests.torture.answers import NoAnswer, parse
from tests.torture.fuzzing import fuzz
from tests.torture.hostile_requests import request
from tests.torture.parsers import read

SEED = 1


def test_hostile_requests_are_answered(live_service, data_dir):
    """Damaged requests are answered below 500, each its own answer, and what was accepted can be read again."""
    service = live_service("--data-dir", data_dir, "--log-level", "warning")

    report = fuzz(service, seed=SEED, requests=2_000, data_dir=data_dir)

    assert [] == report.problems
    assert report.statuses.total() >= 2_000
    assert report.read_back > 0
    assert {200, 201, 202, 204, 400, 404, 405, 409, 412, 422} <= set(report.statuses)


def test_hostile_requests_are_read():
    """No parser raises anything but its refusals, and none takes long."""
    for number in range(4_000):
        read(request(SEED, number))


def test_the_same_number_is_the_same_request():
    """A failure can be repeated from its seed and number."""
    assert [request(7, number) for number in range(50)] == [request(7, number) for number in range(50)]
    assert request(7, 0) != request(8, 0)


@pytest.mark.parametrize(
    "received", [b"x", b"HTTP/1.1 99\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n0\r\n\r\nHTTP", b"HTTP/2 200\r\n\r\n"]
)
def test_what_is_no_answer_is_seen(received):
    """Bytes that do not follow HTTP are never skipped: they are how a lost connection shows."""
    with pytest.raises(NoAnswer):
        _, size = parse(received)
        parse(received[size:])
