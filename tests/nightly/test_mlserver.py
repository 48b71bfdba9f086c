"""A real MLServer: what its clients were told is what its page says, and its death pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import folder
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, watching

HTTP, METRICS = free_port(), free_port()
ADDRESS = f"127.0.0.1:{METRICS}"


def asking(seconds: float) -> Request:
    tensor = {"name": "seconds", "shape": [1], "datatype": "FP32", "data": [seconds]}
    return Request(url=f"http://127.0.0.1:{HTTP}/v2/models/slow/infer", body={"inputs": [tensor]})


@contextmanager
def mlserver(work: Path) -> Iterator[ModelServer]:
    """An MLServer with one model, `slow`, in a worker process as by default."""
    shutil.copy(Path(__file__).parent / "served" / "mlserver_model.py", work / "slow_model.py")
    ports = {"http_port": HTTP, "grpc_port": free_port(), "metrics_port": METRICS}
    # A killed server leaves its counters there, and one with the same process ids would go on counting from them.
    settings = {"host": "127.0.0.1", "parallel_workers": 1, "metrics_dir": str(work / "metrics"), **ports}
    (work / "settings.json").write_text(json.dumps(settings))
    (work / "model-settings.json").write_text(json.dumps({"name": "slow", "implementation": "slow_model.Slow"}))
    with ModelServer(
        "mlserver",
        [str(folder("mlserver") / "bin" / "mlserver"), "start", str(work)],
        folder=work,
        ready_url=f"http://127.0.0.1:{HTTP}/v2/models/slow/ready",
        environment={},
    ) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with mlserver(tmp_path_factory.mktemp("mlserver")) as running:
        yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("watch"), Server(url=f"http://{ADDRESS}/metrics")) as running:
        yield running


def test_every_request_is_counted_by_its_outcome(watch: Watch) -> None:
    assert ask_often(asking(0.01), 40) == {200: 40}
    assert ask_often(asking(-1), 15) == {500: 15}
    assert watch.settled('atlas_requests_total{runtime="mlserver", outcome="ok", model="slow"}', 40) == 40
    assert watch.settled('atlas_requests_total{outcome="error", model="slow"}', 15) == 15


def test_a_killed_server_pages_and_is_resolved_when_it_is_back(server: ModelServer, watch: Watch) -> None:
    with flood(asking(0.1), clients=4):
        server.kill()
        assert_filled_in(watch.page("ModelServerDown"), ADDRESS)
        server.start()
        assert watch.resolved("ModelServerDown")
