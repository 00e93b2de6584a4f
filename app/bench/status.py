"""Reports of statuses, the commonest write: a controller says how a deployment is going."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from app.bench import constants, load, pgbench
from app.bench.measurements import Suite
from app.bench.scene import DEPLOYMENTS, Cluster, Scene
from app.bench.servers import Server
from app.bench.turns import LoadPlan
from app.bench.writes import CHECKED, HOW, Kind, Writes

REPORTS: Final = 5_000
REPORTS_EACH: Final = 5
_BEFORE: Final = (("PENDING", "Pulling image"), ("PENDING", "Loading weights"), ("READY", "Serving requests"))


def measure(cluster: Cluster, plan: LoadPlan) -> Suite:
    """Run the suite in a database of its own."""
    with Scene.open(cluster, "status") as scene:
        writes = Writes(scene, plan, _STATUS)
        writes.start()
        writes.turns.run()
        scene.check()
        return Suite("Status", writes.sections(_HOW), CHECKED)


def _report(path: str, status: str, message: str, provider: str) -> str:
    body = {"status": status, "status_message": message, "model_provider_id": provider}
    return load.post(f"{path}/status", msgspec.json.encode(body))


def _reports(deployments: int, seed: int, root: str = "") -> tuple[str, ...]:
    """Each names another provider than the one before, so each is an event; other seeds name others."""
    last = _BEFORE[-1]
    places = [
        (number, turn)
        for number in range(deployments)
        for turn in range(max(REPORTS_EACH, REPORTS // deployments))
    ]
    Random(seed).shuffle(places)  # noqa: S311 - a benchmark has to be repeatable
    return tuple(
        _report(f"{root}{DEPLOYMENTS}/model-{number}", *last, f"default/{seed:06}-{turn:04}")
        for number, turn in places
    )


def _answer(scene: Scene, service: Server, deployments: int) -> constants.Answers:
    for status, message in _BEFORE:
        paths = (f"{DEPLOYMENTS}/model-{number}" for number in range(deployments))
        scene.write(service, tuple(_report(path, status, message, "default/none") for path in paths))
    last = {"status": "READY", "status_message": _BEFORE[-1][1], "model_provider_id": "default/000000-0000"}
    return constants.Answers(status=scene.send(service, f"{DEPLOYMENTS}/model-0/status", last))


_STATUS: Final = Kind("Reports", "200", _reports, _answer, pgbench.STATUS)
_HOW: Final = (
    f"`POST …/deployments/{{name}}/status`. {HOW} Every deployment has a history of {len(_BEFORE) + 1}"
    " statuses; what is reported changes the model provider."
)
