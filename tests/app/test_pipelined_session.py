from contextlib import contextmanager

import psycopg
import pytest

from app.connections import LimitedConnection
from app.pipelined_session import PipelinedSession

ADD = "INSERT INTO kept VALUES (%(n)s, %(text)s)"


@pytest.fixture
def connection(database_url):
    with LimitedConnection.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int UNIQUE, text text)")
        yield connection


@contextmanager
def transaction(connection, prepared):
    session = PipelinedSession(connection, prepared)
    session.execute("BEGIN")
    yield session
    if not connection.closed:
        connection.rollback()


def kept(connection):
    return connection.execute("SELECT n, text FROM kept ORDER BY n").fetchall()


def test_answers_belong_to_their_statements_in_whatever_order_they_are_read(connection):
    """Also of a statement that is used twice, and again in a later transaction."""
    prepared = {}
    for n in (1, 2):
        with transaction(connection, prepared) as session:
            session.execute(ADD, {"n": n, "text": None})
            many = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "b", "a": "a"})
            again = session.execute("SELECT %(a)s::text || %(b)s || %(a)s", {"b": "", "a": "z"})
            count = session.execute("SELECT count(*), NULL FROM kept")
            assert [(n, None)] == list(count)
            assert [("aba",)] == list(many)
            assert [("zz",)] == list(again)
            assert [(n, None)] == list(count)
            session.commit()

    assert [(1, None), (2, None)] == kept(connection)
    assert 5 == len(prepared)


def test_nothing_takes_place_if_one_statement_fails(connection):
    """Answers before it are there, whoever needs a later one gets the failure, and so does the commit."""
    with transaction(connection, {}) as session:
        before = session.execute("SELECT 1")
        session.execute(ADD, {"n": 1, "text": "a"})
        session.execute(ADD, {"n": 1, "text": "b"})
        after = session.execute("SELECT 2")
        assert [(1,)] == list(before)
        for use in (lambda: list(after), session.commit, session.exchange):
            with pytest.raises(psycopg.errors.UniqueViolation):
                use()

    assert [] == kept(connection)


def test_a_failure_in_the_round_of_the_commit_is_raised_by_it(connection):
    """The COMMIT was sent, and not carried out."""
    with transaction(connection, {}) as session, pytest.raises(psycopg.errors.UniqueViolation):
        session.execute(ADD, {"n": 1, "text": "a"})
        session.execute(ADD, {"n": 1, "text": "b"})
        session.commit()

    assert [] == kept(connection)


def test_what_could_not_be_prepared_is_prepared_again(connection):
    """What stands behind a failed statement as well as the failed one itself."""
    prepared = {}
    with transaction(connection, prepared) as session, pytest.raises(psycopg.errors.UndefinedTable):
        session.execute("SELECT 1")
        session.execute("SELECT n FROM later")
        session.execute("SELECT 3")
        session.commit()
    connection.execute("CREATE TABLE later AS SELECT 2 AS n")

    with transaction(connection, prepared) as session:
        answers = [
            session.execute(statement) for statement in ("SELECT 3", "SELECT n FROM later", "SELECT 1")
        ]
        assert [[(3,)], [(2,)], [(1,)]] == [list(answer) for answer in answers]


def test_large_parameters_and_answers_do_not_block_each_other(connection):
    """Neither side waits for the other to read first."""
    large = "x" * 2_000_000
    with transaction(connection, {}) as session:
        answers = [session.execute("SELECT %(text)s::text", {"text": large}) for _ in range(5)]
        assert [[(large,)]] * 5 == [list(answer) for answer in answers]


def test_a_connection_that_is_cut_in_the_middle_is_an_error(connection):
    """Answers from before are not believed to be all."""
    with transaction(connection, {}) as session:
        session.execute(ADD, {"n": 1, "text": "a"})
        cut = session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(psycopg.OperationalError):
            session.commit()
        with pytest.raises(psycopg.OperationalError):
            list(cut)

    assert connection.closed
