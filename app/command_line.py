"""What commands have in common: how settings are given, what they return, and how they print."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

import msgspec
from cyclopts import Parameter

from app.settings import DEFAULTS, FIELD_TYPES, describe

DONE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2

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


def print_line(text: str) -> None:
    """Print a line for people."""
    sys.stdout.write(f"{text}\n")


def print_json(data: Any) -> None:
    """Print a line for programs."""
    print_line(msgspec.json.encode(data).decode())
