"""The benchmark in its quick form: right answers, told in a report; how fast is nobody's business here."""

import json
from itertools import pairwise

import psycopg
import pytest

from app.bench import rebuild
from app.bench.loading import load
from app.bench.measurements import Measurement, WrongAnswer
from app.bench.workload import Workload
from app.cli import run
from app.event_log import EventMapper
from tests.support.rebuild import Rebuild


def test_the_quick_form_writes_reports(tmp_path, capsys):
    """Everything is measured and checked, and the reports say it for people and for programs.

    Here those of two suites; all take half a minute: `scripts/bench --quick`.
    """
    suites = ("status", "watch")
    only = [part for suite in suites for part in ("--only", suite)]
    code = run(["bench", "--quick", *only, "--output", str(tmp_path)])
    out, err = capsys.readouterr()

    assert 0 == code, err
    for line in ("| service, 1 worker / pgbench, 64 clients | x |", "| 5 watchers, 1 worker: 99 % | ms |"):
        assert line in out
    for suite in suites:
        [found] = json.loads((tmp_path / f"{suite}.json").read_text())["suites"]
        assert all(
            m["values"] and min(m["values"]) >= 0 for s in found["sections"] for m in s["measurements"]
        )
        report = (tmp_path / f"{suite}.md").read_text()
        assert f"scripts/bench --only {suite} --quick" in report
        assert report in out
    assert "| [status](status.md) |" in (tmp_path / "README.md").read_text()


def test_a_wrong_row_fails_the_run(database_url):
    """What readers see is compared with the log in memory, and what is wrong is named."""
    workload = Workload(1, 1_000)
    load(database_url, workload.write(), 1_000)
    assert Rebuild(database_url).finish(slice_events=500, accept=True).switched
    rebuild.check(database_url, workload.streams, 1_000)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE deployment_versions SET body = replace(body, 'team-00', 'team-0O')")

    with pytest.raises(
        WrongAnswer, match=r"are not what the log adds up to, such as \('deployments', 'team-00', "
    ):
        rebuild.check(database_url, workload.streams, 1_000)


def test_a_workload_is_a_log():
    """The same for the same seed, dense, its times growing, with all kinds of events but rollbacks of configs."""
    log, again = (list(Workload(7, 20_000).write()) for _ in range(2))
    other = list(Workload(8, 20_000).write())

    assert log == again
    assert log != other
    assert list(range(1, 20_001)) == [recorded.position for recorded in log]
    assert all(a.event.at < b.event.at for a, b in pairwise(log))
    mapper = EventMapper()
    assert 9 == len({mapper.to_stored_event(recorded).topic for recorded in log})


def test_goals():
    """A goal is reached by the median, and not where there is none."""
    assert Measurement("m", "x", (0.1, 0.7, 0.8), goal=0.6).reached
    assert not Measurement("m", "x", (0.1, 0.5, 0.8), goal=0.6).reached
    assert Measurement("m", "ms", (0.1, 0.5, 0.8), goal=0.6, at_most=True).reached
    assert not Measurement("m", "ms", (0.1, 0.7, 0.8), goal=0.6, at_most=True).reached
    assert Measurement("m", "x", (0.1,)).reached is None
