"""What `serve --on-stale=build` does about the rebuild that it finds: goes on, makes room, or waits for an operator."""

import pytest

from app.projection_versions import stale_in
from app.rebuild.building import _built
from app.rebuild.run import go_on, start
from tests.support.audit import fill
from tests.support.builders import create, create_config
from tests.support.rebuild import SILENT, Rebuild


@pytest.fixture
def rebuild(database_url):
    """A log, and live tables of configs that are of an earlier release."""
    fill(database_url, [create_config(), create()])
    found = Rebuild(database_url)
    found.execute(
        "UPDATE projection_versions SET version = 'earlier', release = '0.1' WHERE resource = 'deployment-configs'"
    )
    return found


def stale(rebuild):
    with rebuild.turn() as connection:
        return [each.resource for each in stale_in(connection)]


def test_room_is_made_where_the_last_switch_was_of_another_projection(rebuild):
    """That was a rebuild of versions that this program has as well, so it is its own, and has ended."""
    with rebuild.turn() as connection:
        start(connection, ["deployments"])
        go_on(connection, rebuild.inline, SILENT)
    assert ["deployment-configs"] == stale(rebuild)

    assert _built(rebuild.database_url)

    assert [] == stale(rebuild)


def test_an_unfinished_rebuild_of_another_projection_is_left_alone(rebuild):
    """It would not make anything that is stale live, and its differences would be taken without a look."""
    with rebuild.turn() as connection:
        start(connection, ["deployments"])

    assert not _built(rebuild.database_url)

    assert [("building",)] == rebuild.execute("SELECT state FROM rebuild.run")
    assert ["deployment-configs"] == stale(rebuild)
