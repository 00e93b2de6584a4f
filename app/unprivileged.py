"""PostgreSQL refuses to run as root: which account it runs as then, and what that account must reach."""

import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

ACCOUNT_NAME: Final = "pgserver"
EVERYBODY_READS: Final = stat.S_IRGRP | stat.S_IROTH
EVERYBODY_ENTERS: Final = stat.S_IXGRP | stat.S_IXOTH


class Account(NamedTuple):
    """A system account by its numbers."""

    uid: int
    gid: int


def account_for(pgdata: Path) -> Account | None:
    """The account for the server of `pgdata`, or None where that is the caller's own.

    Existing data keep their owner; new data get the account `pgserver`, made if missing, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if pgdata.exists():
        owner = pgdata.stat()
        return Account(owner.st_uid, owner.st_gid)
    entry = _entry(ACCOUNT_NAME)
    if entry is None and (useradd := shutil.which("useradd")):
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]
        # Two processes may do this at once: the loser's failure is the winner's success.
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - no shell, fixed arguments
        entry = _entry(ACCOUNT_NAME)
    entry = entry or pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def let_in(account: Account | None, data_dir: Path, bin_dir: Path) -> None:
    """Let `account` reach its data and run its programs: it may pass through directories, not list them."""
    if account is None:
        return
    for path in (*data_dir.resolve().parents, data_dir.resolve(), *bin_dir.resolve().parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            # On a read-only file system PostgreSQL's own message says what it cannot enter.
            with suppress(OSError):
                path.chmod(mode | stat.S_IXOTH)
    if not (bin_dir / "postgres").stat().st_mode & stat.S_IXOTH:
        _open_tree(bin_dir.parent)


def hand_over(account: Account | None, path: Path) -> None:
    """Make `path` the account's own."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _open_tree(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode
        enters = EVERYBODY_ENTERS if path.is_dir() or mode & stat.S_IXUSR else 0
        path.chmod(mode | EVERYBODY_READS | enters)
