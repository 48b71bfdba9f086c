"""What pages of a live BentoML 1.4.39 must become."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.pages import histogram, series, told, told_of


def test_outcomes_are_those_that_clients_saw() -> None:
    page = told_of("bentoml/fail_after")
    assert page.outcomes("Doubler") == {"ok": 823, "rejected": 18, "timeout": 3, "error": 8}
    assert page.left_out["no_event"] == 3, "400 on two endpoints, and 404"
    assert page.value(s.REQUEST_DURATION, "_count") == 823, "answers that fail would flatter the percentiles"
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(24.823381 + 36.563617)
    assert (page.value(s.BATCHES), page.value(s.BATCHED_REQUESTS)) == (135, 322)
    assert page.value(s.SERVER_INFO, version=">=1.4.18") == 1


def test_health_checks_are_no_requests() -> None:
    page = told_of("bentoml/idle")
    assert page.outcomes("Doubler") == {}
    assert page.value(s.REQUESTS_RUNNING) == 0
    assert not page.has(s.REQUEST_DURATION)
    assert page.left_out["health_check"] == 20
    labels = {label for sample in told_of("bentoml/fail_after").samples for _, label in sample.labels}
    assert not any("/" in label for label in labels), "paths are chosen by clients"


def test_a_service_of_the_old_style_is_told_once_although_its_runners_count_as_well() -> None:
    who = {"service_name": "fraud", "service_version": "1"}
    page = ""
    for code, number in {"200": 40, "400": 2, "500": 3}.items():
        labels = {**who, "endpoint": "/predict", "http_response_code": code}
        page += series("bentoml_api_server_request_total", number, **labels)
        page += series("bentoml_runner_request_total", number, **labels, runner_name="model")
        page += series("BENTOML_fraud_request_total", number, endpoint="/predict", http_response_code=code)
        page += histogram("bentoml_api_server_request_duration_seconds", (0.1, 10), **labels)
    page += series("bentoml_api_server_request_total", 99, **who, endpoint="/livez", http_response_code="200")
    page += series("bentoml_api_server_request_in_progress", 5, **who, endpoint="/predict")
    old = told(page)
    assert old.outcomes("fraud") == {"ok": 40, "error": 3}
    assert old.value(s.REQUEST_DURATION, "_count") == 4
    assert old.value(s.REQUESTS_RUNNING) == 5
    assert old.left_out == {"health_check": 1, "no_event": 1}
    assert set(old.resolved().values()) == {1.0}
