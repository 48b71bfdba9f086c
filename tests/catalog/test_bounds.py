"""The bucket bound that stands for a threshold: never below it, the same in rules, settings and charts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atlas_ops.catalog import bounds, build_catalog
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.bounds import OwnBounds
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Objective, Parameters

SLOW = Parameters(objectives=(Objective(request_duration_seconds=0.25),))


def test_a_threshold_is_judged_at_the_smallest_bound_that_is_not_below_it() -> None:
    judged = bounds.in_force(s.TIME_TO_FIRST_TOKEN, 2.5)
    assert judged.by_runtime["vllm"] == (2.5,)
    assert judged.by_runtime["sglang"] == (4.0,)
    assert judged.by_runtime["triton"] == (2.5, 5.0), "its two histograms have different bounds"


@pytest.mark.parametrize("signal", [s.TIME_TO_FIRST_TOKEN, s.REQUEST_DURATION, s.INTER_TOKEN_LATENCY])
@pytest.mark.parametrize("threshold", [0.003, 0.2, 2.5, 7.0, 60.0])
def test_whoever_keeps_a_promise_is_never_called_slow(signal: Signal, threshold: float) -> None:
    judged = bounds.in_force(signal, threshold)
    assert all(bound >= threshold for found in judged.by_runtime.values() for bound in found)
    assert set(judged.by_runtime) | set(judged.out_of_range) == set(bounds.known(signal))


def test_a_runtime_whose_buckets_begin_above_or_end_below_is_not_judged() -> None:
    assert "vllm" in bounds.in_force(s.REQUEST_DURATION, 0.25).begin_above
    assert "mlserver" in bounds.in_force(s.REQUEST_DURATION, 60).end_below


def test_bounds_that_the_user_gives_take_the_place_of_the_known_ones() -> None:
    own = (OwnBounds(runtime="sglang", signal=s.TIME_TO_FIRST_TOKEN.name, seconds=(1, 3)),)
    assert bounds.in_force(s.TIME_TO_FIRST_TOKEN, 2.5, own).by_runtime["sglang"] == (3,)


def test_the_rule_leaves_out_by_name_a_runtime_whose_buckets_begin_above() -> None:
    fault = build_catalog(SLOW).fault("RequestLatencySloBurn")
    assert fault is not None
    _, excluded = fault.recordings[0].expr.split("runtime!~")
    assert "vllm" in excluded
    assert "vllm" in fault.why
    assert "are not watched" in fault.why


def test_the_alert_says_at_which_bound_its_runtime_was_judged() -> None:
    fault = build_catalog().fault("TimeToFirstTokenSloBurn")
    assert fault is not None
    assert '{{ else if eq $labels.runtime "sglang" }}4{{' in fault.rules[0].summary
    at_bound = build_catalog(replace(SLOW, bounds=())).fault("RequestLatencySloBurn")
    assert at_bound is not None
    assert "{{ else }}0.25{{ end }} s" in at_bound.rules[0].summary
