"""What pages of a live Triton 2.51.0 must become."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.pages import told_of


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
