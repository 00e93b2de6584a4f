"""A small disk of its own that can be filled up."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.support.postgres import short_directory


class SmallDisk:
    """A mounted file system; `fill()` leaves no byte free until `free()`."""

    def __init__(self, path):
        self.path = path
        self._ballast = path / "ballast"

    def fill(self):
        """Take all the room that is left."""
        statistics = os.statvfs(self.path)
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, statistics.f_bavail * statistics.f_frsize)

    def free(self):
        """Give the room back."""
        self._ballast.unlink()


@contextmanager
def small_disk(megabytes):
    """A `SmallDisk` in memory; skips where nothing may be mounted."""
    with short_directory() as path:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "ledger-test", str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
        if mounted.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
        try:
            yield SmallDisk(path)
        finally:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def moved(directory, to):
    """Move a directory to another disk, with its owners, and leave a symbolic link where it was."""
    subprocess.run(["cp", "-a", str(directory), str(to)], check=True)
    shutil.rmtree(directory)
    directory.symlink_to(to)
