"""A real KServe model server: what its clients were told is what its page says, and its death pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import python
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, watching

PORT = free_port()
ADDRESS = f"127.0.0.1:{PORT}"


def asking(seconds: float) -> Request:
    return Request(url=f"http://{ADDRESS}/v1/models/slow:predict", body={"instances": [seconds]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    app = Path(__file__).parent / "served" / "kserve_app.py"
    with ModelServer(
        "kserve",
        [python("kserve"), str(app), "--http_port", str(PORT), "--enable_grpc", "false"],
        folder=tmp_path_factory.mktemp("kserve"),
        ready_url=f"http://{ADDRESS}/v2/health/ready",
        environment={},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("watch"), Server(url=f"http://{ADDRESS}/metrics")) as running:
        yield running


def test_every_request_is_counted_by_its_outcome(watch: Watch) -> None:
    assert ask_often(asking(0.01), 40) == {200: 40}
    assert ask_often(asking(-1), 15) == {500: 15}
    assert watch.settled('atlas_requests_total{runtime="kserve", outcome="ok", model="slow"}', 40) == 40
    assert watch.settled('atlas_requests_total{outcome="error", model="slow"}', 15) == 15


def test_a_killed_server_pages_and_is_resolved_when_it_is_back(server: ModelServer, watch: Watch) -> None:
    with flood(asking(0.1), clients=4):
        server.kill()
        assert_filled_in(watch.page("ModelServerDown"), ADDRESS)
    server.start()
    assert watch.resolved("ModelServerDown")
