"""A made-up log of many deployments that are all alike, for databases of a given size."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

from app.bench.content import created_config
from domain import deployment_config
from domain.deployment import DeploymentCreated, DeploymentStatusChanged, DeploymentUpdated
from domain.names import resource_id
from domain.principal import ANONYMOUS
from domain.stream import Event, Recorded, StreamState

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Fleet(NamedTuple):
    """So many deployments, `model-0` and so on, with so many versions each, all of version 1 of one config.

    If `pending` is given, every deployment was reported: that it is ready, but so many, all over, that they
    are pending.
    """

    workspace: str
    config: str
    deployments: int
    versions: int = 1
    pending: int | None = None

    @property
    def events(self) -> int:
        """How many events the log has; those that add versions come before all reports."""
        return self.versions_end + (0 if self.pending is None else self.deployments)

    @property
    def versions_end(self) -> int:
        """The position of the last event that adds a version."""
        return 1 + self.deployments * self.versions

    def is_pending(self, number: int) -> bool:
        """Whether a deployment was reported to be pending."""
        return bool(self.pending) and number % (self.deployments // (self.pending or 1)) == 0

    def log(self, seed: int) -> Iterator[Recorded[Any]]:
        """The events in order, with dense positions from 1."""
        random = Random(seed)  # noqa: S311 - a benchmark has to be repeatable
        command = created_config(random, self.workspace, self.config, _id(random, "deployment-configs"))
        yield self._recorded(self.config, 1, 1, deployment_config.create(StreamState(0, {}), command, _BEGIN))
        position = 1
        for version in range(1, self.versions + 1):
            for number in range(self.deployments):
                position += 1
                added = (DeploymentCreated if version == 1 else DeploymentUpdated)(
                    at=_time(position),
                    by=ANONYMOUS,
                    version=version,
                    id=_id(random, "deployments"),
                    config=self.config,
                    config_version=1,
                )
                yield self._recorded(f"model-{number}", version, position, added)
        for number in range(self.deployments if self.pending is not None else 0):
            position += 1
            yield self._recorded(
                f"model-{number}", self.versions + 1, position, self._report(number, position)
            )

    def _report(self, number: int, position: int) -> Event:
        pending = self.is_pending(number)
        return DeploymentStatusChanged(
            at=_time(position),
            by=ANONYMOUS,
            version=self.versions,
            status="PENDING" if pending else "READY",
            status_message="Waiting for GPUs" if pending else "Model deployment is ready",
            model_provider_id=None if pending else f"default/model-{number}",
        )

    def _recorded(self, name: str, stream_version: int, position: int, event: Event) -> Recorded[Any]:
        return Recorded(self.workspace, name, stream_version, position, event)


def _id(random: Random, resource: Any) -> str:
    return resource_id(resource, random.randbytes(16))


def _time(position: int) -> datetime:
    return _BEGIN + timedelta(seconds=position)
