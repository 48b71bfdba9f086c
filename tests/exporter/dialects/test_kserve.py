"""What pages of a live KServe 0.21.0 must become, and those of Knative's queue-proxy and activator beside it."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.samples import Sample
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.pages import Told, histogram, parsed, series, text_of, told, told_of, translator

PYTHON = text_of("kserve/fail_after")
CODES = (("200", 90), ("302", 1), ("400", 5), ("429", 2), ("500", 3), ("503", 4), ("504", 6))
SEEN = {"ok": 91, "rejected": 6, "error": 3, "timeout": 6}


def codes(name: str, label: str) -> str:
    return "".join(series(name, number, **{label: code}) for code, number in CODES)


GENERATIONS = {
    "1.18": codes("revision_request_count", "response_code")
    + histogram("revision_request_latencies", (5, 100_000), response_code="200", service_name="doubler")
    + series("revision_queue_depth", 3, service_name="doubler"),
    "1.19.0": codes("kn_queueproxy_app_duration_seconds_count", "http_response_status_code")
    + series("kn_queueproxy_app_duration_seconds_bucket", 90, http_response_status_code="200", le="+Inf")
    + series("kn_queueproxy_app_duration_seconds_sum", 0, http_response_status_code="200")
    + series("kn_queueproxy_depth", 3),
    "1.21.0": codes("kn_serving_invocation_duration_seconds_count", "http_response_status_code")
    + series("kn_serving_invocation_duration_seconds_bucket", 80, http_response_status_code="200", le="0.1")
    + series("kn_serving_invocation_duration_seconds_bucket", 90, http_response_status_code="200", le="+Inf")
    + series("kn_serving_invocation_duration_seconds_sum", 7, http_response_status_code="200")
    + series("kn_serving_queue_depth", 3),
}
"""Pages of the queue-proxy, in its three generations of names."""
every_generation = pytest.mark.parametrize("knative", GENERATIONS)


def test_failures_are_what_was_preprocessed_and_not_postprocessed() -> None:
    assert told_of("kserve/load_after").outcomes("doubler") == {"ok": 668}
    page = told_of("kserve/fail_after")
    assert page.outcomes("doubler") == {"ok": 1002, "error": 63}
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUESTS.name) == {"approximate": 1.0}


def test_failures_after_postprocessing_leave_no_trace_and_count_as_good() -> None:
    page = told_of("kserve/fail_after")
    assert page.outcomes("other") == {"ok": 115, "error": 20}, "all of the 115 were HTTP 500"


def test_durations_are_those_of_the_predict_step() -> None:
    page = told_of("kserve/load_after")
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"doubler": 668, "other": 77}
    assert len(page.values(s.REQUEST_DURATION, "le", "_bucket", model="doubler")) == 15
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"approximate": 1.0}


def test_open_metrics_says_the_same() -> None:
    assert told_of("kserve/openmetrics_accept").samples == told_of("kserve/fail_after").samples


def test_a_fresh_server_that_only_declares_its_histograms_is_there() -> None:
    page = told_of("kserve/idle")
    assert set(page.values(s.REQUESTS, "outcome").values()) == {0}
    assert page.value(s.SERVER_START_TIME) == 1795420087.89


def test_two_workers_behind_one_port_make_counters_that_go_on() -> None:
    scrapes = [parsed(text_of(f"kserve/workers2_scrape{number}")) for number in (1, 2, 3)]
    speaker = translator(scrapes[0])

    def read(number: int) -> tuple[Sample, ...]:
        return speaker.translate(scrapes[number - 1])

    def counted(samples: tuple[Sample, ...]) -> tuple[float, float]:
        page = Told(samples, {})
        return page.value(s.REQUESTS, model="doubler", outcome="ok"), page.value(s.SERVER_WORKERS)

    # 60 and 230 in turn; what the second one had counted before it was seen is not new.
    assert [counted(read(number)) for number in (1, 2, 3, 2, 2, 3)] == [
        (60, 1),
        (60, 1),
        (60, 2),
        (60, 2),
        (60, 2),
        (60, 2),
    ]
    assert speaker.continuity.restarts == 0


@every_generation
def test_the_queue_proxy_alone_tells_how_requests_ended(knative: str) -> None:
    page = told(GENERATIONS[knative])
    assert page.outcomes("unnamed") == SEEN
    assert page.left_out["no_event"] == 1, "mistakes of clients"


@every_generation
def test_on_an_aggregated_page_no_request_is_counted_twice(knative: str) -> None:
    one_model = "".join(f"{line}\n" for line in PYTHON.splitlines() if 'model_name="other"' not in line)
    page = told(one_model + GENERATIONS[knative])
    assert page.outcomes("doubler") == SEEN, "the queue-proxy sees the most"
    assert set(page.values(s.REQUESTS, "model")) == {"doubler"}


def test_of_several_models_the_queue_proxy_tells_nothing_of_each() -> None:
    page = told(PYTHON + GENERATIONS["1.21.0"])
    assert page.outcomes("unnamed") == SEEN
    assert set(page.values(s.REQUESTS, "model")) == {"unnamed"}


def test_whole_requests_are_timed_where_the_queue_proxy_can() -> None:
    old = told(GENERATIONS["1.18"])
    assert old.values(s.REQUEST_DURATION, "le", "_bucket") == {"0.005": 2, "100.0": 2, "+Inf": 4}
    assert old.value(s.REQUEST_DURATION, "_sum") == pytest.approx(0.009)
    assert not told(GENERATIONS["1.19.0"]).has(s.REQUEST_DURATION), "whole seconds are no durations"
    new = told(GENERATIONS["1.21.0"])
    assert new.values(s.REQUEST_DURATION, "le", "_bucket") == {"0.1": 80, "+Inf": 90}


@every_generation
def test_a_depth_that_never_goes_back_to_0_is_not_taken_for_a_queue(knative: str) -> None:
    page = told(GENERATIONS[knative])
    assert not page.has(s.REQUESTS_RUNNING)
    assert not page.has(s.REQUESTS_WAITING)


def test_the_activator_tells_what_waits_for_each_revision() -> None:
    text = series("kn_revision_request_queued", 7, kn_revision_name="doubler-00001", k8s_namespace_name="models")
    text += series("kn_revision_request_active", 2, kn_revision_name="doubler-00001", k8s_namespace_name="models")
    page = told(text)
    assert page.value(s.REQUESTS_WAITING, model="doubler-00001") == 7
    assert page.value(s.REQUESTS_RUNNING, model="doubler-00001") == 2


def test_an_engine_inside_is_recognised_by_its_own_names() -> None:
    page = told(GENERATIONS["1.21.0"] + text_of("vllm/load-stream-1"))
    assert page.has(s.SERVER_INFO, dialect="vllm")


def test_the_v1_and_v2_endpoints_tell_readiness_the_model_and_the_version() -> None:
    answers = {
        "/v1/models": '{"models": ["doubler"]}',
        "/v2": '{"name": "kserve", "version": "0.21.0", "extensions": []}',
        "/v2/health/ready": '{"ready": true}',
        "/v2/models/doubler/ready": '{"name": "doubler", "ready": true}',
    }
    asking = asked("kserve", answers, "doubler")
    assert (asking.model, str(asking.version)) == ("doubler", "0.21.0")
    assert values(asking) == {("atlas_server_ready", ""): 1, ("atlas_model_ready", "doubler"): 1}
