"""Beyond the contract: ETag, If-Match and If-None-Match, which no client of the reference sends."""

import re

import pytest

from tests.contract import wire

ALICE = {"X-NMP-Principal-Id": "alice"}


@pytest.fixture
def deployed(workspace):
    """A workspace with two versions of `c` and of `d`."""
    workspace.config()
    workspace.update_config()
    workspace.deployment()
    workspace.update()
    return workspace


def etag(response):
    assert response.is_success, response.text
    return response.headers["etag"]


def test_single_objects_have_strong_etags(deployed):
    """In answers to reads and writes alike; pages, arrays and empty answers have none."""
    single = [
        deployed.get(path) for path in ("deployments/d", "deployments/d/versions/1", "deployment-configs/c")
    ]
    single.append(deployed.get("deployment-configs/c/versions/1"))
    single.append(deployed.post("deployments", {"name": "e", "config": "c"}))
    single.append(deployed.post("deployments/e", {"config": "c"}))
    single.append(deployed.post("deployments/e/status", {"status": "READY"}))
    single.append(deployed.post("deployment-configs", {"name": "e", **wire.SPEC}))
    single.append(deployed.post("deployment-configs/e", wire.SPEC))
    others = [deployed.get(path) for path in ("deployments", "deployments/d/versions", "deployments/x")]
    others.append(deployed.delete("deployments/e"))

    assert all(re.fullmatch(r'"[^"]+"', etag(response)) for response in single)
    assert len({etag(response) for response in single}) == len(single)
    assert not [response for response in others if "etag" in response.headers]


def test_an_etag_changes_exactly_when_the_object_does(deployed):
    """A write to one version leaves the tags of all others alone; a write that changes nothing, all of them."""
    paths = ["deployments/d", "deployments/d/versions/1", "deployments/d/versions/2", "deployment-configs/c"]

    def tags():
        return [etag(deployed.get(path)) for path in paths]

    def changed(write):
        before = tags()
        write()
        return [old != new for old, new in zip(before, tags(), strict=True)]

    assert [False] * 4 == changed(lambda: deployed.deployment("e"))
    assert [True, False, True, False] == changed(lambda: deployed.report("READY", "x"))
    assert [False] * 4 == changed(lambda: deployed.report("READY", "x"))
    assert [False, True, False, False] == changed(lambda: deployed.report("LOST", version=1))
    assert [True, False, True, False] == changed(lambda: deployed.delete("deployments/d/versions/2"))
    assert [False] * 4 == changed(lambda: deployed.delete("deployments/d/versions/2"))
    assert [True, False, False, False] == changed(deployed.update)
    assert [False, False, False, True] == changed(deployed.update_config)


def test_one_event_gives_each_version_its_own_etag(deployed):
    """When the latest of two that were deleted together is gone, the other is not taken for it."""
    deployed.delete("deployments/d")
    marked = deployed.get("deployments/d")
    deployed.report("DELETED")
    deployed.delete(f"deployments/d/versions/{marked.json()['entity_version']}")

    left = deployed.get("deployments/d", headers={"if-none-match": etag(marked)})

    assert 200 == left.status_code
    assert etag(marked) != etag(left)
    stale = deployed.request(
        "POST", "deployments/d", json={"config": "c"}, headers={"if-match": etag(marked)}
    )
    assert 412 == stale.status_code


def test_what_readers_see_differently_has_different_etags(deployed):
    """A cache may not show one reader what another one sees."""
    everything, less = deployed.get("deployments/d"), deployed.get("deployments/d", headers=ALICE)

    assert everything.content != less.content
    assert etag(everything) != etag(less)
    assert "X-NMP-Principal-Id" in everything.headers["vary"]
    assert etag(deployed.get("deployment-configs/c")) == etag(
        deployed.get("deployment-configs/c", headers=ALICE)
    )


@pytest.mark.parametrize("headers", [{}, ALICE])
@pytest.mark.parametrize(
    "path",
    ["deployments/d", "deployments/d/versions/1", "deployment-configs/c", "deployment-configs/c/versions/1"],
)
def test_unchanged_objects_are_not_sent_again(deployed, path, headers):
    """304 for a reader that has what is stored, in any way to say so."""
    tag = etag(deployed.get(path, headers=headers))

    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        response = deployed.get(path, headers={**headers, "If-None-Match": known})
        assert (304, b"", tag) == (response.status_code, response.content, response.headers["etag"])
    for other in ('"x"', "", "nonsense", tag.strip('"')):
        assert 200 == deployed.get(path, headers={**headers, "If-None-Match": other}).status_code


