"""A rule that can never fire is found offline, with the reason; one that can is left in peace."""

from __future__ import annotations

from pathlib import Path

import promql_parser
import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.expressions import subset
from atlas_ops.expressions.firing import nodes
from atlas_ops.expressions.judge import judge
from atlas_ops.expressions.supply import Supply

from .conftest import Check, edit

JUDGE = judge(build_catalog())


def why_not(runtime: str, expr: str) -> tuple[str, ...]:
    supply = next(Supply(dialect=dialect) for dialect in shipped_dialects() if dialect.runtime == runtime)
    return JUDGE.firing.lacking(promql_parser.parse(expr), supply)


@pytest.mark.parametrize(
    ("runtime", "expr"),
    [
        ("vllm", "atlas_kv_cache_usage_ratio > 0.9 and rate(atlas_preemptions_total[2m]) > 0"),
        ("vllm", 'rate(atlas_time_to_first_token_seconds_bucket{le=~"2\\\\.5"}[5m]) > 0'),
        ("vllm", 'rate(atlas_time_to_first_token_seconds_bucket{le="+Inf"}[5m]) > 0'),
        ("triton", "rate(atlas_request_duration_seconds_sum[5m]) / rate(atlas_request_duration_seconds_count[5m]) > 1"),
        ("bentoml", "(atlas_requests_running + atlas_requests_waiting) > 0 or atlas_requests_running > 0"),
        ("triton", "atlas_requests_waiting > 0 unless atlas_kv_cache_usage_ratio < 0.5"),
        ("llamacpp", "absent(atlas_kv_cache_usage_ratio)"),
        ("triton", 'atlas_gpu_xid_errors_total{owner="hardware", xid="79"} > 0'),
        ("vllm", 'atlas_server_scrape_state{state=~"disabled|unauthorized"} == 1'),
        ("kserve", "server:atlas_requests_completed:rate > 0"),
    ],
)
def test_what_a_runtime_tells_can_fire_there(runtime: str, expr: str) -> None:
    assert why_not(runtime, expr) == ()


@pytest.mark.parametrize(
    ("runtime", "expr", "reason"),
    [
        ("bentoml", "atlas_kv_cache_usage_ratio > 0.9", "bentoml does not tell atlas_kv_cache_usage_ratio"),
        ("torchserve", 'rate(atlas_request_duration_seconds_bucket{le="5"}[5m]) > 0', "torchserve tells only means of"),
        ("vllm", 'rate(atlas_time_to_first_token_seconds_bucket{le=~"3(\\\\.0)?"}[5m]) > 0', "no such bound"),
        ("vllm", 'atlas_requests_running{runtime="triton"} > 0', "not for vllm"),
        ("vllm", 'server:atlas_requests_completed:rate{runtime!~"vllm|sglang"} > 0', "not for vllm"),
        ("vllm", 'atlas_requests_running{gpu="0"} > 0', "has no label gpu"),
        ("vllm", 'atlas_gpu_throttle_seconds_total{reason="heat"} > 0', "has no reason 'heat'"),
        ("vllm", 'atlas_requests_total{outcome="failed"} > 0', "has no outcome 'failed'"),
        ("vllm", "vllm:num_requests_running > 0", "nothing publishes vllm:num_requests_running"),
        ("ray_serve", "atlas_request_duration_seconds_sum > 0", "are made up"),
        ("bentoml", "atlas_requests_waiting > 0 or atlas_kv_cache_usage_ratio > 0", "atlas_requests_waiting"),
        ("llamacpp", "server:atlas_requests_completed:rate > 0", "atlas_requests_total"),
    ],
)
def test_what_a_runtime_does_not_tell_cannot_fire_there(runtime: str, expr: str, reason: str) -> None:
    assert any(reason in told for told in why_not(runtime, expr)), why_not(runtime, expr)


def test_a_dead_alternative_is_found_although_the_rest_can_fire() -> None:
    supplies = [Supply(dialect=dialect) for dialect in shipped_dialects()]
    expr = promql_parser.parse("atlas_requests_running > 0 or (atlas_requests_runing > 0 and atlas_server_up == 1)")
    assert [reasons for _, reasons in JUDGE.firing.dead(expr, supplies)] == [
        ("nothing publishes atlas_requests_runing",)
    ]


@pytest.mark.parametrize(
    ("expr", "word"),
    [
        ("mad_over_time(atlas_requests_running[5m]) > 0", "mad_over_time"),
        ("limitk(2, atlas_requests_running)", "limitk"),
        ('atlas_time_to_first_token_seconds_bucket{le="1"}', 'le="1"'),
    ],
)
def test_what_only_one_prometheus_knows_is_named(expr: str, word: str) -> None:
    parts = nodes(promql_parser.parse(expr))
    assert [message for part in parts for message, _ in subset.foreign(part) if word in message]


@pytest.mark.usefixtures("lenient_programs")
@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("expr: sum by (runtime, server,", "expr: sum by (runtimes, server,", "no label"),
        ('outcome!="rejected"', 'outcome="late"', "has no outcome 'late'"),
        ("server:atlas_requests_completed:rate offset 2m", "atlas_server_up offset 2m", "never match"),
        ("atlas_requests_waiting", "mad_over_time(atlas_requests_waiting[5m])", "mad_over_time"),
    ],
)
def test_a_rule_on_disk_that_can_never_fire_is_found_with_its_line(
    tree: Path, check: Check, old: str, new: str, finding: str
) -> None:
    line = edit(tree / "alerts/capacity.yaml", old, new)
    told = check().at("alerts/capacity.yaml")
    if finding == "no label":  # a label that nothing has is dropped, and then the sides differ
        assert any("never match" in text for text in told.values())
    else:
        assert any(finding in text for number, text in told.items() if abs(number - line) <= 6), told
