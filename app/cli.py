"""The command line `deployment-ledger`; exit codes: 0 done, 1 failed, 2 a wrong command line or setting."""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

import msgspec
import psycopg
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Table

from app import migrations
from app import serve as supervisor
from app.audit.commands import app as audit
from app.database import database
from app.policy_commands import app as policy
from app.projection_versions import own_versions
from app.rebuild.building import build_in_process
from app.rebuild.commands import app as rebuild
from app.roles import SetUp, preparation, set_up
from app.settings import DATABASE_URLS, DEFAULTS, FIELD_TYPES, BadSetting, Resolved, describe, masked, resolve

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2

EPILOGUE: Final = """
Every setting can be given as a flag (`--data-dir`), as an environment variable
(`DEPLOYMENT_LEDGER_DATA_DIR`) or in a TOML file (`data_dir = "…"`) named by `--settings`; the first of these
wins, and `deployment-ledger settings` shows the outcome.

Exit codes: 0 done, 1 failed, 2 wrong command line or setting.
"""

app = App(
    name="deployment-ledger",
    help="The system of record for model deployments: every change is an event in PostgreSQL.",
    help_epilogue=EPILOGUE,
    help_format="markdown",
    version=lambda: installed_version("deployment-ledger"),
    result_action="return_value",
)

SettingsFile = Annotated[Path | None, Parameter(help="TOML file with settings.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]

if TYPE_CHECKING:
    AllFlags = Mapping[str, str]
    DatabaseFlags = Mapping[str, str]
else:

    def _flags(title: str, names: list[str]) -> Any:
        # Values stay text here: app.settings reads them and says what is wrong, as for the other sources.
        defaults = {name: getattr(DEFAULTS, name) for name in names}
        helps = {
            name: f"{describe(name)}" + (f" [default: {default}]" if default is not None else "")
            for name, default in defaults.items()
        }
        fields = {name: Annotated[str, Parameter(help=text, negative="")] for name, text in helps.items()}
        return Annotated[TypedDict(title, fields, total=False), Parameter(name="*")]

    AllFlags = _flags("AllFlags", list(FIELD_TYPES))
    DatabaseFlags = _flags("DatabaseFlags", ["database_url", "owner_url", "data_dir"])

NO_FLAGS: Final[Mapping[str, str]] = {}

app.command(audit)
app.command(policy)
app.command(rebuild)
# Loaded when it is asked for: the service does not pay for it.
app.command("app.bench.commands:app", name="bench")


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; what went wrong is said on stderr."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        code = app(list(arguments), exit_on_error=False, print_error=True, error_console=errors)
    except (CycloptsError, BadSetting) as error:
        if isinstance(error, BadSetting):
            errors.print(f"deployment-ledger: bad setting: {error}")
        return WRONG_USE
    except supervisor.START_REFUSALS as error:
        errors.print(f"deployment-ledger: {error}")
        return FAILED
    except psycopg.OperationalError as error:
        errors.print(f"deployment-ledger: the database failed: {error}")
        return FAILED
    return code if isinstance(code, int) else DONE


@app.command
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


@app.command
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
                _print(f"{statement};")
            return DONE
        if dry_run:
            titles, done = migrations.pending(found.owner_url), None
        else:
            done = set_up(found.owner_url)
            titles = done.applied
    if json:
        _print_json(
            {"pending": titles} if done is None else {**done._asdict(), "roles": done.roles._asdict()}
        )
        return DONE
    for title in titles:
        _print(f"{'pending' if dry_run else 'applied'} {title}")
    if not titles:
        _print("the schema is up to date")
    if done is not None:
        _print(_told(done))
    return DONE


@app.command(name="settings")
def show_settings(*, json: AsJson = False, settings: SettingsFile = None, flags: AllFlags = NO_FLAGS) -> int:
    """Show every setting as `serve` would use it, and where its value comes from.

    ```
    deployment-ledger settings
    deployment-ledger settings --settings ledger.toml --port 9000 --json
    ```
    """
    rows = _rows(resolve(flags, os.environ, settings))
    if json:
        _print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return DONE
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value, origin in rows:
        table.add_row(
            name, "-" if value is None else str(value), origin, style=None if origin == "default" else "bold"
        )
    Console().print(table)
    return DONE


@app.command
def version(*, json: AsJson = False) -> int:
    """Print the installed version; as JSON, those of the projections as well.

    ```
    deployment-ledger version --json
    ```
    """
    number = installed_version("deployment-ledger")
    if json:
        _print_json({"version": number, "projections": own_versions()})
    else:
        _print(number)
    return DONE


def _rows(resolved: Resolved) -> list[tuple[str, Any, str]]:
    values = msgspec.structs.asdict(resolved.settings)
    for name in DATABASE_URLS:
        if values[name] is not None:
            values[name] = masked(values[name])
    return [(name, value, resolved.origins[name]) for name, value in values.items()]


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


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _print_json(data: Any) -> None:
    _print(msgspec.json.encode(data).decode())
