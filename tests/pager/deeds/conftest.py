"""The stage of the tests of deeds: a store, a real Alertmanager that tells it, and an alert for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops.pager.store.store import Store
from tests.pager.alertmanager import running
from tests.pager.deeds.scene import Scene, hearing, scene


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("deeds")
    store = Store(folder / "pager.db")
    with hearing(store) as webhook, running(folder, webhook) as url, scene(folder, url, store) as scene_:
        yield scene_
    store.close()


@pytest.fixture
def incident(stage: Scene, request: pytest.FixtureRequest) -> str:
    return stage.fire(model=request.node.name[-60:])
