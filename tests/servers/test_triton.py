"""The real Triton of the tests is a server that can be overloaded, and that gets well again."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atlas_ops.errors import EnvironmentProblem

from .triton import TritonServer, fetch, overload, running_triton


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with running_triton(tmp_path_factory.mktemp("triton")) as triton:
        yield triton


def waiting(server: TritonServer) -> float:
    page = fetch(server.metrics_url)
    found = re.search(rf'^nv_inference_pending_request_count{{model="{server.model}",version="1"}} (\S+)$', page, re.M)
    assert found, page
    return float(found[1])


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_an_idle_server_is_ready_and_nothing_waits(server: TritonServer) -> None:
    fetch(f"{server.http_url}/v2/models/{server.model}/ready")
    assert waiting(server) == 0


def test_requests_wait_under_overload_and_none_is_left_after_it(server: TritonServer) -> None:
    with overload(server, clients=12, request_seconds=0.05):
        assert eventually(lambda: waiting(server) > 5)
    assert eventually(lambda: waiting(server) == 0)


def test_a_request_that_fails_under_load_is_told(server: TritonServer) -> None:
    with pytest.raises(OSError, match="Triton answered 500"), overload(server, clients=2, request_seconds=-1):
        pass


def processes_in(folder: Path) -> int:
    """How many processes of this machine run in `folder`."""
    homes = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # the process ended while it was looked at, or is another user's
            homes.append(entry.readlink())
    return homes.count(folder.resolve())


def fail_beside_a_running_server(work: Path) -> None:
    with running_triton(work):
        assert processes_in(work) == 2, "one server and one stub for the one instance of the model"
        raise ZeroDivisionError


def test_neither_server_nor_stub_outlives_a_test_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_beside_a_running_server(tmp_path)
    assert processes_in(tmp_path) == 0


def test_a_machine_without_triton_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="pip install 'nvidia-pytriton=="), running_triton(tmp_path):
        pass
