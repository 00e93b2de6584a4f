"""Fixtures for all suites: real PostgreSQL servers, a fresh database per test, the service as a process."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app.embedded_postgres import EmbeddedPostgres
from app.postgres_programs import PostgresUnavailable
from tests.support.postgres import SERVER_BINS, database_server, short_directory
from tests.support.service import Service

# Examples touch a real database, whose speed on a shared machine is no property of ours.
NO_CLOCK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **NO_CLOCK)
settings.register_profile("ci", max_examples=100, print_blob=True, **NO_CLOCK)
settings.load_profile("dev")


def pytest_configure(config):
    # Whoever runs this in the background may have interrupts ignored, and what tests start would inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "both_servers: run on the oldest supported PostgreSQL as well (fixture postgres)"
    )


def pytest_generate_tests(metafunc):
    if "postgres" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_servers"):
        metafunc.parametrize("postgres", list(SERVER_BINS), indirect=True)


@pytest.fixture(scope="session")
def postgres_servers():
    """Start each version's server once per test process, when first asked for."""
    with ExitStack() as stack:
        running = {}

        def server(version):
            if version not in running:
                running[version] = stack.enter_context(database_server(SERVER_BINS[version]))
            return running[version]

        yield server


@pytest.fixture
def postgres(request, postgres_servers):
    """A `DatabaseServer`: PostgreSQL 18, and 15 too for tests marked `both_servers`."""
    version = getattr(request, "param", "18")
    if SERVER_BINS[version] is None:
        pytest.skip(f"no binaries of PostgreSQL {version} on this machine")
    return postgres_servers(version)


@pytest.fixture
def database_url(postgres):
    """The address of a database of this test's own, with the schema up to date and nothing in it."""
    with postgres.new_database() as url:
        yield url


@pytest.fixture
def empty_database_url(postgres):
    """The address of a database of this test's own without any table."""
    with postgres.new_database(template="template0") as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_servers):
    """Like `database_url`, shared by the tests of a module."""
    with postgres_servers("18").new_database() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_15_bin():
    """The directory of PostgreSQL 15's binaries; skips where there are none."""
    if SERVER_BINS["15"] is None:
        pytest.skip("no binaries of PostgreSQL 15 on this machine")
    return SERVER_BINS["15"]


@pytest.fixture
def data_dir():
    """A directory for an embedded server; a server left running in it is stopped afterwards."""
    with short_directory() as directory:
        path = directory / "data"
        yield path
        stop_leftover(path)


@pytest.fixture
def live_service():
    """Start the real service: `live_service("--data-dir", path, …)` is a `Service`; it ends with the test."""
    with ExitStack() as stack:

        def start(*flags, **options):
            service = Service(*flags, **options)
            stack.callback(service.end)
            return service

        yield start


@pytest.fixture(scope="module")
def service_url(module_database_url):
    """The base address of a running service with an empty database, shared by the tests of a module."""
    service = Service("--database-url", module_database_url)
    try:
        yield service.url
    finally:
        service.end()


def stop_leftover(directory: Path) -> None:
    """Stop the embedded server that a killed service has left in `directory`."""
    if (directory / "postgres" / "postmaster.pid").exists():
        try:
            with EmbeddedPostgres(directory):
                pass
        except PostgresUnavailable:
            # A service still runs there; its own fixture ends it.
            return
