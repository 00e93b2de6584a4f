"""Makes the files beside it, by running a release: what its schema is, with data, and what it answers.

    git worktree add /tmp/release <the release>
    PYTHONPATH=/tmp/release python tests/app/schemas/record.py tests/app/schemas

writes `NNNN.sql`, a dump that PostgreSQL 15 and later can read, and `NNNN.json`, the answers, where NNNN is the
newest migration of that release. Its story and questions are those of `tests/support/story.py` beside this file,
whatever the release.
"""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app import migrations
from app.embedded_postgres import EmbeddedPostgres
from app.postgres_programs import EMBEDDED_BIN

ROOT = Path(__file__).parents[3]
SERVE = "from app.cli import main; main()"
NOT_FOR_ALL = re.compile(r"^(SET transaction_timeout.*|\\(un)?restrict .*|--.*|)\n", re.MULTILINE)


def main(target):
    """Record the release that is on the path."""
    spec = importlib.util.spec_from_file_location("story", ROOT / "tests/support/story.py")
    story = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(story)
    newest = max(migrations.MIGRATIONS_DIR.glob("*.sql")).name[:4]
    with tempfile.TemporaryDirectory(prefix="record-") as directory:
        data = Path(directory) / "data"
        with EmbeddedPostgres(data) as server:
            url = server.url
            process = subprocess.Popen(
                [sys.executable, "-c", SERVE, "serve", "--port", "0", "--database-url", url],
                stdout=subprocess.PIPE,
                text=True,
            )
            ready = next(line for line in process.stdout if "listens on" in line)
            base = re.search(r"http://[0-9.:]+", ready)[0]
            answers = {
                "repeated": story.tell(base),
                "asked": story.asked(base),
                "watched": story.watched(base, 3, story.EVENTS),
            }
            process.terminate()
            process.communicate()
            dump = subprocess.run(
                [EMBEDDED_BIN / "pg_dump", "--no-owner", "--no-privileges", "--inserts", url],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    (target / f"{newest}.sql").write_text(NOT_FOR_ALL.sub("", dump))
    (target / f"{newest}.json").write_text(json.dumps(answers, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
