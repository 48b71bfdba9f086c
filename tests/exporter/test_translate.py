"""From native pages to the contract: exact values of real pages, old versions, hostile ones."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.catalog.model import SignalType
from atlas_ops.exporter.decode import present
from atlas_ops.exporter.samples import Sample
from tests.exporter.pages import CAPTURES, Told, histogram, parsed, series, text_of, told, told_of, translator

every_capture = pytest.mark.parametrize("capture", CAPTURES)
RUNS = (
    ("vllm/idle-fresh", "vllm/load-stream-1", "vllm/load-stream-2", "vllm/idle-after-load", "vllm/after-aborts-errors",
     "vllm/prefix-cache-hits"),
    ("vllm/smallkv-idle", "vllm/kv-pressure-1", "vllm/kv-pressure-2", "vllm/admission-rejections-during",
     "vllm/after-admission-rejections"),
    ("vllm/dp2-api2-idle", "vllm/dp2-api2-load-1", "vllm/dp2-api2-after"),
    ("vllm/lora-load-1", "vllm/lora-after"),
    ("triton/idle", "triton/load_during", "triton/load_after", "triton/fail_after"),
    ("triton/latcfg_idle", "triton/latcfg_after_idle_75s"),
    ("triton/pytriton_idle", "triton/pytriton_load", "triton/pytriton_fail"),
    ("bentoml/idle", "bentoml/load_during", "bentoml/load_after", "bentoml/fail_after"),
)  # fmt: skip
"""Captures of the same process, in time."""
DECLARED = (s.REQUESTS_RUNNING, s.REQUESTS_WAITING)
"""Gauges that several API servers of vLLM declare before they print a series."""


# --- the contract, on every real page ---------------------------------------------------------------------------------


@every_capture
def test_every_sample_has_the_type_the_labels_and_the_parts_of_its_signal(capture: str) -> None:
    page = told_of(capture)
    assert page.has(s.REQUESTS)
    for sample in page.samples:
        names = [name for name, _ in sample.labels]
        own = [name for name in names if name != "le"]
        assert own == [name for name in sample.signal.labels if name in own], "in the contract's order"
        assert ("le" in names) == (sample.part == "_bucket")
        assert (sample.part != "") == (sample.signal.type is SignalType.HISTOGRAM)
        assert math.isfinite(sample.value)
        assert sample.value >= 0
        needed = {c.RUNTIME, c.SERVER} | ({c.MODEL} if c.MODEL in sample.signal.labels else set())
        assert needed <= set(names)


@every_capture
def test_no_sample_is_there_twice(capture: str) -> None:
    keys = [(sample.signal.name, sample.part, sample.labels) for sample in told_of(capture).samples]
    assert len(keys) == len(set(keys))


@every_capture
def test_every_native_name_that_the_dialect_knows_becomes_its_signal(capture: str) -> None:
    page = parsed(text_of(capture))
    dialect = recognise(shipped_dialects(), page.names)
    assert dialect is not None
    speaks = told_of(capture)
    for entry in dialect.entries:
        there = [reading for reading in entry.readings if present(reading, page)]
        printed = any(page.of(reading.metric) or page.of(f"{reading.metric}_count") for reading in there)
        only_health_checks = capture == "bentoml/idle" and entry.signal is s.REQUEST_DURATION
        assert speaks.has(entry.signal) == (printed and not only_health_checks) or entry.signal in DECLARED, (
            entry.signal
        )
        resolved = speaks.values(s.SIGNAL_RESOLVED, "signal")
        assert resolved.get(entry.signal.name) == (1.0 if there else None), entry.signal.name


@every_capture
def test_histograms_are_cumulative_and_their_bounds_are_floats(capture: str) -> None:
    page = told_of(capture)
    for count in [sample for sample in page.samples if sample.part == "_count"]:
        labels = {name: value for name, value in count.labels if name not in ("server", "host_name", "runtime")}
        buckets = page.values(count.signal, "le", "_bucket", **labels)
        assert all(re.fullmatch(r"\d+\.\d+|\+Inf", bound) for bound in buckets), buckets
        values = list(buckets.values())
        assert values == sorted(values)
        assert [float(bound) for bound in buckets] == sorted(float(bound) for bound in buckets)
        assert buckets["+Inf"] == count.value
        assert page.value(count.signal, "_sum", **labels) >= 0


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run[0])
def test_counters_never_fall_while_a_process_lives(run: tuple[str, ...]) -> None:
    def counters(capture: str) -> dict[tuple[str, str, object], float]:
        return {
            (sample.signal.name, sample.part, sample.labels): sample.value
            for sample in told_of(capture).samples
            if sample.signal.type is SignalType.COUNTER or sample.part
        }

    for before, after in pairwise(counters(capture) for capture in run):
        assert before.keys() <= after.keys(), "a series that is there once stays"
        assert not [key for key, value in before.items() if after[key] < value]


# --- exact values -----------------------------------------------------------------------------------------------------


def test_vllm_under_kv_pressure() -> None:
    page = told_of("vllm/kv-pressure-1")
    assert page.value(s.REQUESTS_RUNNING, model="tiny-llama") == 9
    assert page.value(s.REQUESTS_WAITING) == 11
    assert page.value(s.KV_CACHE_USAGE) == pytest.approx(0.909, abs=0.001)
    assert page.value(s.KV_CACHE_CAPACITY) == 1536
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 11
    assert page.value(s.GENERATION_TOKENS) == 1065
    assert page.value(s.SERVER_START_TIME) == 1795420211.05
    assert page.value(s.SERVER_INFO, version=">=0.32.0", dialect="vllm") == 1
    assert told_of("vllm/kv-pressure-2").value(s.PREEMPTIONS) == 9


def test_vllm_rejections_that_hide_in_http_200_are_counted() -> None:
    before, after = told_of("vllm/kv-pressure-2"), told_of("vllm/after-admission-rejections")
    assert before.outcomes("tiny-llama") == {"ok": 5}
    assert after.value(s.REQUESTS, outcome="rejected") > 0
    assert set(after.values(s.REQUESTS, "outcome")) == set(c.OUTCOMES)


def test_vllm_engines_of_one_server_are_one_server() -> None:
    page = told_of("vllm/dp2-api2-load-1")
    assert page.value(s.REQUESTS_RUNNING) == 16
    assert page.value(s.REQUESTS_WAITING) == 16
    assert page.value(s.GENERATION_TOKENS) == 2057 + 3341
    assert page.value(s.KV_CACHE_USAGE) == pytest.approx(0.000977, abs=1e-6), "the fullest engine, not the sum"
    assert page.value(s.KV_CACHE_CAPACITY) == 1_048_576, "of one engine, not the sum"
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_count") == 24 + 32
    assert page.value(s.TIME_TO_FIRST_TOKEN, "_bucket", le="+Inf") == 56
    assert not page.has(s.SERVER_START_TIME), "several API servers have no common start"
    assert page.values(s.SIGNAL_QUALITY, "quality", signal=s.SERVER_START_TIME.name) == {"none": 1.0}


def test_vllm_gauges_that_are_declared_and_not_yet_printed_are_no_alarm() -> None:
    page = told_of("vllm/dp2-api2-idle")
    assert page.value(s.REQUESTS_RUNNING) == page.value(s.REQUESTS_WAITING) == 0
    assert not page.has(s.KV_CACHE_USAGE), "nothing says how full it is"
    assert set(page.resolved().values()) == {1.0}


def test_vllm_lora_adapters_are_those_of_the_newest_series() -> None:
    assert told_of("vllm/lora-load-1").values(s.LORA_ADAPTERS, "state") == {"running": 1, "waiting": 1}
    assert told_of("vllm/lora-after").values(s.LORA_ADAPTERS, "state") == {"running": 0, "waiting": 0}


def test_vllm_prefix_cache_is_counted_in_tokens() -> None:
    page = told_of("vllm/prefix-cache-hits")
    assert page.value(s.PREFIX_CACHE_HITS) == page.value(s.CACHED_PROMPT_TOKENS) == 23 * 384


def test_triton_under_load() -> None:
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


def test_triton_failures_have_their_outcome() -> None:
    page = told_of("triton/fail_after")
    assert page.outcomes("slow") == {"ok": 592, "rejected": 80, "cancelled": 2}
    assert page.outcomes("flaky") == {"ok": 366, "error": 97}
    assert page.outcomes("pipe") == {"ok": 136, "error": 128}
    assert told_of("triton/pytriton_fail").outcomes("Doubler") == {"ok": 240, "error": 10}


def test_triton_sliding_quantiles_are_not_taken_for_anything() -> None:
    page = told_of("triton/latcfg_after_idle_75s")
    assert page.values(s.REQUEST_DURATION, "le", "_bucket", model="slow") == {"+Inf": 293}
    assert not page.left_out


def test_bentoml_outcomes_are_those_that_clients_saw() -> None:
    page = told_of("bentoml/fail_after")
    assert page.outcomes("Doubler") == {"ok": 823, "rejected": 18, "timeout": 3, "error": 8}
    assert page.left_out["no_event"] == 3, "400 on two endpoints, and 404"
    assert page.value(s.REQUEST_DURATION, "_count") == 823, "answers that fail would flatter the percentiles"
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(24.823381 + 36.563617)
    assert (page.value(s.BATCHES), page.value(s.BATCHED_REQUESTS)) == (135, 322)
    assert page.value(s.SERVER_INFO, version=">=1.4.18") == 1


def test_bentoml_health_checks_are_no_requests() -> None:
    page = told_of("bentoml/idle")
    assert page.outcomes("Doubler") == {}
    assert page.value(s.REQUESTS_RUNNING) == 0
    assert not page.has(s.REQUEST_DURATION)
    assert page.left_out["health_check"] == 20
    labels = {label for sample in told_of("bentoml/fail_after").samples for _, label in sample.labels}
    assert not any("/" in label for label in labels), "paths are chosen by clients"


# --- hostile pages ----------------------------------------------------------------------------------------------------


def test_series_that_a_router_repeats_are_not_counted_again() -> None:
    text = text_of("vllm/load-stream-1")
    repeated = text.replace('engine="0"', 'engine="0",server="http://10.0.0.9:8000"')
    both = told(text + repeated)
    assert both.value(s.REQUESTS_RUNNING) == told(text).value(s.REQUESTS_RUNNING)
    assert both.left_out["router_reexport"] > 100


def test_a_page_of_nothing_but_repeated_series_is_not_known() -> None:
    assert not told('vllm:num_requests_running{model_name="m",server="http://10.0.0.9:8000"} 3\n').samples


def named(prefix: str, number: int) -> str:
    return "".join(series("vllm:generation_tokens_total", n + 1, model_name=f"{prefix}{n}") for n in range(number))


def test_ten_thousand_models_become_a_few_and_the_rest() -> None:
    page = told(named("m", 10_000), max_models=64)
    found = page.values(s.GENERATION_TOKENS, "model")
    assert len(found) == 65
    assert found["m63"] == 64
    assert found[c.OVERFLOW] == sum(range(65, 10_001)), "nothing is lost"
    assert page.left_out["too_many_models"] == 10_000 - 64


def test_a_model_keeps_its_name_while_others_come_and_go() -> None:
    page = parsed(named("m", 2))
    speaker = translator(page, max_models=2)

    def models(samples: tuple[Sample, ...]) -> set[str]:
        return set(Told(samples, {}).values(s.GENERATION_TOKENS, "model"))

    assert models(speaker.translate(page)) == {"m0", "m1"}
    assert models(speaker.translate(parsed(named("a", 3) + named("m", 2)))) == {"m0", "m1", "other"}
    assert models(speaker.translate(parsed(named("a", 1) + named("m", 1)))) == {"m0", "a0"}, "a free place is taken"


def test_a_long_name_is_cut() -> None:
    page = told(series("vllm:num_requests_running", 1, model_name="x" * 10_000))
    (model,) = page.values(s.REQUESTS_RUNNING, "model")
    assert model == "x" * 256


@pytest.mark.parametrize("value", ["NaN", "-1", "+Inf", "-Inf"])
def test_values_that_make_no_sense_are_left_out(value: str) -> None:
    labels = '{model_name="m",engine="0"}'
    page = told(f"vllm:num_requests_running{labels} {value}\nvllm:num_requests_waiting{labels} 2\n")
    assert not page.has(s.REQUESTS_RUNNING), "absent, which is not 0"
    assert page.value(s.REQUESTS_WAITING) == 2
    assert page.left_out == {"nonsense_value": 1}


def test_a_word_for_an_outcome_that_nobody_knows_is_counted_as_left_out() -> None:
    page = told(series("vllm:request_success_total", 4, model_name="m", finished_reason="moonlight"))
    assert page.outcomes("m") == {}
    assert page.left_out == {"unknown_outcome": 1}


def test_without_a_model_name_a_page_of_several_models_is_not_guessed() -> None:
    two = named("m", 2) + series("vllm:cache_config_info", 1, block_size="16", num_gpu_blocks="100")
    page = told(two)
    assert not page.has(s.KV_CACHE_CAPACITY)
    assert page.left_out == {"no_model": 1}


def test_engines_with_other_bounds_are_added_up_over_the_bounds_that_they_share() -> None:
    page = told(
        histogram("vllm:time_to_first_token_seconds", (0.5, 1), model_name="m", engine="0")
        + histogram("vllm:time_to_first_token_seconds", (0.5, 2), model_name="m", engine="1")
    )
    assert page.values(s.TIME_TO_FIRST_TOKEN, "le", "_bucket") == {"0.5": 4, "+Inf": 8}
