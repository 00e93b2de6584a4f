"""The `nemo` program with its imports, which take seconds, done once: each command then runs in a fork.

Reads one JSON object a line, `{"arguments": [...], "stdin": "..."}`, and answers `{"code", "stdout", "stderr"}`.
"""

import json
import os
import sys
import tempfile

import nemo_platform.cli.commands.api.inference.deployment_configs
import nemo_platform.cli.commands.api.inference.deployments
import nemo_platform.resources.inference.deployment_configs
import nemo_platform.resources.inference.deployments  # noqa: F401 - imported to be there in the forks
from nemo_platform.cli.app import cli


def run(arguments, stdin):
    """Run one command in a process of its own."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        child = os.fork()
        if child == 0:
            for stream, number in ((given, 0), (out, 1), (err, 2)):
                os.dup2(stream.fileno(), number)
            sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate("rww"))  # noqa: PTH123, SIM115
            sys.argv = ["nemo", *arguments]
            sys.exit(cli())
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": out.read().decode(),
            "stderr": err.read().decode(),
        }


for line in sys.stdin:
    answer = run(**json.loads(line))
    print(json.dumps(answer), flush=True)
