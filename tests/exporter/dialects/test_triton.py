"""What pages of a live Triton 2.51.0 must become."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.pages import text_of, told, told_of


def test_under_load() -> None:
    page = told_of("triton/load_during")
    waiting = page.values(s.REQUESTS_WAITING, "model")
    assert waiting.pop("slow") == 8
    assert not any(waiting.values())
    assert page.value(s.REQUEST_DURATION, "_sum", model="slow") == pytest.approx(38.548076)
    assert page.value(s.REQUEST_DURATION, "_count", model="slow") == 104
    assert page.values(s.REQUEST_DURATION, "le", "_bucket", model="slow") == {"+Inf": 104}
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.REQUEST_DURATION.name) == {"mean_only": 1.0}
    assert page.value(s.QUEUE_TIME, "_sum", model="slow") == pytest.approx(18.84311)
    assert page.value(s.BATCHED_REQUESTS, model="slow") / page.value(s.BATCHES, model="slow") == 8
    assert not page.has(s.REQUESTS_RUNNING)
    assert page.value(s.SERVER_INFO, version=">=24.08") == 1


def test_failures_have_their_outcome() -> None:
    page = told_of("triton/fail_after")
    assert page.outcomes("slow") == {"ok": 592, "rejected": 80, "cancelled": 2}
    assert page.outcomes("flaky") == {"ok": 366, "error": 97}
    assert page.outcomes("pipe") == {"ok": 136, "error": 128}
    assert told_of("triton/pytriton_fail").outcomes("Doubler") == {"ok": 240, "error": 10}


def test_sliding_quantiles_are_not_taken_for_anything() -> None:
    page = told_of("triton/latcfg_after_idle_75s")
    assert page.values(s.REQUEST_DURATION, "le", "_bucket", model="slow") == {"+Inf": 293}
    assert not page.left_out


def test_what_a_full_queue_refuses_is_counted_nowhere() -> None:
    page = told_of("triton/fail_after")
    counted = page.outcomes("slow")
    assert counted["rejected"] == 80, "those that waited longer than the queue allows"
    assert sum(counted.values()) == 674, "17,358 more were refused because the queue was full"


def test_a_full_queue_is_seen_by_what_waits_and_what_may_wait() -> None:
    busy = 'nv_inference_pending_request_count{model="slow",version="1"} 8'
    page = text_of("triton/load_during")
    assert busy in page
    assert told(page.replace(busy, busy.replace(" 8", " 24"))).value(s.REQUESTS_WAITING, model="slow") == 24
    config = {"name": "slow", "dynamic_batching": {"default_queue_policy": {"max_queue_size": 24}}}
    asking = asked("triton", {"/v2/models/slow/config": json.dumps(config)}, "slow")
    assert values(asking) == {("atlas_queue_capacity", "slow"): 24}
