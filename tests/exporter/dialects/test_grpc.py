"""What pages of live gRPC servers must become, in the instrumentations that users choose."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.scrape_state import ScrapeState
from tests.exporter.dialects.endpoints import failure
from tests.exporter.fake_server import answer
from tests.exporter.pages import SAMPLES, histogram, series, text_of, told, told_of

INTERCEPTOR, PLUGIN = "grpc/py-grpc-prometheus-0.8.0", "grpc/grpcio-observability-1.85.0"
UNARY = {"grpc_service": "demo.Model", "grpc_method": "Predict", "grpc_type": "UNARY"}


def test_the_plug_in_of_grpc_sees_every_call() -> None:
    page = told_of(f"{PLUGIN}/fail_after")
    assert page.outcomes("grpc-model") == {"ok": 1171, "rejected": 952, "error": 31}
    assert page.left_out["no_event"] == 2, "INVALID_ARGUMENT and UNIMPLEMENTED"


def test_an_interceptor_sees_what_gets_through_to_the_application() -> None:
    page = told_of(f"{INTERCEPTOR}/fail_after")
    assert page.outcomes("unnamed") == {"ok": 1118, "error": 37, "cancelled": 1}
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUESTS.name) == {"approximate": 1.0}


def test_streams_that_an_interceptor_never_sees_end_do_not_run_for_ever() -> None:
    assert 'grpc_type="SERVER_STREAMING"} 52.0' in text_of(f"{INTERCEPTOR}/fail_after")
    page = told_of(f"{INTERCEPTOR}/fail_after")
    assert not page.has(s.REQUESTS_RUNNING)
    assert sum(page.outcomes("unnamed").values()) == 1201 - 45, "the unary calls but those that were malformed"


def test_bounds_of_milliseconds_on_a_histogram_of_seconds_are_what_they_say() -> None:
    page = told_of(f"{PLUGIN}/fail_after")
    buckets = page.values(s.REQUEST_DURATION, "le", "_bucket")
    assert (buckets["0.0"], buckets["5.0"], buckets["+Inf"]) == (0, 1171, 1171), "calls of 40 ms are below 5 s"
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(47.414186)
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"approximate": 1.0}


def test_a_view_gives_the_plug_in_better_bounds() -> None:
    text = histogram("grpc_server_call_duration_seconds", (0.01, 0.1), grpc_method="other", grpc_status="OK")
    assert list(told(text).values(s.REQUEST_DURATION, "le", "_bucket")) == ["0.01", "0.1", "+Inf"]


def test_durations_by_an_interceptor_are_those_of_all_unary_calls() -> None:
    page = told_of(f"{INTERCEPTOR}/fail_after")
    assert page.value(s.REQUEST_DURATION, "_count") == 1201
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(24.944058)


def test_a_server_with_traces_alone_tells_nothing_and_what_to_do() -> None:
    page = (SAMPLES / "grpc" / "otel-interceptor-0.66b2" / "fail_after.nothing").read_text(encoding="utf-8")
    found = failure("grpc", answer(page))
    assert found.state is ScrapeState.EMPTY
    assert "opentelemetry-instrumentation-grpc has no metrics" in found.message


def test_health_checks_are_no_calls_of_users() -> None:
    page = told(
        series("grpc_server_handled_total", 5, **UNARY, grpc_code="OK")
        + series(
            "grpc_server_handled_total", 99, grpc_service="grpc.health.v1.Health", grpc_method="Check", grpc_code="OK"
        )
    )
    assert page.outcomes("unnamed") == {"ok": 5}
    page = told(
        series("grpc_server_call_duration_seconds_count", 5, grpc_method="demo.Model/Predict", grpc_status="OK")
        + series(
            "grpc_server_call_duration_seconds_count", 9, grpc_method="grpc.health.v1.Health/Check", grpc_status="OK"
        )
    )
    assert page.outcomes("unnamed") == {"ok": 5}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("OK", "ok"), ("CANCELLED", "cancelled"), ("Canceled", "cancelled"), ("DeadlineExceeded", "timeout"), ("INTERNAL", "error"),
     ("UNAVAILABLE", "error"), ("Unavailable", "error"), ("RESOURCE_EXHAUSTED", "rejected"), ("NOT_FOUND", ""), ("NotFound", "")],
)  # fmt: skip
def test_every_code_has_its_outcome_in_the_words_of_python_and_of_go(code: str, outcome: str) -> None:
    page = told(series("grpc_server_handled_total", 4, **UNARY, grpc_code=code))
    assert page.outcomes("unnamed") == ({outcome: 4} if outcome else {})


def test_a_server_that_has_seen_no_call_is_there() -> None:
    assert told_of(f"{INTERCEPTOR}/idle").value(s.SERVER_START_TIME) == 1795420899.87