WRITES = {
    "update": ("POST", "deployments/d", {"config": "c"}, "deployments/d"),
    "report": ("POST", "deployments/d/status", {"status": "READY"}, "deployments/d"),
    "report on a version": (
        "POST",
        "deployments/d/status?version=1",
        {"status": "READY"},
        "deployments/d/versions/1",
    ),
    "delete": ("DELETE", "deployments/d", None, "deployments/d"),
    "delete a version": ("DELETE", "deployments/d/versions/1", None, "deployments/d/versions/1"),
    "update a config": ("POST", "deployment-configs/c", wire.SPEC, "deployment-configs/c"),
    "delete a config": ("DELETE", "deployment-configs/free", None, "deployment-configs/free"),
    "delete a config version": (
        "DELETE",
        "deployment-configs/c/versions/1",
        None,
        "deployment-configs/c/versions/1",
    ),
}


def write(workspace, case, tag, headers=None):
    method, path, body, _ = WRITES[case]
    sent = {"If-Match": tag, **(headers or {})}
    return (
        workspace.delete(path, headers=sent)
        if method == "DELETE"
        else workspace.post(path, body, headers=sent)
    )


@pytest.mark.parametrize("case", WRITES)
def test_a_stale_write_changes_nothing(deployed, events, case):
    """412 in the contract's shape, final for clients; weak tags and tags of others match nothing."""
    deployed.config("free")
    tag = etag(deployed.get(WRITES[case][3]))
    before = events()

    for stale in ('"0"', '"x"', f"W/{tag}", f'"x", W/{tag}'):
        response = write(deployed, case, stale)
        assert 412 == response.status_code, response.text
        assert isinstance(response.json()["detail"], str)
        assert "false" == response.headers["x-should-retry"]
    assert before == events()


@pytest.mark.parametrize("case", WRITES)
@pytest.mark.parametrize("spelling", ["{}", '"x", {}', "*", "{},"])
def test_a_write_on_what_was_read_goes_through(deployed, events, case, spelling):
    """The tag alone, in a list, or any at all."""
    deployed.config("free")
    tag = etag(deployed.get(WRITES[case][3]))
    before = events()

    assert write(deployed, case, spelling.format(tag)).is_success
    assert before + 1 == events()


def test_a_reader_that_sees_less_may_write_on_it(deployed):
    """Its tag stands for the same state."""
    tag = etag(deployed.get("deployments/d", headers=ALICE))
    first, second = (write(deployed, "update", tag, ALICE) for _ in range(2))

    assert (201, 412) == (first.status_code, second.status_code)
    assert 201 == write(deployed, "update", etag(first), ALICE).status_code


def test_a_report_of_what_is_known_needs_a_fresh_tag_too(deployed):
    """The condition is about the state, not about whether the write would change it."""
    old = etag(deployed.get("deployments/d"))
    deployed.report("READY", "")

    assert 412 == write(deployed, "report", old).status_code


@pytest.mark.parametrize("tag", ["nonsense", "'1'", '"1', "1", '"a" "b"', '*, "1"', ""])
@pytest.mark.parametrize("case", ["update", "delete"])
def test_malformed_conditions(deployed, events, case, tag):
    """A 400 that names the header."""
    before = events()
    status, detail = wire.refusal(write(deployed, case, tag))

    assert 400 == status
    assert "If-Match" in detail
    assert before == events()


def test_conditions_on_what_is_not_there(workspace, events):
    """What is missing is said first; a creation cannot match anything."""
    workspace.config()
    before = events()
    headers = {"If-Match": "*"}

    assert 400 == workspace.post("deployments/x", {"config": "c"}, headers=headers).status_code
    assert 404 == workspace.delete("deployments/x", headers=headers).status_code
    assert 412 == workspace.post("deployments", {"name": "x", "config": "c"}, headers=headers).status_code
    assert (
        412 == workspace.post("deployment-configs", {"name": "x", **wire.SPEC}, headers=headers).status_code
    )
    assert before == events()
