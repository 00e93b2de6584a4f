"""Fixtures of the contract's tests: one service for all of them, and a workspace of its own for each."""

import psycopg
import pytest

from tests.contract import wire
from tests.support.service import Service


@pytest.fixture(scope="session")
def contract_database_url(postgres_servers):
    """The address of the database behind the service."""
    with postgres_servers("18").new_database() as url:
        yield url


@pytest.fixture(scope="session")
def contract_url(contract_database_url):
    """The base address of the service; tests keep apart by their workspaces."""
    service = Service("--database-url", contract_database_url)
    yield service.url
    service.end()


@pytest.fixture(scope="session")
def http(contract_url):
    """A client of the service."""
    with wire.client(contract_url) as http:
        yield http


@pytest.fixture
def workspace(http):
    """A `wire.Workspace` in which nothing is stored yet."""
    return wire.Workspace(http, wire.unique("w"))


@pytest.fixture(scope="session")
def _connection(contract_database_url):
    with psycopg.connect(contract_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def events(_connection):
    """Call it for the number of events in the whole log."""
    return lambda: _connection.execute("SELECT count(*) FROM stored_events").fetchone()[0]
