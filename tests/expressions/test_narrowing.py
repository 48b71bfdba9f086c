"""An expression is narrowed in every selector that can be, and nowhere else."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.expressions.judge import judge
from atlas_ops.expressions.narrowing import narrowed

LABELS = judge(build_catalog()).labels
MATCHERS = {"model": 'model=~"$model"', "gpu": 'gpu=~"$gpu"'}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("atlas_gpu_up", 'atlas_gpu_up{gpu=~"$gpu"}'),
        ('atlas_gpu_clock_hertz{domain="sm"}', 'atlas_gpu_clock_hertz{domain="sm", gpu=~"$gpu"}'),
        ('atlas_requests_running{model=~"$model"}', 'atlas_requests_running{model=~"$model"}'),
        ("atlas_server_up", "atlas_server_up"),
        (
            "rate(atlas_requests_total[$__rate_interval]) > 0",
            'rate(atlas_requests_total{model=~"$model"}[$__rate_interval]) > 0',
        ),
        (
            "atlas_gpu_power_watts / atlas_gpu_power_limit_watts",
            'atlas_gpu_power_watts{gpu=~"$gpu"} / atlas_gpu_power_limit_watts{gpu=~"$gpu"}',
        ),
        ("gpu:atlas_gpu_clock_loss:ratio", 'gpu:atlas_gpu_clock_loss:ratio{gpu=~"$gpu"}'),
        ("model:atlas_capacity_used:ratio_avg15m{}", 'model:atlas_capacity_used:ratio_avg15m{model=~"$model"}'),
        ("time() - 5", "time() - 5"),
        ("atlas_unheard_of", "atlas_unheard_of"),
    ],
)
def test_a_matcher_goes_where_its_label_is(expr: str, expected: str) -> None:
    assert narrowed(expr, MATCHERS, LABELS) == expected


def test_what_everything_may_have_is_asked_of_everything() -> None:
    assert narrowed("atlas_gpu_up or up", MATCHERS, LABELS, everywhere='cluster=~"$cluster"') == (
        'atlas_gpu_up{cluster=~"$cluster", gpu=~"$gpu"} or up{cluster=~"$cluster"}'
    )


def test_what_is_no_promql_is_refused() -> None:
    with pytest.raises(ValueError, match="no PromQL: rate"):
        narrowed("rate(", MATCHERS, LABELS)
