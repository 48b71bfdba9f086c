"""What pages of a live llama-server must become: gauges that a scrape resets, six digits, a full cache that nobody sees."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.translate import Facts
from tests.exporter.dialects.endpoints import asked, failure, values
from tests.exporter.fake_server import answer
from tests.exporter.pages import Told, parsed, text_of, told, told_of, translator


def dialect() -> Dialect:
    return next(one for one in shipped_dialects() if one.runtime == "llamacpp")


def test_under_load_four_slots_are_busy_and_the_rest_waits() -> None:
    page = told_of("llamacpp/load-1")
    assert page.value(s.REQUESTS_RUNNING, model="unnamed") == 4
    assert page.value(s.REQUESTS_WAITING) == 9
    assert page.value(s.GENERATION_TOKENS) == 6400


def test_prompt_tokens_hold_the_cached_ones_that_the_native_counter_leaves_out() -> None:
    page = told_of("llamacpp/after-aborts")
    assert page.value(s.PROMPT_TOKENS) == page.value(s.PREFIX_CACHE_QUERIES) == 5991 + 262
    assert page.value(s.CACHED_PROMPT_TOKENS) == page.value(s.PREFIX_CACHE_HITS) == 262


def test_only_a_mean_is_known_of_the_time_between_tokens() -> None:
    page = told_of("llamacpp/idle-after-load-1")
    assert page.value(s.INTER_TOKEN_LATENCY, "_sum") == pytest.approx(279.22)
    assert page.values(s.INTER_TOKEN_LATENCY, "le", "_bucket") == {"+Inf": 147200}
    assert page.has(s.SIGNAL_QUALITY, signal=s.INTER_TOKEN_LATENCY.name, quality="mean_only")


def test_gauges_that_a_scrape_resets_are_never_read() -> None:
    first, second = told_of("llamacpp/idle-after-load-1"), told_of("llamacpp/idle-after-load-2")
    assert "llamacpp:predicted_tokens_seconds 523.817" in text_of("llamacpp/idle-after-load-1")
    assert first.samples == second.samples, "one second without work later, and set back by the scrape between"
    assert {"llamacpp:prompt_tokens_seconds", "llamacpp:predicted_tokens_seconds"} == set(
        dialect().semantics.scrape_resets
    )
    assert not dialect().read_names & set(dialect().semantics.scrape_resets)


def test_counters_with_six_digits_are_read_as_they_are_printed() -> None:
    assert "1.04099e+06" in text_of("llamacpp/after-1m-prompt-tokens")
    assert told_of("llamacpp/after-1m-prompt-tokens").value(s.PROMPT_TOKENS) == 1_040_990 + 262, "1,040,991 were sent"
    assert dialect().semantics.significant_digits == 6


def test_an_exhausted_cache_that_failed_every_request_is_not_claimed_to_be_seen() -> None:
    """All 42 answers failed; no signal may say that the cache is fine, or that requests went well."""
    for capture in ("llamacpp/kv-pressure-unified-1", "llamacpp/kv-pressure-after"):
        page = told_of(capture)
        assert not page.has(s.KV_CACHE_USAGE)
        assert not page.has(s.REQUESTS)
        for signal in (s.KV_CACHE_USAGE, s.REQUESTS, s.REQUEST_DURATION):
            assert page.values(s.SIGNAL_QUALITY, "quality", signal=signal.name) == {"none": 1.0}
    assert told_of("llamacpp/kv-pressure-unified-1").value(s.REQUESTS_RUNNING) == 4


def test_bad_requests_leave_no_trace() -> None:
    assert told_of("llamacpp/after-errors").samples == told_of("llamacpp/after-aborts").samples


def test_an_old_build_tells_its_cache_and_lacks_what_came_later_without_alarm() -> None:
    text = "".join(
        line + "\n"
        for line in text_of("llamacpp/load-1").splitlines()
        if "cached" not in line and "spec_decode" not in line
    )
    page = told(text + "llamacpp:kv_cache_usage_ratio 0.25\n")
    assert page.value(s.KV_CACHE_USAGE) == 0.25
    assert page.value(s.PROMPT_TOKENS) == 234
    assert not page.has(s.PREFIX_CACHE_HITS)
    assert set(page.resolved().values()) == {1.0}


def test_the_name_of_the_model_is_what_the_server_answers() -> None:
    page = parsed(text_of("llamacpp/load-1"))
    samples = translator(page).translate(page, Facts(model="tiny-llama"))
    assert Told(samples, {}).values(s.REQUESTS_RUNNING, "model") == {"tiny-llama": 4}


def test_slots_props_and_models_are_asked_for_what_the_page_lacks() -> None:
    asking = asked(
        "llamacpp",
        {
            "/health": '{"status":"ok"}',
            "/v1/models": json.dumps({"object": "list", "data": [{"id": "tiny-llama", "meta": {"n_ctx_train": 2048}}]}),
            "/props": json.dumps({"total_slots": 4, "build_info": "b6123-0c1e570", "model_path": "tiny.gguf"}),
            "/slots": json.dumps([{"id": n, "n_ctx": 1024, "is_processing": False} for n in range(4)]),
        },
    )
    assert values(asking) == {
        (s.SERVER_READY.name, ""): 1, (s.REQUESTS_CAPACITY.name, ""): 4, (s.KV_CACHE_CAPACITY.name, ""): 4096
    }  # fmt: skip
    assert (asking.model, str(asking.version)) == ("tiny-llama", "b6123-0c1e570")


def test_a_server_that_loads_its_model_is_not_ready_and_one_without_slots_tells_no_capacity() -> None:
    loading = asked("llamacpp", {"/health": answer('{"error":{"code":503,"message":"Loading model"}}', status=503)})
    assert values(loading) == {(s.SERVER_READY.name, ""): 0}


def test_a_page_that_is_switched_off_names_its_switch() -> None:
    off = answer('{"error":{"code":501,"message":"This server does not support metrics endpoint."}}', status=501)
    assert "--metrics" in failure("llamacpp", off).message
