"""A real Ray Serve with one replica: what its proxy answered is on the page; a long queue, and its death, page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import python
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, watching

HTTP, METRICS = free_port(), free_port()
ADDRESS = f"127.0.0.1:{METRICS}"
# Its page moves every ten seconds by default, which is longer than the windows of the demo profile. Ray takes no capitals here.
ENVIRONMENT = {"RAY_metrics_report_interval_ms": "1000", "RAY_USAGE_STATS_ENABLED": "0"}


def asking(seconds: float) -> Request:
    return Request(url=f"http://127.0.0.1:{HTTP}/", body={"seconds": seconds})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    command = [python("ray_serve"), str(Path(__file__).parent / "served" / "ray_app.py"), str(HTTP), str(METRICS)]
    ready = f"http://127.0.0.1:{HTTP}/-/healthz"
    work = tmp_path_factory.mktemp("ray")
    # Ray's sockets lie in its folder, and the path of a socket ends at 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray") as short:
        environment = {**ENVIRONMENT, "RAY_TMPDIR": short}
        with ModelServer("ray", command, folder=work, ready_url=ready, environment=environment) as running:
            yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("watch"), Server(url=f"http://{ADDRESS}/metrics")) as running:
        yield running


def test_every_request_is_counted_by_its_outcome(watch: Watch) -> None:
    assert ask_often(asking(0.01), 40) == {200: 40}
    assert ask_often(asking(-1), 15) == {500: 15}
    assert watch.settled('atlas_requests_total{runtime="ray_serve", outcome="ok", model="slow"}', 40) == 40
    assert watch.settled('atlas_requests_total{outcome="error", model="slow"}', 15) == 15


def test_a_queue_that_is_too_long_pages_and_is_resolved_after_the_load(watch: Watch) -> None:
    with flood(asking(0.3), clients=20):
        assert_filled_in(watch.page("QueueBacklog"), ADDRESS, "slow")
    assert watch.resolved("QueueBacklog")


def test_a_killed_server_pages_and_is_resolved_when_it_is_back(server: ModelServer, watch: Watch) -> None:
    with flood(asking(0.1), clients=4):
        server.kill()
        assert_filled_in(watch.page("ModelServerDown"), ADDRESS)
    server.start()
    assert watch.resolved("ModelServerDown")
