"""What pages of a live TorchServe 0.12.0 must become: failures without a model, latencies that leave failures out."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.scrape_state import ScrapeState
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import SAMPLES, parsed, series, text_of, told, told_of, translator

FOLDER = SAMPLES / "torchserve" / "0.12.0"
DOUBLER = [
    {
        "modelName": "doubler",
        "workers": [{"id": "9000", "status": "READY"}, {"id": "9001", "status": "UNLOADING"}],
        "jobQueueStatus": {"remainingCapacity": 3, "pendingRequests": 7},
    }
]


def test_good_answers_are_inferences_less_failures() -> None:
    assert told_of("torchserve/load_after").outcomes("doubler") == {"ok": 501}
    assert told_of("torchserve/fail_after").outcomes("doubler") == {"ok": 826 - 62, "error": 62}
    assert told_of("torchserve/after_worker_restart").outcomes("doubler") == {"ok": 764, "error": 64}


def test_scrapes_health_checks_and_the_mistakes_of_clients_are_no_events() -> None:
    page = told_of("torchserve/nomodel_404s")
    assert set(page.values(s.REQUESTS, "outcome").values()) == {0}
    assert "Requests4XX" in text_of("torchserve/nomodel_404s")


def test_a_timeout_counts_as_an_error_and_adds_nothing_to_the_latencies() -> None:
    before, after = told_of("torchserve/fail_after"), told_of("torchserve/after_response_timeout")
    assert after.value(s.REQUESTS, outcome="error") == before.value(s.REQUESTS, outcome="error") + 1
    assert (
        after.value(s.REQUEST_DURATION, "_sum") == before.value(s.REQUEST_DURATION, "_sum") == pytest.approx(79.236499)
    )
    assert after.value(s.REQUEST_DURATION, "_count") == before.value(s.REQUEST_DURATION, "_count") + 1
    assert after.value(s.QUEUE_TIME, "_sum") == pytest.approx(34.183923)
    assert after.values(s.REQUEST_DURATION, "le", "_bucket") == {"+Inf": 827}
    assert after.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"mean_only": 1.0}


def test_requests_that_are_being_executed_are_not_yet_good() -> None:
    def page(arrived: int, failed: int) -> str:
        text = series("ts_inference_requests_total", arrived, model_name="m", model_version="default", hostname="h")
        return text + series("Requests5XX", failed, Level="Host", Hostname="h")

    first = page(100, 10)
    speaker = translator(parsed(first))
    for text, good in ((first, 90), (page(120, 10), 90), (page(120, 30), 90)):
        samples = speaker.translate(parsed(text))
        assert [one.value for one in samples if ("outcome", "ok") in one.labels] == [good]


def test_of_several_models_the_outcomes_are_those_of_the_server() -> None:
    text = text_of("torchserve/fail_after")
    other = series("ts_inference_requests_total", 100, model_name="other", model_version="default", hostname="vm")
    page = told(text + other)
    assert page.outcomes("unnamed") == {"ok": 826 + 100 - 62, "error": 62}
    assert page.values(s.REQUESTS, "model", outcome="error") == {"unnamed": 62}, "failures name no model"
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"doubler": 826, "other": 100}


def test_the_load_time_of_a_worker_is_not_taken_for_a_cold_start() -> None:
    assert "99388.0" in text_of("torchserve/after_worker_restart")
    assert not told_of("torchserve/after_worker_restart").has(s.MODEL_LOAD)


def test_the_default_settings_give_an_empty_page_and_the_switch_is_named() -> None:
    headers = (FOLDER / "default_log_mode.headers").read_text(encoding="utf-8")
    assert "content-length: 0" in headers
    found = failure("torchserve", answer("", headers="Content-Type: text/plain; version=0.0.4; charset=utf-8"))
    assert found.state is ScrapeState.EMPTY
    assert "metrics_mode=prometheus" in found.message


def test_the_management_api_tells_what_waits_how_much_may_wait_and_whether_a_worker_is_ready() -> None:
    asking = asked("torchserve", {"/models/doubler": json.dumps(DOUBLER), "/ping": '{"status": "Healthy"}'}, "doubler")
    assert values(asking) == {
        ("atlas_server_ready", ""): 1,
        ("atlas_model_ready", "doubler"): 1,
        ("atlas_requests_waiting", "doubler"): 7,
        ("atlas_queue_capacity", "doubler"): 10,
    }


def test_a_model_whose_workers_are_all_gone_is_not_ready() -> None:
    gone = json.dumps(DOUBLER).replace("READY", "UNLOADING")
    asking = asked("torchserve", {"/models/doubler": gone, "/ping": answer("", status=500)}, "doubler")
    assert values(asking)["atlas_model_ready", "doubler"] == 0
    assert values(asking)["atlas_server_ready", ""] == 0


def test_a_page_that_names_no_model_gets_the_name_of_the_management_api() -> None:
    asking = asked("torchserve", {"/models": '{"models": [{"modelName": "doubler", "modelUrl": "doubler.mar"}]}'})
    assert asking.model == "doubler"


def test_a_management_answer_that_is_no_json_tells_nothing_of_the_model() -> None:
    assert values(asked("torchserve", {"/models/doubler": "<html>"}, "doubler")) == {}
