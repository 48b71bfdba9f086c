"""A Prometheus that holds three days of models, for all tests of this folder, and a folder of references for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas_ops.drift import reference as files
from atlas_ops.drift.reference import Reference
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from tests.watch import traffic
from tests.watch.traffic import END, HOUR, Change

SHIFTED_AT = END - 12 * HOUR
TWICE_AT, AGAIN_AT = END - 40 * HOUR, END - 6 * HOUR
MODELS = {
    "quiet": (),
    "shifted": (Change(feature="length", at=SHIFTED_AT),),
    "twice": (Change(feature="length", at=TWICE_AT), Change(feature="prediction_kind", at=AGAIN_AT, place=1)),
}


@pytest.fixture(scope="package")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for number, (model, changes) in enumerate(MODELS.items()):
            for body in bodies(traffic.fleet(model, seed=10 * number + 1, changes=changes)):
                replay.prometheus.write(body)
        yield replay.prometheus


@pytest.fixture(scope="package")
def calibrated() -> dict[str, Reference]:
    """The reference of four quiet weeks of each model."""
    return {model: traffic.reference(model) for model in MODELS}


@pytest.fixture
def shelf(tmp_path: Path, calibrated: dict[str, Reference]) -> Callable[..., Path]:
    """Return a function that makes a folder of the references of some models."""

    def made(*models: str) -> Path:
        folder = tmp_path / "references"
        folder.mkdir(exist_ok=True)
        for model in models:
            files.write(calibrated[model], folder / f"{model}.json")
        return folder

    return made
