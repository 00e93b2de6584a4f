"""Databases of earlier releases, and what must be true of a ledger wherever it came from."""

import json
from pathlib import Path

import httpx
import psycopg
import pytest

from app.cli import run
from tests.support import story
from tests.support.roles import runtime_url

SCHEMAS = Path(__file__).parent.parent / "app" / "schemas"
# Nobody had data in the first schema alone. It is where a process can have been killed, or a log be brought that
# was copied without its tables; they are made by a rebuild then.
BACK_TO_0001 = (
    "DROP TABLE public.deployment_versions, public.deployment_config_versions, public.projection_position;"
    "DELETE FROM public.schema_migrations WHERE version = 2"
)
NEXT = story.EVENTS + 1


def restore(url, schema):
    """Put the data of an earlier schema into an empty database; the answers of its release."""
    recorded = "0002" if schema == "0001" else schema
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((SCHEMAS / f"{recorded}.sql").read_text())
        if schema == "0001":
            connection.execute(BACK_TO_0001)
    return json.loads((SCHEMAS / f"{recorded}.json").read_text())


def told_and_answered(url):
    """Tell the story to a service; its answers, in the form of those that are recorded."""
    return {
        "repeated": story.tell(url),
        "asked": story.asked(url),
        "watched": story.watched(url, 3, story.EVENTS),
    }


def assert_it_is_the_same_ledger(service_url, database_url, answers, capsys):
    """Every answer is the recorded one, the log adds up, history is closed, and it goes on where it stopped."""
    assert answers["asked"] == story.asked(service_url)
    assert answers["repeated"] == story.repeated(service_url)
    assert answers["watched"] == story.watched(service_url, 3, story.EVENTS)
    for command in (["rebuild", "verify", "--workers", "1"], ["audit", "replay"]):
        assert 0 == run([*command, "--database-url", database_url]), capsys.readouterr()
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("DELETE FROM stored_events")
    with httpx.Client(base_url=f"{service_url}{story.API}/default", timeout=60) as client:
        etag = client.get("/deployments/b-c").headers["etag"]
        assert 304 == client.get("/deployments/b-c", headers={"If-None-Match": etag}).status_code
        assert (
            412 == client.post("/deployments/llama/rollback", json={}, headers={"If-Match": etag}).status_code
        )
        done = client.post("/deployments/llama/rollback", json={"version": "2"})
        assert 201 == done.status_code, done.text
        assert 422 == client.get("/watch", params={"after": NEXT + 1}).status_code
        assert 400 == client.get("/watch", headers={"Last-Event-ID": f"{NEXT + 1}"}).status_code
    assert f"id: {NEXT}\nevent: deployment.rolled-back" in story.watched(service_url, story.EVENTS, NEXT)
    assert '"ready"' in httpx.get(f"{service_url}/health/ready").text


def addresses(url):
    """Flags of `serve` with one address to migrate with and another one to serve with."""
    return ["--owner-url", url, "--database-url", runtime_url(url)]
