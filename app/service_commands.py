"""The commands around the service: `serve`, `migrate` and `version`."""

import os
from importlib.metadata import version as installed_version
from typing import Annotated

from cyclopts import Parameter

from app import migrations
from app import serve as supervisor
from app.command_line import (
    DONE,
    NO_FLAGS,
    AllFlags,
    AsJson,
    DatabaseFlags,
    SettingsFile,
    print_json,
    print_line,
)
from app.database import database
from app.projection_versions import own_versions
from app.rebuild.building import build_in_process
from app.roles import SetUp, preparation, set_up
from app.settings import resolve


def serve(*, settings: SettingsFile = None, flags: AllFlags = NO_FLAGS) -> int:
    """Serve the API until SIGTERM; without `--database-url` from a PostgreSQL of its own in `--data-dir`.

    Brings the database's schema up to date first, and prints one line once it listens. `--owner-url` is used
    for the first only: requests are served with the rights of `--database-url`.

    ```
    deployment-ledger serve
    deployment-ledger serve --port 9000 --workers 2 --data-dir /var/lib/deployment-ledger
    deployment-ledger serve --database-url postgresql://ledger@db.example/ledger --log-format json
    ```
    """
    supervisor.serve(resolve(flags, os.environ, settings).settings, build=build_in_process)
    return DONE


def migrate(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only list what would be applied.")] = False,
    print_roles: Annotated[
        bool, Parameter(negative="", help="Only print the SQL that an administrator has to execute first.")
    ] = False,
    json: AsJson = False,
    settings: SettingsFile = None,
    flags: DatabaseFlags = NO_FLAGS,
) -> int:
    """Bring the database's schema up to date, and set up its roles.

    A database `ledger` gets the role `ledger_owner`, which owns the tables; `ledger_runtime` for `serve`,
    which can change neither events nor the schema; and `ledger_reader`, which reads. `serve` does the same
    when it starts, if it has an owner's address beside its own.

    ```
    deployment-ledger migrate --dry-run
    deployment-ledger migrate --owner-url postgresql://admin@db.example/ledger
    deployment-ledger migrate --owner-url postgresql://admin@db.example/ledger --print-roles | psql …
    ```
    """
    with database(resolve(flags, os.environ, settings).settings) as found:
        if print_roles:
            for statement in preparation(found.owner_url):
                print_line(f"{statement};")
            return DONE
        if dry_run:
            titles, done = migrations.pending(found.owner_url), None
        else:
            done = set_up(found.owner_url)
            titles = done.applied
    if json:
        print_json({"pending": titles} if done is None else {**done._asdict(), "roles": done.roles._asdict()})
        return DONE
    for title in titles:
        print_line(f"{'pending' if dry_run else 'applied'} {title}")
    if not titles:
        print_line("the schema is up to date")
    if done is not None:
        print_line(_told(done))
    return DONE


def version(*, json: AsJson = False) -> int:
    """Print the installed version; as JSON, those of the projections as well.

    ```
    deployment-ledger version --json
    ```
    """
    number = installed_version("deployment-ledger")
    if json:
        print_json({"version": number, "projections": own_versions()})
    else:
        print_line(number)
    return DONE


def _told(done: SetUp) -> str:
    owner, runtime, reader = done.roles
    if done.problem is not None:
        return (
            f"the roles {owner}, {runtime} and {reader} were not set up ({done.problem}); the SQL that an "
            "administrator has to execute first: deployment-ledger migrate --print-roles"
        )
    text = f"{owner} owns the tables, {runtime} is for serve, {reader} is for reading"
    if runtime in done.created:
        text += (
            f"\n{runtime} is new: give it a password if it needs one to log in (psql: \\password {runtime})"
        )
    return text
