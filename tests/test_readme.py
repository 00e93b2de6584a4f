"""The README's walk-through is run as it is written, and prints what it shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import PROGRAM

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```(console|python|text)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (.*?(?:\n    .*?)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
SHOWN_URL = "http://127.0.0.1:8080"


def steps():
    """What to run, as (language, text, shown output); scripts that set up and start are run by other tests."""
    blocks = BLOCK.findall(README.read_text())
    for index, (language, text) in enumerate(blocks):
        if language == "console" and "./scripts/serve" not in text:
            for command, output in COMMAND.findall(text):
                yield "shell", command, output
        elif language == "python":
            yield "python", text, blocks[index + 1][1]


def masked(text):
    """Without what differs from run to run: times, ids, and the blanks that fill a table's columns."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z", "TIME", text)
    text = re.sub(r" {2,}|(?<=\S) +$", "  ", text, flags=re.MULTILINE)
    text = re.sub(r" +$|\(\d+\.\d s\)", "", text, flags=re.MULTILINE)
    return re.sub(r"(model-deployment(?:-config)?)-[1-9A-HJ-NP-Za-km-z]{21,22}\b", r"\1-ID", text).strip()


class Session:
    """A shell in which commands run one after the other, as a reader pastes them."""

    MARK = "__done__"

    def __init__(self, database_url):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environ = os.environ | {"DEPLOYMENT_LEDGER_DATABASE_URL": database_url}
        self._shell = subprocess.Popen(["bash"], text=True, env=environ, **pipes)

    def run(self, command):
        """What the command prints, and its exit code."""
        self._shell.stdin.write(f"{command}\ncode=$?; echo; echo {self.MARK} $code\n")
        self._shell.stdin.flush()
        lines = []
        for line in self._shell.stdout:
            if line.startswith(self.MARK):
                return "".join(lines), int(line.split()[1])
            lines.append(line)
        raise EOFError("".join(lines))

    def close(self):
        self._shell.communicate("exit\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the walk-through is written with curl")
def test_the_walk_through_prints_what_it_shows(service_url, module_database_url):
    """Every command and the client's program, in order, in one shell session."""
    session = Session(module_database_url)
    for language, text, shown in steps():
        runnable = text.replace(SHOWN_URL, service_url).replace("./scripts/audit", f"{PROGRAM} audit")
        if language == "python":
            done = subprocess.run(
                [sys.executable, "-c", runnable], capture_output=True, text=True, check=False
            )
            printed, code = done.stdout + done.stderr, done.returncode
        else:
            printed, code = session.run(runnable)

        assert (0, masked(shown)) == (code, masked(printed)), text
    session.close()
