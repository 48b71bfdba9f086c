"""What no metric tells is asked of a server's other endpoints; one that lies or is away costs its own answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest

from atlas_ops.catalog import dialects
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.asking import MAX_MODELS, Asking
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Fetcher
from atlas_ops.exporter.places import Places
from atlas_ops.settings import Server
from tests.exporter.fake_server import Behaviour, FakeServer, answer, hang, serving

TRITON = next(dialect for dialect in dialects.shipped_dialects() if dialect.runtime == "triton")
VLLM = next(dialect for dialect in dialects.shipped_dialects() if dialect.runtime == "vllm")
CONFIG = "/v2/models/m/config"


def config(size: object) -> Behaviour:
    return answer(json.dumps({"dynamic_batching": {"default_queue_policy": {"max_queue_size": size}}}))


class Asker:
    """The endpoints of a server that is at the usual ports of its runtime, as far as anybody can tell."""

    def __init__(self, server: FakeServer, dialect: Dialect = TRITON) -> None:
        self.now = 1000.0
        here = Server(url=server.url, api_url=server.url, management_url=server.url)
        self.asking = Asking(dialect, Places(here, dialect), clock=lambda: self.now)
        self.fetcher = Fetcher(max_bytes=100_000)

    def ask(self, *models: str, seconds: float = 5.0) -> dict[tuple[str, str], float]:
        self.asking.round(self.fetcher, models, Deadline(seconds))
        return {(signal.name, told.model): told.value for signal, told in self.asking.values()}


def test_the_queue_of_a_triton_model_has_the_size_that_its_configuration_says() -> None:
    with serving(answer("", status=404)) as server:
        server.behaviours[CONFIG] = config(16)
        assert Asker(server).ask("m") == {("atlas_queue_capacity", "m"): 16}


@pytest.mark.parametrize(
    "nonsense", ["no JSON", "[" * 50_000, "[]", "null", '{"dynamic_batching": 3}', '{"dynamic_batching": []}']
)
def test_an_answer_that_is_nonsense_tells_nothing(nonsense: str) -> None:
    with serving(answer("", status=404)) as server:
        server.behaviours[CONFIG] = answer(nonsense)
        assert Asker(server).ask("m") == {}


@pytest.mark.parametrize("size", ["sixteen", -1, None, {}, "NaN", 1e999])
def test_a_value_that_is_no_size_tells_nothing(size: object) -> None:
    with serving(answer("", status=404)) as server:
        server.behaviours[CONFIG] = config(size)
        assert Asker(server).ask("m") == {}


@pytest.mark.parametrize(("status", "ready"), [(200, 1.0), (400, 0.0), (503, 0.0), (404, None), (401, None)])
def test_a_model_is_ready_when_its_endpoint_says_so(status: int, ready: float | None) -> None:
    with serving(answer("", status=404)) as server:
        server.behaviours["/v2/models/m/ready"] = answer("", status=status)
        assert Asker(server).ask("m").get(("atlas_model_ready", "m")) == ready


def test_a_configuration_is_not_asked_for_in_every_round_and_readiness_is() -> None:
    with serving(answer("", status=200)) as server:
        server.behaviours[CONFIG] = config(16)
        asker = Asker(server)
        for _ in range(3):
            asker.ask("m")
            asker.now += 5
        paths = [request.split()[1] for request in server.requests]
        assert (paths.count(CONFIG), paths.count("/v2/health/ready")) == (1, 3)
        asker.now += 60
        server.behaviours[CONFIG] = config(32)
        assert asker.ask("m")["atlas_queue_capacity", "m"] == 32


def test_a_model_that_is_gone_has_no_values_any_more() -> None:
    with serving(answer("", status=200)) as server:
        server.behaviours[CONFIG] = config(16)
        asker = Asker(server)
        assert ("atlas_queue_capacity", "m") in asker.ask("m")
        assert asker.ask() == {("atlas_server_ready", ""): 1.0}


def test_an_endpoint_that_hangs_costs_its_own_answer_and_no_other_for_long() -> None:
    with serving(answer("", status=200)) as server:
        server.behaviours["/v2/health/ready"] = hang
        asker = Asker(server)
        asker.ask("m", seconds=0.3)
        asker.now += 5
        # What has waited longest comes first, so the hung one no longer stands in the way.
        assert asker.ask("m", seconds=0.3)["atlas_model_ready", "m"] == 1.0


def test_a_name_that_is_no_path_is_quoted_and_a_server_with_many_models_is_not_asked_about_all() -> None:
    with serving(answer("", status=200)) as server:
        Asker(server).ask("../v2/repository/../../x y?", *(f"m{n}" for n in range(100)))
        paths = [request.split()[1] for request in server.requests]
    assert "/v2/models/..%2Fv2%2Frepository%2F..%2F..%2Fx%20y%3F/ready" in paths
    assert len([path for path in paths if path.endswith("/ready")]) == MAX_MODELS + 1


def test_a_name_that_leads_to_another_path_is_not_asked_about() -> None:
    with serving(answer("", status=200)) as server:
        Asker(server).ask("..", ".", "unnamed", "...")
        paths = {request.split()[1] for request in server.requests}
    assert paths == {"/v2/health/ready", "/v2/models/.../ready", "/v2/models/.../config"}


def test_a_server_says_its_version() -> None:
    with serving(answer("", status=404), version=answer('{"version": "0.11.1rc2+cu129"}')) as server:
        asker = Asker(server, VLLM)
        before = asker.asking.version
        asker.ask()
        version = asker.asking.version
    assert before is None
    assert version is not None
    assert version.numbers == (0, 11, 1)


@pytest.mark.parametrize(
    ("url", "ports", "api"),
    [
        ("http://10.0.0.7:8002", (), "http://10.0.0.7:8000"),
        ("http://[fd00::7]:8002/metrics", (), "http://[fd00::7]:8000"),
        ("http://10.0.0.7:9002", (), ""),
        ("http://10.0.0.7:9002", ("http://10.0.0.7:9000",), "http://10.0.0.7:9000"),
    ],
)
def test_the_api_is_at_its_usual_port_only_where_the_metrics_are_at_theirs(
    url: str, ports: Sequence[str], api: str
) -> None:
    server = Server(url=url, api_url="".join(ports))
    ready = next(endpoint for endpoint in TRITON.endpoints if endpoint.tells == "readiness")
    assert Places(server, TRITON).address(ready.at) == api


def test_the_metrics_address_is_the_api_where_the_runtime_has_but_one_port() -> None:
    places = Places(Server(url="http://10.0.0.7:18000/metrics?x=1"), VLLM)
    (ready,) = (endpoint for endpoint in VLLM.endpoints if endpoint.tells == "readiness")
    assert urlsplit(places.address(ready.at)).netloc == "10.0.0.7:18000"
    assert s.SERVER_READY in {entry.signal for entry in VLLM.entries}


def test_a_queue_of_size_nought_is_one_without_end_and_tells_nothing() -> None:
    with serving(answer("", status=404)) as server:
        server.behaviours[CONFIG] = config(0)
        assert Asker(server).ask("m") == {}
