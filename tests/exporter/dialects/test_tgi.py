"""What a page of text-generation-inference must become."""

from __future__ import annotations

import json

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from tests.exporter.dialects.endpoints import asked, values
from tests.exporter.dialects.native import page
from tests.exporter.pages import series, told

TGI = next(dialect for dialect in shipped_dialects() if dialect.runtime == "tgi")


def test_what_is_reserved_of_the_cache_is_a_share_of_what_fits() -> None:
    text = page("tgi", without=["tgi_batch_current_max_tokens", "tgi_batch_max_total_tokens"])
    fits = text + series("tgi_batch_current_max_tokens", 3000) + series("tgi_batch_max_total_tokens", 12000)
    assert told(fits).value(s.KV_CACHE_USAGE, model="unnamed") == 0.25
    assert told(fits).value(s.KV_CACHE_CAPACITY) == 12000
    assert not told(text + series("tgi_batch_current_max_tokens", 3000)).has(s.KV_CACHE_USAGE), "of nobody knows what"


def test_mistakes_of_clients_are_no_failures() -> None:
    failures = {
        "overloaded": 3,
        "dropped": 5,
        "generation": 2,
        "incomplete": 1,
        "validation": 40,
        "template": 7,
        "tool": 1,
    }
    text = series("tgi_request_success", 90) + "".join(
        series("tgi_request_failure", n, err=e) for e, n in failures.items()
    )
    assert told(text).outcomes("unnamed") == {"ok": 90, "rejected": 3, "cancelled": 5, "error": 4}
    assert told(text).left_out == {"no_event": 2}


def test_sums_and_counts_of_histograms_are_counters_of_their_own() -> None:
    told_page = told(page("tgi"))
    assert told_page.value(s.PROMPT_TOKENS) == told_page.value(s.GENERATION_TOKENS) == 9
    assert (told_page.value(s.BATCHES), told_page.value(s.BATCHED_REQUESTS)) == (4, 9)
    assert told_page.has(s.SIGNAL_QUALITY, signal=s.INTER_TOKEN_LATENCY.name, quality="approximate")


def test_bounds_are_a_geometric_series() -> None:
    entry = TGI.entry(s.REQUEST_DURATION)
    assert entry is not None
    assert entry.readings[0].bounds == pytest.approx([0.0001 * 1.5**n for n in range(1, 36)], rel=1e-5)


def test_a_server_without_a_request_prints_next_to_nothing_and_is_blamed_for_nothing() -> None:
    assert set(told(series("tgi_batch_max_total_tokens", 12000)).resolved().values()) == {1.0}


def test_the_info_of_the_server_tells_its_model_version_and_limit() -> None:
    info = {"model_id": "org/model", "version": "3.3.7", "max_concurrent_requests": 128, "docker_label": None}
    asking = asked("tgi", {"/health": "", "/info": json.dumps(info)})
    assert values(asking) == {(s.SERVER_READY.name, ""): 1, (s.QUEUE_CAPACITY.name, ""): 128}
    assert (asking.model, str(asking.version)) == ("org/model", "3.3.7")
