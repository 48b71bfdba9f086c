"""A real TorchServe with one worker: requests are on the page, its queue is asked for; a long one, and its death, page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import folder
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, watching

HTTP, MANAGEMENT, METRICS = free_port(), free_port(), free_port()
ADDRESS = f"127.0.0.1:{METRICS}"
PROGRAMS = folder("torchserve") / "bin"
CONFIGURATION = f"""\
inference_address=http://127.0.0.1:{HTTP}
management_address=http://127.0.0.1:{MANAGEMENT}
metrics_address=http://{ADDRESS}
metrics_mode=prometheus
default_workers_per_model=1
job_queue_size=100
"""


def asking(seconds: float) -> Request:
    return Request(url=f"http://127.0.0.1:{HTTP}/predictions/slow", body={"seconds": seconds})


@contextmanager
def torchserve(work: Path) -> Iterator[ModelServer]:
    """A TorchServe with one worker for one model, `slow`, that waits for it: /ping is healthy without any worker."""
    handler = Path(__file__).parent / "served" / "torchserve_handler.py"
    packing = ["--model-name", "slow", "--version", "1.0", "--handler", str(handler), "--export-path", str(work)]
    subprocess.run([str(PROGRAMS / "torch-model-archiver"), *packing], check=True)
    (work / "config.properties").write_text(CONFIGURATION)
    command = [str(PROGRAMS / "torchserve"), "--start", "--foreground", "--no-config-snapshots"]
    command += ["--disable-token-auth", "--ts-config", str(work / "config.properties")]
    environment = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",  # its workers are started by the first `python` there
        "TMPDIR": str(work),  # where it notes its process id, and refuses to start beside another
        "LOG_LOCATION": str(work),
        "METRICS_LOCATION": str(work),
    }
    with ModelServer(
        "torchserve",
        [*command, "--model-store", str(work), "--models", "slow=slow.mar"],
        folder=work,
        ready_url=f"http://127.0.0.1:{HTTP}/ping",
        environment=environment,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with torchserve(tmp_path_factory.mktemp("torchserve")) as running:
        yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    target = Server(url=f"http://{ADDRESS}/metrics", management_url=f"http://127.0.0.1:{MANAGEMENT}")
    with watching(tmp_path_factory.mktemp("watch"), target) as running:
        yield running


def test_every_request_is_counted_by_its_outcome(watch: Watch) -> None:
    assert ask_often(asking(0.01), 40) == {200: 40}
    assert ask_often(asking(-1), 15) == {503: 15}
    # It counts what arrives. Good answers are what has not failed within a minute.
    assert watch.settled('atlas_requests_total{runtime="torchserve", outcome="ok", model="slow"}', 40) == 40
    assert watch.sum('atlas_requests_total{outcome="error", model="slow"}') == 15


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
