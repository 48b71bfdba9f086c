"""What pages of a live MLServer 1.7.1 must become: names from requests, queues that are depths, two pairs of labels."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.fake_server import Behaviour, answer
from tests.exporter.pages import series, text_of, told, told_of

INFER = {"app_name": "mlserver", "method": "POST", "path": "/v2/models/{model_name}/infer"}


def models(capture: str) -> set[str]:
    page = told_of(capture)
    return {value for sample in page.samples for name, value in sample.labels if name == "model"}


def test_outcomes_are_those_of_the_answers_and_the_mistakes_of_clients_are_no_events() -> None:
    page = told_of("mlserver/fail_after")
    assert page.outcomes("unnamed") == {"ok": 263, "error": 5}, "two models, and REST names none"
    assert page.left_out["no_event"] == 4, "400, 422 and 404 on two paths"


def test_names_that_stand_in_requests_alone_become_no_model() -> None:
    assert 'model="nosuch"' in text_of("mlserver/fail_after")
    assert 'version="v9"' in text_of("mlserver/fail_after")
    assert models("mlserver/fail_after") == {"unnamed"}
    only_grpc = "".join(
        f"{line}\n" for line in text_of("mlserver/fail_after").splitlines() if "rest_server" not in line
    )
    page = told(only_grpc)
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"doubler": 207 + 7, "plain": 78, "other": 6}
    assert page.value(s.REQUEST_DURATION, "_sum", model="plain") == pytest.approx(4.19608)
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"mean_only": 1.0}


def test_a_server_of_one_model_keeps_its_name_when_somebody_asks_for_another() -> None:
    page = series("model_infer_request_success_total", 9, model="m", version="None")
    page += series("rest_server_requests_total", 9, **INFER, status_code="200")
    unknown = series("model_infer_request_failure_total", 1, model="nosuch", version="None")
    unknown += series("model_infer_request_duration_count", 1, model="nosuch", version="None")
    assert told(page + unknown).outcomes("m") == {"ok": 9}


def test_durations_are_those_of_good_inferences() -> None:
    page = told_of("mlserver/fail_after")
    assert page.value(s.REQUEST_DURATION, "_count", model="unnamed") == 263
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(25.61512)
    buckets = page.values(s.REQUEST_DURATION, "le", "_bucket")
    assert (buckets["0.05"], buckets["0.1"], buckets["+Inf"]) == (23, 196, 263)


def test_grpc_calls_that_fail_are_those_that_were_begun_and_never_handled() -> None:
    page = told_of("mlserver/noparallel_grpc_rest")
    assert page.outcomes("unnamed") == {"ok": 121 + 112, "error": 88}
    assert page.value(s.SERVER_START_TIME) == 1795421300.76


def test_histograms_of_depths_are_no_waiting_times() -> None:
    assert "batch_request_queue_bucket" in text_of("mlserver/load_after")
    page = told_of("mlserver/load_after")
    assert not page.has(s.QUEUE_TIME)
    assert not page.has(s.REQUESTS_WAITING)
    assert page.value(s.REQUESTS_RUNNING, model="unnamed") == 0


def test_what_is_no_inference_is_no_request() -> None:
    page = series("rest_server_requests_total", 5, **{**INFER, "path": "/v2/repository/index"}, status_code="500")
    page += series("rest_server_requests_total", 3, **INFER, status_code="200")
    assert told(page).outcomes("unnamed") == {"ok": 3}


def test_the_v2_endpoints_tell_readiness_and_the_version() -> None:
    answers: dict[str, str | Behaviour] = {
        "/v2": '{"name": "mlserver", "version": "1.7.1", "extensions": []}',
        "/v2/health/ready": "",
        "/v2/models/plain/ready": answer("", status=400),
    }
    asking = asked("mlserver", answers, "plain")
    assert str(asking.version) == "1.7.1"
    assert values(asking) == {("atlas_server_ready", ""): 1, ("atlas_model_ready", "plain"): 0}
