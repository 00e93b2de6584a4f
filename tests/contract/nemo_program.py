"""The official command line, run as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self):
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)


class Nemo:
    """The program `nemo`: its `environ` says where the service is, and has no other settings."""

    def __init__(self, url, home):
        own = {key: value for key, value in os.environ.items() if not key.startswith(("NMP_", "NEMO_"))}
        self.environ = own | {"HOME": str(home), "NMP_BASE_URL": url, "COLUMNS": "1000", "NO_COLOR": "1"}
        self.executable = Path(sys.executable).with_name("nemo")
        self._forking = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("nemo_fork.py")],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, stdin=""):
        """Run `nemo inference …` in a process forked from one that has done the imports."""
        command = {"arguments": ["inference", *arguments], "stdin": stdin}
        self._forking.stdin.write(json.dumps(command) + "\n")
        self._forking.stdin.flush()
        return Outcome(**json.loads(self._forking.stdout.readline()))

    def run_executable(self, *arguments, **environ):
        """Run `nemo …` itself."""
        result = subprocess.run(
            [self.executable, *arguments],
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(result.returncode, result.stdout, result.stderr)

    def close(self):
        """Wait for the forking process to end."""
        self._forking.communicate()
