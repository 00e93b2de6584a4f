"""Section 6 and defects 8 and 9: reporting a status, and the history of reports."""

import pytest

from tests.contract import wire

LOCKED = "Deployment is marked for deletion (DELETING). Only transition to DELETED is allowed."
REQUESTED = "Deployment deletion requested"


@pytest.fixture
def deployed(workspace):
    """A workspace with the deployment `d`."""
    workspace.config()
    workspace.deployment()
    return workspace


def report(workspace, status, message="", **options):
    return workspace.post("deployments/d/status", {"status": status, "status_message": message}, **options)


def history(deployment):
    return [(entry["status"], entry["status_message"]) for entry in deployment["status_history"]]


@pytest.mark.parametrize("before", wire.STATUSES)
def test_any_status_follows_any_other_but_deleting(deployed, before):
    """A version that is DELETING accepts only DELETED, not even DELETING again."""
    for after in wire.STATUSES:
        deployed.report("DELETED", "between")  # the way out of DELETING
        deployed.report(before, "before")
        response = report(deployed, after, "after")

        if before == "DELETING" and after != "DELETED":
            assert (409, LOCKED) == wire.refusal(response)
            assert "false" == response.headers["x-should-retry"]
        else:
            stored = wire.done(200, response)
            assert (after, "after") == (stored["status"], stored["status_message"])


def test_deleting_is_not_repeated_even_word_for_word(deployed, events):
    """The lock comes before the comparison with what is stored."""
    deployed.report("DELETING", "x")
    before = events()

    assert (409, LOCKED) == wire.refusal(report(deployed, "DELETING", "x"))
    assert before == events()


def test_a_report_changes_the_version_in_place(deployed):
    """No new version; only status, message, provider, history and the time of the change are other ones."""
    first = deployed.read()
    second = deployed.report("READY", "up", model_provider_id="ws/p")

    changed = {key for key in first if first[key] != second[key]}
    assert {"status", "status_message", "model_provider_id", "status_history", "updated_at"} == changed
    assert second == deployed.read()


def test_a_report_may_name_an_older_version(deployed):
    """The latest stays as it is."""
    second = deployed.update()
    first = deployed.report("LOST", "gone", version="1")

    assert (1, "LOST") == (first["entity_version"], first["status"])
    assert second == deployed.read()


def test_a_message_that_is_left_out_is_empty(deployed):
    """It is not kept."""
    deployed.report("READY", "up")

    assert "" == deployed.report("ERROR")["status_message"]


@pytest.mark.parametrize("message", ["x" * 1000, "é" * 1000, 'a"b\\c\td', ""])
def test_messages_are_kept_as_they_are(deployed, message):
    """A thousand characters at most."""
    assert message == deployed.report("READY", message)["status_message"]
    assert [("string_too_long", ["body", "status_message"])] == wire.findings(
        report(deployed, "READY", "x" * 1001)
    )


def test_the_provider_is_kept_until_another_is_given(deployed):
    """Null is as good as nothing; the empty text is a text."""
    steps = [({}, None), ({"model_provider_id": "ws/p"}, "ws/p"), ({}, "ws/p")]
    steps += [({"model_provider_id": None}, "ws/p"), ({"model_provider_id": ""}, ""), ({}, "")]
    seen = [
        deployed.report("PENDING", f"{number}", **fields)["model_provider_id"]
        for number, (fields, _) in enumerate(steps)
    ]

    assert [provider for _, provider in steps] == seen


def test_a_report_of_what_is_known_changes_nothing(deployed, events):
    """Same status, same message: the same bytes, the same ETag, no event."""
    workspace = deployed
    first = report(workspace, "READY", "up")
    before = events()
    second = report(workspace, "READY", "up")

    assert (200, first.content, first.headers["etag"]) == (
        second.status_code,
        second.content,
        second.headers["etag"],
    )
    assert before == events()


def test_a_new_provider_alone_is_stored(deployed):
    """It touches `updated_at` and leaves no entry in the history."""
    first = deployed.report("READY", "up", model_provider_id="ws/p")
    second = deployed.report("READY", "up", model_provider_id="ws/q")

    assert {**first, "model_provider_id": "ws/q", "updated_at": second["updated_at"]} == second
    assert first["updated_at"] < second["updated_at"]


def test_the_example_of_the_contract(deployed):
    """How it began, each report, and the deletion."""
    deployed.report("READY", "r")
    deployed.delete("deployments/d")
    stored = deployed.report("DELETED", "gone")

    expected = [
        ("CREATED", "Deployment created"),
        ("READY", "r"),
        ("DELETING", REQUESTED),
        ("DELETED", "gone"),
    ]
    assert expected == history(stored)


def test_the_history_of_an_updated_version_begins_pending(deployed):
    """Each version has a history of its own, which starts empty."""
    deployed.report("READY", "r")
    second = deployed.update()
    reported = deployed.report("READY", "again")

    assert [] == second["status_history"]
    assert [("PENDING", "Deployment update pending"), ("READY", "again")] == history(reported)
    assert [("CREATED", "Deployment created"), ("READY", "r")] == history(
        deployed.read("deployments/d/versions/1")
    )


def test_history_is_written_when_it_happens(deployed):
    """The first entry has the time of creation; a deletion is there at once; the last entry is the state."""
    created = deployed.read()
    deployed.report("READY", "r")
    deployed.delete("deployments/d")
    stored = deployed.read()

    assert [("CREATED", "Deployment created"), ("READY", "r"), ("DELETING", REQUESTED)] == history(stored)
    times = [entry["timestamp"] for entry in stored["status_history"]]
    assert created["created_at"] == times[0]
    assert stored["updated_at"] == times[-1]
    assert sorted(times) == times


def test_a_deletion_alone_has_a_history(deployed):
    """A version that nobody reported on has one once it is deleted."""
    deployed.delete("deployments/d")

    assert [("CREATED", "Deployment created"), ("DELETING", REQUESTED)] == history(deployed.read())


def test_equal_neighbours_are_one_entry(deployed):
    """A report of how it began adds nothing, one that returns to an earlier state does."""
    deployed.report("CREATED", "Deployment created")
    assert [] == deployed.read()["status_history"]

    deployed.report("READY", "")
    deployed.report("READY", "")
    stored = deployed.report("CREATED", "Deployment created")

    assert [("CREATED", "Deployment created"), ("READY", ""), ("CREATED", "Deployment created")] == history(
        stored
    )


def test_the_last_hundred_entries_are_kept(deployed):
    """The oldest go first."""
    for number in range(105):
        deployed.report("PENDING", f"{number}")

    assert [("PENDING", f"{number}") for number in range(5, 105)] == history(deployed.read())


def test_reports_on_what_is_not_stored(workspace):
    """Two texts, with and without a version."""
    absent = f"Deployment '{workspace.name}/d'"

    assert (404, f"{absent} not found") == wire.refusal(report(workspace, "READY"))
    answer = report(workspace, "READY", params={"version": "1"})
    assert (404, f"{absent} version '1' not found") == wire.refusal(answer)
