"""Which programs may go on with a rebuild, and go back from it: those that make the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping

from app.projection_versions import versions_of
from app.rebuild.registry import RebuildRefused, Run
from domain.names import Resource


def require_own(run: Run) -> None:
    """Refuse a rebuild whose rows are not those that this program makes."""
    if not run.is_own:
        raise RebuildRefused(
            f"the rebuild is {run.title}, of {_told(run.made)}, and this program makes "
            f"{_told(versions_of(run.resources))}: go on with the release that began it, or give it up "
            "with `rebuild abort`"
        )


def require_replaced(run: Run) -> None:
    """Refuse to bring the tables from before a rebuild up to the log where this program makes other rows."""
    if run.replaced != versions_of(run.resources):
        raise RebuildRefused(
            f"the tables from before the switch are of {_told(run.replaced)}, and this program makes "
            f"{_told(versions_of(run.resources))}: go back with the release that made them"
        )


def _told(versions: Mapping[Resource, str]) -> str:
    return ", ".join(f"{resource} {version}" for resource, version in versions.items())
