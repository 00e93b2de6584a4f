"""The real `deployment-ledger serve`, as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

PROGRAM = Path(sys.executable).with_name("deployment-ledger")
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
READY_LINE = re.compile(
    r"^Deployment Ledger \S+ listens on (?P<url>http://\S+) \((?P<rest>.*)\)$", re.MULTILINE
)


class ServiceFailed(Exception):
    """The process ended before it was ready; carries its exit code and what it said."""

    def __init__(self, exit_code, output):
        super().__init__(f"exit code {exit_code}\n{output}")
        self.exit_code = exit_code
        self.output = output


class Service:
    """A running service: `url`, `pid`, its `output` so far, and ways to end it."""

    def __init__(self, *flags, environ=None, cwd=None):
        self.output = ""
        own = {key: value for key, value in os.environ.items() if not key.startswith("DEPLOYMENT_LEDGER_")}
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *([] if "--port" in flags else ["--port", "0"]), *map(str, flags)],
            env={**own, **(environ or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._wait_until_ready()

    @property
    def pid(self):
        return self.process.pid

    def worker_pids(self):
        """Process ids of the HTTP workers."""
        return [
            child.pid
            for child in psutil.Process(self.pid).children()
            if any("spawn_main" in argument for argument in child.cmdline())
        ]

    def stop(self):
        """SIGTERM, as an operator would; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait(STOP_SECONDS_MAX)

    def kill(self):
        """`kill -9`: nothing of it gets to tidy up."""
        self.process.kill()
        return self._wait(STOP_SECONDS_MAX)

    def end(self):
        """Gone, whatever it takes; for teardown."""
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self._reader.join(STOP_SECONDS_MAX)
        self.process.stdout.close()

    def _wait(self, seconds):
        code = self.process.wait(seconds)
        self._reader.join(STOP_SECONDS_MAX)
        return code

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if found := READY_LINE.search(self.output):
                return found["url"]
            if self.process.poll() is not None:
                self._reader.join(STOP_SECONDS_MAX)
                self.process.stdout.close()
                raise ServiceFailed(self.process.returncode, self.output)
            time.sleep(0.02)
        self.end()
        raise ServiceFailed(None, self.output)
