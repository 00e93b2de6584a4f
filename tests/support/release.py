"""Another release of the service: a copy of its packages with changes, run as a program of its own."""

import json
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from tests.support.service import Service

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "domain", "projections")

UPDATED = '''class DeploymentUpdated(_VersionAdded, frozen=True, kw_only=True, tag="deployment.updated"):
    """A further version was added; `config_version` is the number pinned when that was decided."""
'''
EVOLVED = {
    "domain/deployment.py": [
        (
            UPDATED,
            '''class DeploymentUpdated1(_VersionAdded, frozen=True, kw_only=True, tag="deployment.updated"):
    """As it was written until release 0.1."""


class DeploymentUpdated(Event, frozen=True, kw_only=True, tag="deployment.updated.2"):
    """A further version was added; `reference` is the config with the version pinned when that was decided."""

    version: int
    id: str
    project: str | None = None
    reference: str

    @property
    def config(self) -> str:
        return self.reference.partition("@")[0]

    @property
    def config_version(self) -> int:
        return int(self.reference.partition("@")[2])


def upcast_updated(former: DeploymentUpdated1) -> DeploymentUpdated:
    """The reference of which the first shape has the parts."""
    return DeploymentUpdated(
        at=former.at,
        by=former.by,
        reason=former.reason,
        version=former.version,
        id=former.id,
        project=former.project,
        reference=f"{former.config}@{former.config_version}",
    )
''',
        ),
        (
            "        config=command.config,\n        config_version=_require_config(command, pinned),\n",
            '        reference=f"{command.config}@{_require_config(command, pinned)}",\n',
        ),
    ],
    "domain/kinds.py": [
        (
            "from domain.deployment import DeploymentEvent",
            "from domain.deployment import DeploymentEvent, DeploymentUpdated1, upcast_updated",
        ),
        ("Upcast]] = {}", "Upcast]] = {DeploymentUpdated1: upcast_updated}"),
    ],
}
"""A release that stores `deployment.updated` in another shape, and reads both, as docs/events.md has it."""


class Release:
    """What the packages are after some texts in their files were replaced by others.

    `changes` has for each file old and new texts; an old one is there once, or as often as a number behind it says.
    """

    def __init__(self, directory, changes):
        self.directory = directory
        for package in PACKAGES:
            shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name, replacements in changes.items():
            path = directory / name
            text = path.read_text()
            for old, new, *times in replacements:
                assert (times or [1]) == [text.count(old)], (name, old)
                text = text.replace(old, new)
            path.write_text(text)

    def __call__(self, *arguments):
        """Run its command line: what came of it."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("DEPLOYMENT_LEDGER_")}
        return subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", *map(str, arguments)],
            cwd=self.directory,
            env={**own, **self.environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def serve(self, *flags):
        """Its service."""
        return Service(*flags, environ=self.environ, cwd=self.directory)

    @cached_property
    def versions(self):
        """The versions of its projections."""
        return json.loads(self("version", "--json").stdout)["projections"]

    @property
    def environ(self):
        """What makes Python take the packages from here."""
        return {"PYTHONPATH": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"}
