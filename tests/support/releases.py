"""Another release of this program: a copy of its packages with something changed, run as processes of their own."""

import json
import os
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from tests.support.service import PROGRAM

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "domain", "projections")


class Release:
    """This checkout with `changes`: files, old texts, new texts."""

    def __init__(self, directory, changes):
        self.directory = directory
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, directory / package, ignore=ignored)
        for file, old, new in changes:
            path = directory / file
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new))

    @property
    def environ(self):
        """What makes Python take the packages from here."""
        return {"PYTHONPATH": str(self.directory)}

    def run(self, *arguments):
        """The program's exit code and all that it prints."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("DEPLOYMENT_LEDGER_")}
        done = subprocess.run(
            [PROGRAM, *map(str, arguments)],
            env={**own, **self.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    @cached_property
    def versions(self):
        """The versions of its projections."""
        return json.loads(self.run("version", "--json")[1])["projections"]
