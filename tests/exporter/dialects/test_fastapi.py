"""What pages of live FastAPI servers must become, in the instrumentations that users choose."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from tests.exporter.pages import CAPTURES, histogram, runtime_of, series, text_of, told, told_of

OTEL, NEW, BOTH = "fastapi/otel-0.66b2", "fastapi/otel-http-0.66b2", "fastapi/otel-dup-0.66b2"
INSTRUMENTATOR, OPTIONS = "fastapi/instrumentator-8.1.0", "fastapi/instrumentator-options-8.1.0"
OLD_NAMES = {"http_method": "POST", "http_target": "/predict"}


@pytest.mark.parametrize(
    ("capture", "model", "outcomes"),
    [
        (f"{OTEL}/load_after", "otel-fastapi", {"ok": 480 + 26}),
        (f"{OTEL}/fail_after", "otel-fastapi", {"ok": 762 + 43, "error": 50}),
        (f"{NEW}/load_after", "otel-fastapi", {"ok": 443 + 26}),
        (f"{BOTH}/fail_after", "otel-fastapi", {"ok": 801 + 47, "error": 48}),
        (f"{INSTRUMENTATOR}/fail_after", "unnamed", {"ok": 1120 + 59, "error": 65}),
        (f"{OPTIONS}/fail_after", "unnamed", {"ok": 976 + 54, "error": 58}),
    ],
)
def test_outcomes_are_those_of_users_requests(capture: str, model: str, outcomes: dict[str, float]) -> None:
    page = told_of(capture)
    assert page.outcomes(model) == outcomes
    assert set(page.values(s.REQUESTS, "model")) == {model}


def test_a_service_that_nobody_has_named_has_no_name() -> None:
    page = text_of(f"{OTEL}/load_after").replace('service_name="otel-fastapi"', 'service_name="unknown_service:python"')
    assert told(page).outcomes("unnamed") == {"ok": 480 + 26}


def test_under_both_names_at_once_no_request_is_counted_twice() -> None:
    page = told_of(f"{BOTH}/fail_after")
    assert page.value(s.REQUEST_DURATION, "_count") == 801 + 47
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(23.661495 + 6.544361), "the finer one of the two"


def test_old_durations_are_milliseconds() -> None:
    page = told_of(f"{OTEL}/load_after")
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(13.589 + 3.539)
    assert list(page.values(s.REQUEST_DURATION, "le", "_bucket"))[:4] == ["0.0", "0.005", "0.01", "0.025"]


@pytest.mark.parametrize("capture", [f"{OTEL}/idle", f"{NEW}/idle", f"{BOTH}/idle", f"{INSTRUMENTATOR}/idle"])
def test_health_checks_and_scrapes_are_no_requests(capture: str) -> None:
    page = told_of(capture)
    assert not page.values(s.REQUESTS, "outcome") or set(page.values(s.REQUESTS, "outcome").values()) == {0}
    assert page.left_out["health_check"] > 0


def test_the_old_name_of_a_mounted_page_is_no_request_and_an_unknown_path_is_a_mistake() -> None:
    page = told_of(f"{OTEL}/fail_after")
    assert 'http_target=""' in text_of(f"{OTEL}/fail_after")
    assert page.left_out["no_event"] == 2, "400, and 404 without a path"


def test_a_scrape_is_not_taken_for_a_request_that_runs() -> None:
    assert told_of(f"{OTEL}/fail_after").value(s.REQUESTS_RUNNING) == 0, "the page has 1 for GET"
    assert told_of(f"{BOTH}/fail_after").value(s.REQUESTS_RUNNING) == 0
    assert told_of(f"{OPTIONS}/fail_after").value(s.REQUESTS_RUNNING) == 0, "the page has 1 for /metrics"
    assert not told_of(f"{INSTRUMENTATOR}/fail_after").has(s.REQUESTS_RUNNING)
    text = text_of(f"{OTEL}/fail_after") + series("http_server_active_requests", 3, http_method="PUT")
    assert told(text).value(s.REQUESTS_RUNNING) == 3


def test_bounds_that_end_at_one_second_are_not_used_where_there_are_better_ones() -> None:
    page = told_of(f"{INSTRUMENTATOR}/fail_after")
    buckets = page.values(s.REQUEST_DURATION, "le", "_bucket")
    assert list(buckets)[-2:] == ["60.0", "+Inf"]
    assert page.value(s.REQUEST_DURATION, "_count") == 1402, "probes, scrapes and failures are in it"
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"approximate": 1.0}
    coarse = "".join(
        f"{line}\n" for line in text_of(f"{INSTRUMENTATOR}/fail_after").splitlines() if "highr" not in line
    )
    assert told(coarse).value(s.REQUEST_DURATION, "_count") == 1217 + 59 + 40, "by handler, without health checks"


def test_grouped_statuses_hide_what_was_refused() -> None:
    page = told(
        series("http_requests_total", 8, handler="/predict", method="POST", status="2xx")
        + series("http_requests_total", 3, handler="/predict", method="POST", status="4xx")
        + series("http_requests_total", 2, handler="/predict", method="POST", status="5xx")
    )
    assert page.outcomes("unnamed") == {"ok": 8, "error": 2}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("200", "ok"), ("307", "ok"), ("408", "timeout"), ("429", "rejected"), ("499", "cancelled"), ("500", "error"),
     ("503", "error"), ("504", "timeout"), ("404", ""), ("422", "")],
)  # fmt: skip
def test_every_status_has_its_outcome(status: str, outcome: str) -> None:
    page = told(histogram("http_server_duration_milliseconds", (5,), **OLD_NAMES, http_status_code=status))
    assert page.outcomes("unnamed") == ({outcome: 4} if outcome else {})


@pytest.mark.parametrize("capture", [capture for capture in CAPTURES if runtime_of(capture) == "fastapi"])
def test_what_clients_can_choose_is_on_no_sample(capture: str) -> None:
    allowed = {c.RUNTIME, c.SERVER, c.MODEL, c.HOST_NAME, "outcome", "le", "quality", "signal", "version", "dialect"}
    for sample in told_of(capture).samples:
        assert {name for name, _ in sample.labels} <= allowed
        assert not [value for _, value in sample.labels if value in ("BREW", "_OTHER") or "/" in value]


def test_other_servers_that_have_such_names_are_recognised_as_what_they_are() -> None:
    assert told(text_of("vllm/load-stream-1") + series("http_requests_total", 5, status="2xx")).has(
        s.SERVER_INFO, dialect="vllm"
    )
