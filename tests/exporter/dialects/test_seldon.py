"""What pages of Seldon Core must become: of v1's executor and v2's agent and gateway as their sources print them, of v1's wrapper
as a live one did."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.scrape_state import ScrapeState
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import SAMPLES, histogram, parsed, series, told

WRAPPER = SAMPLES / "seldon_v1" / "wrapper-1.18.2"
SERVER, CLIENT = "seldon_api_executor_server_requests_seconds", "seldon_api_executor_client_requests_seconds"
WHO = {"deployment_name": "iris", "predictor_name": "default", "predictor_version": "", "method": "post"}
AGENT = {"server": "mlserver", "server_replica": "0"}


def executor() -> str:
    text = "".join(
        histogram(SERVER, (0.1, 10), **WHO, service="predictions", code=code)
        for code in ("200", "400", "500", "503", "504")
    )
    text += histogram(
        SERVER, (0.1, 10), **{**WHO, "method": "unary"}, service="/seldon.protos.Seldon/Predict", code="OK"
    )
    text += histogram(
        SERVER, (0.1, 10), **{**WHO, "method": "unary"}, service="/seldon.protos.Seldon/Predict", code="Unavailable"
    )
    text += histogram(SERVER, (0.1, 10), **WHO, service="feedback", code="200")
    text += histogram(SERVER, (0.1, 10), **WHO, service="status", code="500")
    return text + histogram(CLIENT, (0.1, 10), **WHO, service="predictions", code="200", model_name="classifier")


def test_predictions_are_requests_and_the_steps_of_the_graph_are_not() -> None:
    page = told(executor())
    assert page.outcomes("iris") == {"ok": 8, "error": 8, "rejected": 4, "timeout": 4}
    assert page.value(s.REQUEST_DURATION, "_count", model="iris") == 8, "good ones, REST and gRPC"
    assert page.value(s.REQUEST_DURATION, "_sum") == 18
    assert page.left_out == {"no_event": 1}
    assert page.has(s.SERVER_INFO, dialect="seldon_v1")


def test_a_wrapper_that_has_no_metric_yet_has_an_empty_page() -> None:
    assert "Content-Length: 0" in (WRAPPER / "idle.headers").read_text(encoding="utf-8")
    found = failure("seldon_v1", answer(""))
    assert found.state is ScrapeState.EMPTY
    assert "until the first of them" in found.message


def test_a_page_of_the_users_metrics_alone_tells_nothing_of_the_server() -> None:
    text = (WRAPPER / "load_after.nothing").read_text(encoding="utf-8")
    assert text.count("# TYPE mytimer histogram") == 1
    twice = text + text
    assert parsed(twice).bad_lines == 0, "blocks are repeated for every method"
    found = failure(
        "seldon_v1", answer(twice, headers="Content-Type: text/plain; version=0.0.4; charset=utf-8; charset=utf-8")
    )
    assert found.state is ScrapeState.EMPTY
    assert "only the user's own metrics" in found.message


def test_the_executor_tells_whether_its_graph_is_ready() -> None:
    assert values(asked("seldon_v1", {"/ready": answer("", status=503)})) == {("atlas_server_ready", ""): 0}


def agent() -> str:
    text = ""
    for model, numbers in {"iris": {"200": 30, "OK": 5, "500": 2, "Internal": 1, "404": 9}, "wine": {"200": 7}}.items():
        for code, number in numbers.items():
            labels = {**AGENT, "model": model, "model_internal": f"{model}_1", "method_type": "rest", "code": code}
            text += series("seldon_model_infer_total", number, **labels)
            text += series("seldon_model_infer_seconds_total", number / 10, **labels)
    for method, code in (("post", "200"), ("grpc", "OK"), ("get", "200"), ("post", "500")):
        text += histogram("seldon_model_infer_api_seconds", (0.1, 10), **AGENT, method=method, code=code)
    text += series("seldon_loaded_model_gauge", 1, **AGENT, model_internal="iris_1")
    return text + series("seldon_loaded_model_gauge", 0, **AGENT, model_internal="iris_0")


def test_the_agent_counts_by_model_and_times_the_whole_server() -> None:
    page = told(agent())
    assert page.outcomes("iris") == {"ok": 35, "error": 3}
    assert page.outcomes("wine") == {"ok": 7}
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"unnamed": 8}, "POST and gRPC"
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"direct": 1.0}
    assert set(page.values(s.REQUESTS, "model")) == {"iris", "wine"}, "internal names are no models"


def test_without_the_histogram_each_model_has_its_mean() -> None:
    text = "".join(f"{line}\n" for line in agent().splitlines() if "infer_api" not in line)
    page = told(text)
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"iris": 47, "wine": 7}
    assert page.value(s.REQUEST_DURATION, "_sum", model="wine") == pytest.approx(0.7)
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"mean_only": 1.0}


def test_the_gateway_counts_and_times_by_pipeline() -> None:
    text = series("seldon_pipeline_infer_total", 6, server="gateway", pipeline="p", method_type="rest", code="200")
    text += series(
        "seldon_pipeline_infer_total", 2, server="gateway", pipeline="p", method_type="grpc", code="DeadlineExceeded"
    )
    text += histogram(
        "seldon_pipeline_infer_api_seconds", (0.1, 10), server="gateway", pipeline="p", method="rest", code="200"
    )
    page = told(text)
    assert page.outcomes("p") == {"ok": 6, "timeout": 2}
    assert page.value(s.REQUEST_DURATION, "_count", model="p") == 4


def test_what_was_unloaded_says_nothing_of_readiness() -> None:
    assert not told(agent()).has(s.MODEL_READY)
