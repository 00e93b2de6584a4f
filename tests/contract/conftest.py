"""Fixtures of the contract's tests: one service for all of them, and a workspace of its own for each."""

import asyncio
import contextlib

import psycopg
import pytest

from tests.contract import wire
from tests.contract.blocking import Blocking
from tests.contract.nemo_program import Nemo
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


@pytest.fixture(scope="session", params=["fast path", "all layers"])
def http(request, contract_url):
    """A client of the service: whatever the contract says holds on either way that its requests may take."""
    with wire.client(contract_url, through_all_layers=request.param == "all layers") as http:
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


@pytest.fixture(scope="session", params=["sync", "async"])
def sdk(request, contract_url):
    """The `inference` part of the official client, synchronous and asynchronous."""
    from nemo_platform import AsyncNeMoPlatform, NeMoPlatform  # noqa: PLC0415 - takes seconds, for few modules

    if request.param == "sync":
        with NeMoPlatform(base_url=contract_url, workspace="default") as client:
            yield client.inference
        return
    with asyncio.Runner() as runner:
        client = AsyncNeMoPlatform(base_url=contract_url, workspace="default")
        yield Blocking(client.inference, runner.run)
        runner.run(client.close())


@pytest.fixture
def there(workspace):
    """The argument that addresses a workspace of the test's own."""
    return {"workspace": workspace.name}


@pytest.fixture
def deployed_sdk(sdk, there):
    """`sdk`, with a config `c` and a deployment `d` of it."""
    sdk.deployment_configs.create(name="c", **wire.SPEC, **there)
    sdk.deployments.create(name="d", config="c", **there)
    return sdk


@pytest.fixture(scope="session")
def nemo_program(contract_url, tmp_path_factory):
    """The official command line, pointed at the service."""
    with contextlib.closing(Nemo(contract_url, tmp_path_factory.mktemp("home"))) as program:
        yield program


@pytest.fixture
def nemo(nemo_program, workspace):
    """Run `nemo inference …` in a workspace of the test's own."""

    def run(*arguments, stdin=""):
        return nemo_program.run(*arguments, "--workspace", workspace.name, stdin=stdin)

    return run


@pytest.fixture
def deployed_nemo(nemo, workspace):
    """`nemo`, with a config `c` and a deployment `d` of it."""
    workspace.config()
    workspace.deployment()
    return nemo
