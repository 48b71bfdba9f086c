"""What pages of OpenVINO Model Server must become, as its source prints them, in its generations."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.pages import Told, histogram, parsed, series, told, translator

METHODS = ("ModelInfer", "ModelMetadata", "ModelReady", "Predict", "GetModelMetadata", "GetModelStatus")
BOUNDS = (10, 1_274_823, 1_474_755_971)


def model(name: str = "m", version: str = "1") -> str:
    """What 2022.2 and newer print for a model: every method of both interfaces, from the start."""
    labels = {"name": name, "version": version}
    text = series("ovms_streams", 4, **labels) + series("ovms_current_requests", 9, **labels)
    for interface in ("REST", "gRPC"):
        for method in METHODS:
            api = "KServe" if method.startswith("Model") else "TensorFlowServing"
            for result, value in (("success", 10), ("fail", 1)):
                where = {"api": api, "interface": interface, "method": method, "name": name}
                text += series(f"ovms_requests_{result}", value, **where, version=version)
        text += histogram("ovms_request_time_us", BOUNDS, **labels, interface=interface)
    return text + histogram("ovms_wait_for_infer_req_time_us", BOUNDS, **labels)


OPTIONAL = series("ovms_infer_req_queue_size", 8, name="m", version="1") + series(
    "ovms_infer_req_active", 6, name="m", version="1"
)
"""What --metrics_list adds."""
WHO = {"name": "llm", "api": "V3", "interface": "REST", "method": "Unary"}


def graph(accepted: int, failed: int) -> str:
    """What 2024.4 and newer print for a MediaPipe graph."""
    return (
        series("ovms_current_graphs", 3, name="llm")
        + series("ovms_requests_accepted", accepted, **WHO)
        + series("ovms_requests_rejected", 5, **WHO)
        + series("ovms_responses", 400, **WHO)
        + series("ovms_graph_error", failed, **WHO)
        + histogram("ovms_graph_processing_time_us", BOUNDS, name="llm", method="Unary")
    )


def test_inferences_of_both_interfaces_are_requests_and_questions_for_readiness_are_not() -> None:
    page = told(model())
    assert page.outcomes("m") == {"ok": 40, "error": 4}
    assert page.value(s.REQUEST_DURATION, "_count") == 8
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(18e-6)
    assert list(page.values(s.REQUEST_DURATION, "le", "_bucket")) == ["1e-05", "1.274823", "1474.755971", "+Inf"]
    assert page.value(s.QUEUE_TIME, "_count") == 4
    assert page.has(s.SERVER_INFO, version=">=2022.2")
    assert set(page.resolved().values()) == {1.0}


def test_without_the_optional_metrics_everything_that_has_no_answer_runs() -> None:
    page = told(model())
    assert page.value(s.REQUESTS_RUNNING) == 9
    assert not page.has(s.REQUESTS_WAITING)
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUESTS_RUNNING.name) == {"approximate": 1.0}


def test_what_waits_is_what_has_arrived_and_is_not_executed() -> None:
    page = told(model() + OPTIONAL)
    assert (page.value(s.REQUESTS_RUNNING), page.value(s.REQUESTS_WAITING)) == (6, 3)
    assert page.value(s.REQUESTS_CAPACITY) == 8, "the queue size is the number of inference requests"
    assert not page.has(s.QUEUE_CAPACITY)


def test_versions_of_a_model_are_added_up() -> None:
    page = told(model() + model(version="2"))
    assert page.outcomes("m") == {"ok": 80, "error": 8}
    assert page.value(s.REQUESTS_RUNNING) == 18


def test_a_graph_is_told_by_names_of_its_own() -> None:
    page = told(graph(20, 2))
    assert page.outcomes("llm") == {"ok": 18, "error": 2}
    assert page.value(s.REQUESTS_RUNNING) == 3
    assert page.value(s.REQUEST_DURATION, "_count") == 4
    assert page.has(s.SERVER_INFO, version=">=2024.4")
    assert set(page.resolved().values()) == {1.0}


def test_requests_of_a_graph_that_run_are_not_yet_good() -> None:
    speaker = translator(parsed(graph(20, 2)))
    pages = [
        Told(speaker.translate(parsed(graph(accepted, failed))), {})
        for accepted, failed in ((20, 2), (30, 2), (30, 12))
    ]
    assert [page.value(s.REQUESTS, outcome="ok") for page in pages] == [18, 18, 18]


def test_models_and_graphs_of_one_server_are_told_side_by_side() -> None:
    page = told(model() + OPTIONAL + graph(20, 2))
    assert page.values(s.REQUESTS_RUNNING, "model") == {"m": 6, "llm": 3}
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"m": 8, "llm": 4}
    assert page.values(s.REQUESTS, "model", outcome="ok") == {"m": 40, "llm": 18}


def test_the_v2_endpoints_tell_readiness_and_the_version() -> None:
    answers = {
        "/v2": '{"name": "OpenVINO Model Server", "version": "2024.4.28219825c"}',
        "/v2/health/ready": "",
        "/v2/models/m/ready": "",
    }
    asking = asked("ovms", answers, "m")
    assert asking.version is not None
    assert asking.version.numbers[:2] == (2024, 4)
    assert values(asking) == {("atlas_server_ready", ""): 1, ("atlas_model_ready", "m"): 1}
