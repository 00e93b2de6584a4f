"""Makes the checkout's `.venv` hold what a lock file pins, and the project itself; needs only a Python 3.11.

Started again with nothing changed, it only looks at a stamp. Two at once take turns.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main(lock_name: str) -> None:
    """Bring `.venv` up to `lock_name`, saying so on stderr if there is something to do."""
    lock = ROOT / lock_name
    stamp = VENV / f"stamp-{lock_name}"
    wanted = _digest(lock)
    if _is_current(stamp, wanted):
        return
    # The turn is taken on the checkout itself: making the environment anew empties it.
    with (ROOT / "pyproject.toml").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not _is_current(stamp, wanted):
            _install(lock)
            stamp.write_text(wanted)


def _digest(lock: Path) -> str:
    # A virtual environment knows its own path: a checkout that was moved needs a new one.
    parts = (lock.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _is_current(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted and PYTHON.exists()


def _install(lock: Path) -> None:
    started = time.monotonic()
    count = sum("==" in line for line in lock.read_text().splitlines())
    _say(f"Installing {count} pinned packages into {VENV} (once) ...")
    if not _works():
        _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    pip = (
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "-qq",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
    )
    _run(*pip, "--require-hashes", "-r", str(lock))
    _run(*pip, "--no-build-isolation", "--editable", str(ROOT))
    _say(f"Installed in {time.monotonic() - started:.0f} s.")


def _works() -> bool:
    command = [str(PYTHON), "-m", "pip", "--version"]
    return PYTHON.exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603


def _run(*command: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(command, check=False, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode != 0:
        _say(f"Failed: {' '.join(command)}")
        sys.exit(1)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1])
