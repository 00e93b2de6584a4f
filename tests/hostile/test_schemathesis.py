import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("st")
SECONDS = 30
"""More than it needs to come to all operations, also on a machine that does other things."""


def test_the_service_is_as_it_describes_itself(live_service, database_url):
    """All checks of schemathesis hold for all operations; a longer run takes the same configuration."""
    service = live_service("--database-url", database_url, "--watch-heartbeat-seconds", 0.1)
    document = httpx.get(f"{service.url}/schema/openapi.json", trust_env=False).json()
    # It does not ask for the document itself again.
    operations = sum(len(item.keys() - {"parameters"}) for item in document["paths"].values()) - 1
    arguments = [
        *(PROGRAM, "--config-file", ROOT / "tests/hostile/schemathesis.toml", "run"),
        *(
            f"{service.url}/schema/openapi.json",
            "--seed",
            "1",
            "--max-time",
            str(SECONDS),
            "--max-examples",
            "5",
        ),
        "--no-color",
    ]

    done = subprocess.run(
        arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS * 4,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert [str(operations)] == re.findall(r"Tested: +(\d+)", done.stdout)
