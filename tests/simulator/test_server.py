from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pynvml
import pytest

from atlas_ops.errors import AtlasError, EnvironmentProblem, UsageError
from atlas_ops.simulator import Fleet, SimulatorServer, nvml_library
from atlas_ops.simulator.remote import remote_gpus

from .binding import bound
from .pages import running, tokens


def ask(url: str, method: str = "GET") -> tuple[int, str, str]:
    """Return status, content type and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()


def state(server: SimulatorServer) -> dict[str, object]:
    content = json.loads(ask(f"{server.control_url}/state")[2])
    assert isinstance(content, dict)
    return content


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def still() -> Iterator[SimulatorServer]:
    """A server whose fleet has lived for ten seconds and then stands still."""
    fleet = Fleet()
    fleet.advance(10)
    with SimulatorServer(fleet, speed=0) as server:
        yield server


def test_every_model_server_answers_in_its_own_dialect(still: SimulatorServer) -> None:
    twin = Fleet()
    twin.advance(10)
    assert len(still.server_urls) == 2
    for index, url in enumerate(still.server_urls):
        status, kind, page = ask(f"{url}/metrics")
        assert (status, kind) == (200, "text/plain; version=1.0.0; charset=utf-8")
        assert page == twin.page(index)
        assert ask(f"{url}/health") == (200, "application/json", "")
        assert json.loads(ask(f"{url}/version")[2]) == {"version": "0.32.0"}
        assert json.loads(ask(f"{url}/v1/models")[2])["data"][0]["id"] == "llama-3.1-8b-instruct"
        assert ask(f"{url}/nothing")[0] == 404
        assert ask(f"{url}/v1/embeddings", "POST")[0] == 404


def test_the_control_page_tells_the_state(still: SimulatorServer) -> None:
    assert state(still) == {
        "scenario": "calm",
        "fault_active": False,
        "fault_since_seconds": None,
        "simulated_seconds": 10.0,
        "speed": 0,
        "servers": list(still.server_urls),
        "gpus": ["healthy", "healthy"],
        "answers": ["page", "page"],
        "tracks": ["", ""],
        "memory_kills": [0, 0],
        "foreign_memory_kills": 0,
        "exporter_restarts": 0,
        "scrape_lost": False,
        "prometheus_away": False,
        "pager_failing": False,
    }


def test_a_fault_and_a_scenario_are_set_over_http(still: SimulatorServer) -> None:
    assert ask(f"{still.control_url}/-/scenario?name=kv_pressure", "POST")[0] == 200
    assert ask(f"{still.control_url}/-/fault?active=true", "POST")[0] == 200
    assert (state(still)["scenario"], state(still)["fault_since_seconds"]) == ("kv_pressure", 10.0)
    assert ask(f"{still.control_url}/-/fault?active=false", "POST")[0] == 200
    assert state(still)["fault_active"] is False


@pytest.mark.parametrize(
    ("method", "target", "status", "hint"),
    [
        ("POST", "/-/scenario?name=meltdown", 400, "kv_pressure"),
        ("POST", "/-/scenario", 400, "kv_pressure"),
        ("POST", "/-/fault?active=perhaps", 400, "=false"),
        ("POST", "/-/fault", 400, "=false"),
        ("POST", "/-/gpu?index=0&condition=tired", 400, "wedged"),
        ("POST", "/-/gpu?index=2&condition=lost", 400, "from 0 to 1"),
        ("POST", "/-/gpu?index=-1&condition=lost", 400, "from 0 to 1"),
        ("POST", "/-/gpu?condition=lost", 400, "index=N"),
        ("POST", "/-/xid?index=0&code=oops", 400, "code=XID"),
        ("POST", "/-/xid?index=0&code=79&count=0", 400, "from 1 to"),
        ("GET", "/-/fault?active=true", 404, "POST /-/fault"),
        ("GET", "/", 404, "/gpus"),
    ],
)
def test_bad_orders_are_refused_with_what_would_work(
    still: SimulatorServer, method: str, target: str, status: int, hint: str
) -> None:
    before = state(still)
    answer = ask(f"{still.control_url}{target}", method)
    assert answer[0] == status
    assert hint in answer[2]
    assert state(still) == before


def test_time_runs_as_fast_as_it_is_told_to() -> None:
    with SimulatorServer(Fleet(), speed=100) as server:
        assert eventually(lambda: float(str(state(server)["simulated_seconds"])) > 20)
        assert tokens(ask(f"{server.server_urls[0]}/metrics")[2]) > 0


def test_a_stalled_server_still_answers_and_is_healthy() -> None:
    fleet = Fleet()
    fleet.advance(10)
    with SimulatorServer(fleet, speed=100) as server:
        ask(f"{server.control_url}/-/scenario?name=engine_stalled", "POST")
        ask(f"{server.control_url}/-/fault?active=true", "POST")
        begun = float(str(state(server)["simulated_seconds"]))
        assert eventually(lambda: float(str(state(server)["simulated_seconds"])) > begun + 5)
        frozen = ask(f"{server.server_urls[0]}/metrics")[2]
        begun = float(str(state(server)["simulated_seconds"]))
        assert eventually(lambda: float(str(state(server)["simulated_seconds"])) > begun + 20)
        page = ask(f"{server.server_urls[0]}/metrics")[2]
        assert tokens(page) == tokens(frozen)
        assert running(page) > 0
        assert ask(f"{server.server_urls[0]}/health")[0] == 200


def test_stop_leaves_no_thread_and_no_port_behind() -> None:
    before = set(threading.enumerate())
    server = SimulatorServer(Fleet())
    addresses = [urlsplit(url) for url in (server.control_url, *server.server_urls)]
    with server:
        silent = socket.create_connection((addresses[0].hostname or "", addresses[0].port or 0))
        state(server)
    silent.close()
    assert set(threading.enumerate()) == before
    for address in addresses:
        with socket.socket() as probe:
            assert probe.connect_ex((address.hostname or "", address.port or 0)) != 0


def test_ports_can_be_chosen_and_a_taken_one_is_named() -> None:
    before = set(threading.enumerate())
    with SimulatorServer(Fleet()) as first:
        taken = urlsplit(first.server_urls[0]).port or 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=str(taken)) as refused:
            SimulatorServer(Fleet(), ports=(free, taken))
        second = SimulatorServer(Fleet(), ports=(free,))  # the port that was not taken has been let go
        assert urlsplit(second.server_urls[0]).port == free
        second.stop()
    assert refused.value.next_step
    assert set(threading.enumerate()) == before


def test_more_ports_than_servers_are_refused() -> None:
    with pytest.raises(UsageError, match="1 ports more"):
        SimulatorServer(Fleet(), ports=(0, 0, 0))


def test_gpus_survive_the_way_over_http(still: SimulatorServer) -> None:
    twin = Fleet()
    twin.advance(10)
    assert remote_gpus(still.control_url)() == twin.gpus()


def test_the_gpus_are_read_once_for_many_questions(still: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("atlas_ops.simulator.remote.time.monotonic", lambda: now[0])
    read = remote_gpus(still.control_url)
    first = read()
    assert read() is first
    now[0] += 0.06
    assert read() is not first


def test_another_process_sees_the_gpus_through_the_real_binding_and_loses_them_with_the_simulator() -> None:
    fleet = Fleet()
    fleet.advance(10)
    with contextlib.ExitStack() as longer:
        with SimulatorServer(fleet, speed=0) as server:
            longer.enter_context(bound(nvml_library(server.control_url)))
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            assert pynvml.nvmlDeviceGetUUID(handle) == fleet.gpus()[0].uuid
        assert eventually(lambda: lost(handle))
        assert pynvml.nvmlDeviceGetCount() == 2


def lost(handle: object) -> bool:
    try:
        pynvml.nvmlDeviceGetPowerUsage(handle)
    except pynvml.NVMLError_GpuIsLost:
        return True
    return False


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1", "http://:80"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(AtlasError, match="no address of a simulator"):
        nvml_library(url)


def test_a_gpu_is_lost_wedged_and_healthy_again_for_another_process(still: SimulatorServer) -> None:
    library = nvml_library(still.control_url)
    with bound(library), ThreadPoolExecutor() as threads:
        handle = pynvml.nvmlDeviceGetHandleByIndex(1)
        assert ask(f"{still.control_url}/-/gpu?index=1&condition=lost", "POST")[0] == 200
        assert state(still)["gpus"] == ["healthy", "lost"]
        assert eventually(lambda: lost(handle))
        assert ask(f"{still.control_url}/-/gpu?index=1&condition=wedged", "POST")[0] == 200
        stuck = threads.submit(lambda: eventually(lambda: not lost(handle)))
        other = pynvml.nvmlDeviceGetHandleByIndex(0)
        for _ in range(3):
            assert pynvml.nvmlDeviceGetPowerUsage(other) > 0
        assert not stuck.done()
        assert ask(f"{still.control_url}/-/gpu?index=1&condition=healthy", "POST")[0] == 200
        assert stuck.result()


def test_an_xid_storm_reaches_another_process(still: SimulatorServer) -> None:
    with bound(nvml_library(still.control_url)):
        events = pynvml.nvmlEventSetCreate()
        for index in (0, 1):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, events)
        assert ask(f"{still.control_url}/-/xid?index=1&code=94&count=3", "POST")[0] == 200
        assert ask(f"{still.control_url}/-/xid?index=0&code=79", "POST")[0] == 200
        codes = [pynvml.nvmlEventSetWait_v2(events, 20_000).eventData for _ in range(4)]
        assert sorted(codes) == [79, 94, 94, 94]
        with pytest.raises(pynvml.NVMLError_Timeout):
            pynvml.nvmlEventSetWait_v2(events, 100)


def test_the_part_and_its_driver_travel_too() -> None:
    with (
        SimulatorServer(Fleet(gpu_profile="h100-mig", driver="580.65"), speed=0) as server,
        bound(nvml_library(server.control_url)),
    ):
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        assert pynvml.nvmlSystemGetDriverVersion() == "580.65.06"
        assert pynvml.nvmlDeviceGetMigMode(handle) == [1, 1]
        (process,) = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        assert (process.gpuInstanceId, process.computeInstanceId) == (1, 0)
