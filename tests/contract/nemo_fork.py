"""The `nemo` program with its imports, which take seconds, done once: each command then runs in a fork.

Reads one JSON object a line, `{"arguments": [...], "stdin": "..."}`, and answers `{"code", "stdout", "stderr"}`.
"""

import contextlib
import gc
import io
import json
import os
import sys
import tempfile

from nemo_platform.cli.app import cli


def cli_exit_code(arguments):
    """Run the command in this process."""
    sys.argv = ["nemo", *arguments]
    try:
        cli()
    except SystemExit as left:
        return left.code or 0
    return 0


def end(code):
    """Leave at once: tidying up what all the imports made takes a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def warm_up():
    """Run commands here, for the imports that they do as they go."""
    nothing = io.StringIO()
    with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        for resource in ("deployments", "deployment-configs"):
            cli_exit_code(["inference", resource, "list"])
            cli_exit_code(["inference", resource, "get", "nothing-is-called-so"])


def run(arguments, stdin):
    """Run one command in a process of its own."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        child = os.fork()
        if child == 0:
            for stream, number in ((given, 0), (out, 1), (err, 2)):
                os.dup2(stream.fileno(), number)
            # What was read ahead from the old standard input is not this command's.
            sys.stdin = open(0)  # noqa: SIM115 - a descriptor, open until the process ends
            end(cli_exit_code(arguments))
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": out.read().decode(),
            "stderr": err.read().decode(),
        }


warm_up()
gc.freeze()
for line in sys.stdin:
    answer = run(**json.loads(line))
    print(json.dumps(answer), flush=True)
