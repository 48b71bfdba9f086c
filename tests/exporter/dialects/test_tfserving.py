"""What pages of TensorFlow Serving must become, as its source prints them: colons in front, microseconds, six digits."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.scrape_state import ScrapeState
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import series, told

SERVING = ":tensorflow:serving"


def latency(name: str, count: int, **labels: str) -> str:
    """A histogram with three of its bounds, printed with six digits as TensorFlow does."""
    bounds = {"10": 0, "708235": count - 1, "1.27482e+06": count, "+Inf": count}
    body = f"# TYPE {name} histogram\n" + "".join(
        series(f"{name}_bucket", value, **labels, le=bound) for bound, value in bounds.items()
    )
    return body + series(f"{name}_sum", 2_500_000, **labels) + series(f"{name}_count", count, **labels)


def page(**status: str) -> str:
    """A page of one model; newer sources have the status on latencies as well."""
    text = latency(f"{SERVING}:request_latency", 40, model_name="m", API="Predict", entrypoint="GRPC", **status)
    text += latency(f"{SERVING}:request_latency", 10, model_name="m", API="predict", entrypoint="REST", **status)
    for code, number in {
        "OK": 50,
        "INVALID_ARGUMENT": 4,
        "UNAVAILABLE": 3,
        "INTERNAL": 2,
        "DEADLINE_EXCEEDED": 1,
    }.items():
        text += series(f"{SERVING}:request_count", number, model_name="m", status=code)
    text += latency(f"{SERVING}:batching_session:queuing_latency", 9, thread_pool_name="pool")
    text += ':tensorflow:cc:saved_model:load_latency{model_path="/models/m/1"} 1500000\n'
    text += ':tensorflow:cc:saved_model:load_latency{model_path="/models/m/2"} 2500000\n'
    return text + ":tensorflow:core:graph_runs{} 50\n"


@pytest.mark.parametrize("status", [{}, {"status": "OK"}])
def test_requests_and_durations_of_both_interfaces_are_added_up(status: dict[str, str]) -> None:
    told_page = told(page(**status))
    assert told_page.outcomes("m") == {"ok": 50, "rejected": 3, "error": 2, "timeout": 1}
    assert told_page.left_out == {"no_event": 1}
    assert told_page.value(s.REQUEST_DURATION, "_sum", model="m") == pytest.approx(5)
    buckets = told_page.values(s.REQUEST_DURATION, "le", "_bucket")
    assert buckets == {"1e-05": 0, "0.708235": 48, "1.27482": 50, "+Inf": 50}
    assert set(told_page.resolved().values()) == {1.0}


def test_the_wait_for_a_batch_is_of_the_one_model() -> None:
    assert told(page()).value(s.QUEUE_TIME, "_count", model="m") == 9


def test_the_slowest_load_counts() -> None:
    assert told(page()).values(s.MODEL_LOAD, "model") == {"m": 2.5}


def test_names_that_stand_in_requests_alone_become_no_model() -> None:
    unknown = series(f"{SERVING}:request_count", 7, model_name="nosuch", status="NOT_FOUND")
    unknown += series(f"{SERVING}:request_count", 2, model_name="broken", status="INTERNAL")
    told_page = told(page() + unknown)
    assert set(told_page.values(s.REQUESTS, "model")) == {"m", "other"}
    assert told_page.outcomes("other") == {"error": 2}, "a model that never gave a good answer is seen all the same"


def test_a_latency_of_failures_is_left_out_where_it_is_told() -> None:
    slow = latency(
        f"{SERVING}:request_latency", 99, model_name="m", API="Predict", entrypoint="GRPC", status="INTERNAL"
    )
    assert told(page(status="OK") + slow).value(s.REQUEST_DURATION, "_count") == 50


def test_a_fresh_server_is_there() -> None:
    told_page = told(":tensorflow:core:graph_runs{} 0\n")
    assert told_page.has(s.SERVER_INFO, dialect="tfserving")
    assert not told_page.resolved()


def test_without_its_configuration_there_is_no_page_and_the_switch_is_named() -> None:
    found = failure("tfserving", answer("", status=404))
    assert found.state is ScrapeState.DISABLED
    assert "--monitoring_config_file" in found.message


@pytest.mark.parametrize(("states", "ready"), [(["END", "AVAILABLE"], 1), (["LOADING"], 0), ([], 0)])
def test_a_model_is_ready_when_one_version_is_available(states: list[str], ready: float) -> None:
    status = {"model_version_status": [{"version": "1", "state": state} for state in states]}
    assert values(asked("tfserving", {"/v1/models/m": json.dumps(status)}, "m")) == {("atlas_model_ready", "m"): ready}
