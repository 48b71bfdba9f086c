"""What is said of a model beside its numbers: disagreement, replicas that differ, change over time, forecasts."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.capacity import cost
from atlas_ops.capacity.assess import Assessment, assess
from atlas_ops.capacity.demand import Demand, Forecast
from atlas_ops.capacity.estimate import Estimate
from atlas_ops.capacity.gpus import Held
from atlas_ops.capacity.observed import Floats, Key, Observed, Promise
from atlas_ops.capacity.report import document, text, words
from atlas_ops.capacity.report.told import Told
from atlas_ops.capacity.verdict import Standing, judge
from tests.capacity import worlds

WINDOWS = 144


def observed(peak: float = 1.1, replicas: int = 2) -> Observed:
    """Return replicas with eight places of 10 s each, that carry 0.8 requests a second."""
    rng = np.random.default_rng(7)
    load = worlds.loads(WINDOWS, peak, rng, period=WINDOWS)
    found = [worlds.queue(rng, 8, 10.0, load) for _ in range(replicas)]
    completed, concurrency, busy = (
        np.stack(rows) for rows in zip(*((one.completed, one.concurrency, one.busy) for one in found), strict=True)
    )
    nothing = np.full_like(completed, np.nan)
    return Observed(
        key=Key(runtime="vllm", model="chat", namespace=""),
        times=worlds.WINDOW * np.arange(WINDOWS),
        servers=tuple(f"chat-{place}" for place in range(replicas)),
        finished=completed,
        arrived=completed,
        busy=busy,
        running=np.minimum(concurrency, 8.0),
        waiting=np.maximum(concurrency - 8.0, 0.0),
        prompt_tokens=nothing,
        generation_tokens=nothing,
        slots=nothing,
        promises=(),
        most_replicas=None,
    )


def judged(seen: Observed, forecast: float | None = None, growth: float | None = None) -> Assessment:
    return assess(seen, 0.8, forecast, growth)


def test_a_healthy_model_has_no_remark_and_a_law_that_holds() -> None:
    of = judged(observed())
    assert of.notes == ()
    assert of.law is not None
    assert of.law.agree
    assert of.replica is not None
    assert of.replica.most.value == pytest.approx(0.8, rel=0.03)
    assert of.replica.usable.value == pytest.approx(0.8 * of.replica.most.value)


@pytest.mark.parametrize(("factor", "meaning"), [(2.0, "counted twice"), (0.5, "where no gauge looks")])
def test_gauges_that_disagree_with_the_counters_are_told_with_what_it_may_mean(factor: float, meaning: str) -> None:
    seen = observed()
    law = judged(dataclasses.replace(seen, running=factor * seen.running, waiting=factor * seen.waiting)).law
    assert law is not None
    assert not law.agree
    assert law.ratio.value == pytest.approx(1 / factor, rel=0.1)
    assert meaning in law.meaning


def test_a_replica_that_does_less_than_the_others_is_named() -> None:
    seen = observed(replicas=4)
    slow = seen.finished.copy()
    slow[2] *= 0.6
    notes = judged(dataclasses.replace(seen, finished=slow)).notes
    assert any("not alike" in note and "chat-2 -3" in note for note in notes)


def test_servers_that_lately_do_less_are_told() -> None:
    seen = observed()
    finished = seen.finished.copy()
    finished[:, 108:] *= 0.7
    assert any(
        "in the last 3 hours a replica did -" in note
        for note in judged(dataclasses.replace(seen, finished=finished)).notes
    )


def test_windows_in_which_a_server_hung_are_left_out_and_counted() -> None:
    seen = observed()
    finished = seen.finished.copy()
    finished[0, 60:66] = 0.0
    of = judged(dataclasses.replace(seen, finished=finished))
    assert of.replica is not None
    assert of.replica.most.value == pytest.approx(0.8, rel=0.03)
    assert any(note.startswith("6 windows of a server are left out") for note in of.notes)


def test_a_queue_that_nobody_tells_is_told() -> None:
    seen = observed()
    notes = judged(dataclasses.replace(seen, waiting=np.full_like(seen.waiting, np.nan))).notes
    assert any("no gauge tells what waits" in note for note in notes)


def test_an_uneven_load_is_told() -> None:
    seen = observed(peak=0.5)
    arrived = seen.arrived * np.array([[1.6], [0.4]])
    of = judged(dataclasses.replace(seen, arrived=arrived))
    assert of.demand.uneven == pytest.approx(1.6, rel=0.1)
    assert any(name == "spread" for name, _ in words.lines(judge(of), None))


def asked(replicas: int) -> Demand:
    nothing: Floats = np.zeros(1)
    return Demand(course=nothing, mean=1.0, peak=2.0, replicas=replicas, replica_course=nothing, uneven=1.0)


def test_a_forecast_takes_whole_replicas_with_an_interval() -> None:
    forecast = Forecast.of(10.0, Estimate(value=2.4, low=1.9, high=2.6), asked(4), None)
    assert (forecast.needed, forecast.low, forecast.high, forecast.enough) == (5, 4, 6, None)
    estimate = Estimate(value=2.4, low=1.9, high=2.6)
    assert [Forecast.of(10.0, estimate, asked(there), None).enough for there in (3, 5, 6)] == [False, None, True]
    assert forecast.use.value == pytest.approx(10 / 9.6)
    assert Forecast.of(10.0, Estimate(value=2.5, low=2.5, high=2.5), asked(4), None).enough


def test_what_an_autoscaler_may_add_is_there() -> None:
    forecast = Forecast.of(10.0, Estimate(value=2.0, low=1.9, high=2.1), asked(2), 6)
    assert (forecast.there, forecast.scaled, forecast.enough) == (6, True, True)


def test_growth_is_that_of_the_peak() -> None:
    of = judged(observed(), growth=0.3)
    assert of.forecast is not None
    assert of.forecast.rate == pytest.approx(1.3 * of.demand.peak)


def test_nobody_can_tell_what_lies_beyond_what_was_carried() -> None:
    of = judged(observed(peak=0.5), forecast=5.0)
    verdict = judge(of)
    assert verdict.standing is Standing.CANNOT_TELL
    assert "never full" in verdict.why
    assert judge(judged(observed(peak=0.5), forecast=0.3)).standing is Standing.ENOUGH


def test_a_week_that_is_asked_of_a_model_of_today_is_no_hindrance() -> None:
    """Blocks are as long as there is data for, not as the time that was asked for."""
    seen = observed()
    older = 7 * 288 - WINDOWS
    padded: dict[str, Any] = {
        field.name: np.pad(value, ((0, 0), (older, 0)), constant_values=np.nan)
        for field in dataclasses.fields(seen)
        if isinstance(value := getattr(seen, field.name), np.ndarray) and value.ndim == 2
    }
    of = judged(dataclasses.replace(seen, times=worlds.WINDOW * np.arange(7 * 288), **padded))
    assert of.replica is not None
    assert of.replica.most.value == pytest.approx(0.8, rel=0.03)


@pytest.mark.parametrize("spoil", ["finished", "running"])
def test_a_model_of_which_nothing_is_known_is_no_crash(spoil: str) -> None:
    seen = observed()
    nothing = np.full_like(seen.finished, np.nan)
    seen = dataclasses.replace(seen, busy=nothing, waiting=nothing)
    blank = (
        dataclasses.replace(seen, finished=nothing)
        if spoil == "finished"
        else dataclasses.replace(seen, running=nothing)
    )
    of = judged(blank)
    assert of.replica is None
    assert of.why_not
    assert judge(of).standing is Standing.CANNOT_TELL


def test_replicas_that_may_do_or_not_are_no_verdict() -> None:
    """One replica carries about 0.64 requests a second, give or take some per cent."""
    standings = []
    for rate in (1.2, 1.28, 1.4):
        of = judged(observed(), forecast=rate)
        assert of.forecast is not None
        standings.append((judge(of).standing, of.forecast.low <= 2 < of.forecast.high))
    assert standings == [(Standing.ENOUGH, False), (Standing.CANNOT_TELL, True), (Standing.TOO_FEW, False)]
    assert "1.28 requests/s at the peak take 2 to 3 replicas, and there are 2" in judge(judged(observed(), 1.28)).why


def test_servers_that_are_gone_for_an_hour_are_no_replicas() -> None:
    gone = observed()
    for values in (gone.finished, gone.arrived, gone.busy, gone.running, gone.waiting):
        values[:, -13:] = np.nan
    found = judge(judged(gone, 0.1))
    assert (found.standing, found.assessment.demand.replicas) == (Standing.CANNOT_TELL, 0)
    assert "no server was seen in the last hour" in found.why
    assert judge(judged(dataclasses.replace(gone, most_replicas=2), 0.1)).standing is Standing.ENOUGH


WILD = st.one_of(st.just(math.nan), st.just(0.0), st.just(1e9), st.floats(1e-9, 1e3))


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_prometheus_says_there_is_a_text_and_a_document_without_nan(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(WILD, min_size=9, max_size=9), min_size=1, max_size=12))
    wild = np.resize(np.array(rows).ravel(), (7, 2, 110))
    nothing = np.full((2, 110), np.nan)
    seen = dataclasses.replace(
        observed(),
        times=worlds.WINDOW * np.arange(110),
        prompt_tokens=nothing,
        generation_tokens=nothing,
        slots=nothing,
        promises=(Promise(name="first tokens", seconds=1, target=0.99, slow=wild[5], all=wild[6]),),
        **dict(zip(("finished", "arrived", "busy", "running", "waiting"), wild, strict=False)),
    )
    held = Held(gpus={"GPU": wild[0, 0]}, joules=wild[1, 0], measured=wild[2, 0], strangers=wild[3, 0])
    told = [Told(verdict=judge(judged(seen, growth=0.3)), cost=cost.of(seen, held, None))]
    assert json.loads(document.text(told))["models"][0]["verdict"] in list(Standing)
    assert "chat" in text.text(told)
    assert "nan" not in text.text(told)
