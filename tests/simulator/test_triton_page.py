"""The simulated page of Triton against one that a real Triton 2.51.0 wrote, and what the exporter makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Effect, ServerEffect
from atlas_ops.simulator.scenarios.traffic import CALM, CROWD

from ..exporter.pages import parsed, text_of, told
from .pages import value
from .test_vllm_page import comments, series

MODEL = "llama-3.1-8b-instruct"


TRITON = replace(CALM, every_server=ServerEffect(runtime="triton"))


def fleet(calm: Effect = TRITON, *, seconds: float = 60.0) -> Fleet:
    found = Fleet(scenario=Scenario(name="", description="", calm=calm, course=()), tick=0.5)
    found.advance(seconds)
    return found


def test_names_types_helps_and_labels_are_those_of_the_real_one() -> None:
    page, real = fleet().page(0), text_of("triton/load_during")
    for keyword in ("TYPE", "HELP"):
        assert comments(page, keyword).items() <= comments(real, keyword).items()
    of_stream = real.replace('model="stream"', f'model="{MODEL}"')
    for name, labels in series(page).items():
        assert labels <= series(of_stream)[name]
    assert value(page, "nv_inference_count") == value(page, "nv_inference_exec_count") > 0
    # ... as of the real model that streams its answers.
    assert value(real, "nv_inference_count", model="stream") == value(real, "nv_inference_exec_count", model="stream")


def test_the_exporter_knows_it_and_tells_means_that_are_those_of_the_engine() -> None:
    found = fleet()
    page = parsed(found.page(0))
    (triton,) = (dialect for dialect in shipped_dialects() if dialect.runtime == "triton")
    assert recognise(shipped_dialects(), page.tells) is triton
    page_told, counters = told(found.page(0)), found.replicas[0].engine.counters
    assert set(page_told.resolved().values()) == {1.0}
    assert not page_told.left_out
    for signal, histogram in ((s.REQUEST_DURATION, counters.end_to_end), (s.QUEUE_TIME, counters.queue_time)):
        assert page_told.values(s.SIGNAL_QUALITY, "quality", signal=signal.name) == {"mean_only": 1.0}
        assert page_told.value(signal, "_count") == histogram.count > 30
        assert page_told.value(signal, "_sum") == pytest.approx(histogram.total, abs=1e-5)


def test_only_requests_that_end_well_are_timed() -> None:
    found = fleet(replace(TRITON, every_server=ServerEffect(runtime="triton", failing_share=0.5)))
    page, counters = told(found.page(0)), found.replicas[0].engine.counters
    ends = page.outcomes(MODEL)
    assert ends["error"] == counters.finished["error"] > 10
    assert page.value(s.REQUEST_DURATION, "_count") == ends["ok"] == counters.end_to_end.count - ends["error"]
    assert page.value(s.REQUEST_DURATION, "_sum") < counters.end_to_end.total - 1


def test_who_hangs_up_is_counted_and_who_finds_the_queue_full_is_not() -> None:
    hurried = replace(CROWD, patience_seconds=1.0)
    found = fleet(Effect(traffic=hurried, every_server=ServerEffect(runtime="triton", queue_limit=60)), seconds=120)
    page, counters = told(found.page(0)), found.replicas[0].engine.counters
    assert page.value(s.REQUESTS_WAITING) == found.replicas[0].engine.requests_waiting > 0
    assert min(counters.rejected, counters.abandoned) > 0
    assert page.outcomes(MODEL) == {"ok": counters.succeeded, "cancelled": counters.abandoned}
