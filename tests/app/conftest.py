"""Fixtures of the application's tests."""

import pytest

from tests.support.postgres import short_directory
from tests.support.secured import Secured


@pytest.fixture(scope="session")
def secured(postgres_servers):
    """A service that knows its callers by tokens; who changes its policy puts it back."""
    with postgres_servers("18").new_database() as url, short_directory() as directory:
        running = Secured(directory, url)
        yield running
        running.close()
