"""The command line `deployment-ledger`; exit codes: 0 done, 1 failed, 2 a wrong command line or setting."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from typing import Any, Final

import msgspec
import psycopg
from cyclopts import App, CycloptsError
from rich.console import Console
from rich.table import Table

from app.command_line import DONE, FAILED, NO_FLAGS, WRONG_USE, AllFlags, AsJson, SettingsFile, print_json
from app.refusals import StartRefused
from app.settings import DATABASE_URLS, BadSetting, Resolved, masked, resolve

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

# Each is loaded when it is asked for: nobody waits for what the others need.
app.command("app.service_commands:serve", name="serve")
app.command("app.service_commands:migrate", name="migrate")
app.command("app.service_commands:version", name="version")
app.command("app.audit.commands:app", name="audit")
app.command("app.policy_commands:app", name="policy")
app.command("app.rebuild.commands:app", name="rebuild")
app.command("app.bench.commands:app", name="bench")


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; what went wrong is said on stderr."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if not arguments or arguments[0] in app.help_flags:
        _load_commands()
    try:
        code = app(list(arguments), exit_on_error=False, print_error=True, error_console=errors)
    except (CycloptsError, BadSetting) as error:
        if isinstance(error, BadSetting):
            errors.print(f"deployment-ledger: bad setting: {error}")
        return WRONG_USE
    except StartRefused as error:
        errors.print(f"deployment-ledger: {error}")
        return FAILED
    except psycopg.OperationalError as error:
        errors.print(f"deployment-ledger: the database failed: {error}")
        return FAILED
    return code if isinstance(code, int) else DONE


def _load_commands() -> None:
    """Help says in a line what each is for, which only those that are loaded can tell."""
    for command in app:
        _ = app[command]


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
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
        return DONE
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value, origin in rows:
        table.add_row(
            name, "-" if value is None else str(value), origin, style=None if origin == "default" else "bold"
        )
    Console().print(table)
    return DONE


def _rows(resolved: Resolved) -> list[tuple[str, Any, str]]:
    values = msgspec.structs.asdict(resolved.settings)
    for name in DATABASE_URLS:
        if values[name] is not None:
            values[name] = masked(values[name])
    return [(name, value, resolved.origins[name]) for name, value in values.items()]
