"""What pages of a live server with ONNX Runtime and `atlas_ops.instrument` must become."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.instrument import names
from tests.exporter.pages import series, text_of, told, told_of

DIALECT = next(dialect for dialect in shipped_dialects() if dialect.runtime == "onnxruntime")


def test_outcomes_are_those_of_the_notes() -> None:
    page = told_of("onnxruntime/fail")
    assert page.outcomes("tiny-relu") == {"ok": 20, "error": 5, "cancelled": 1}
    assert page.outcomes("tiny-writer") == {"ok": 16, "rejected": 3, "timeout": 4, "cancelled": 1}
    assert not page.left_out


def test_a_full_server_is_told_with_its_limits() -> None:
    page = told_of("onnxruntime/load")
    assert page.values(s.REQUESTS_RUNNING, "model") == {"tiny-relu": 0, "tiny-writer": 2}
    assert page.values(s.REQUESTS_WAITING, "model") == {"tiny-writer": 4}
    assert page.values(s.REQUESTS_CAPACITY, "model") == {"tiny-writer": 2}
    assert page.values(s.QUEUE_CAPACITY, "model") == {"tiny-writer": 4}


def test_durations_are_those_of_requests_that_ended_well() -> None:
    page = told_of("onnxruntime/fail")
    assert page.values(s.REQUEST_DURATION, "model", "_count") == {"tiny-relu": 20, "tiny-writer": 16}
    assert page.values(s.QUEUE_TIME, "model", "_count") == {"tiny-writer": 21}
    assert page.values(s.TIME_TO_FIRST_TOKEN, "model", "_count") == {"tiny-writer": 21}
    assert page.values(s.INTER_TOKEN_LATENCY, "model", "_count") == {"tiny-writer": 16}


def test_tokens_and_batches_are_counted_where_there_are_any() -> None:
    page = told_of("onnxruntime/fail")
    assert page.values(s.PROMPT_TOKENS, "model") == {"tiny-writer": 147}
    assert page.values(s.CACHED_PROMPT_TOKENS, "model") == {"tiny-writer": 63}
    assert page.values(s.GENERATION_TOKENS, "model") == {"tiny-writer": 139}
    assert page.values(s.BATCHES, "model") == {"tiny-relu": 20}
    assert page.values(s.BATCHED_REQUESTS, "model") == {"tiny-relu": 50}


def test_the_model_that_was_loaded_is_ready_and_took_its_time() -> None:
    page = told_of("onnxruntime/idle")
    assert page.values(s.MODEL_READY, "model") == {"tiny-relu": 1}
    assert page.value(s.MODEL_LOAD, model="tiny-relu") == pytest.approx(0.0439, abs=0.001)
    assert set(page.values(s.REQUESTS, "outcome", model="tiny-writer").values()) == {0}


def test_such_a_server_is_not_taken_for_the_http_server_that_it_is_as_well() -> None:
    http = series("http_server_duration_milliseconds_count", 99, http_method="POST", http_status_code="200")
    assert told(text_of("onnxruntime/load") + http).has(s.SERVER_INFO, dialect="onnxruntime")


@pytest.mark.parametrize(
    "distribution", [value for value in vars(names).values() if isinstance(value, names.Distribution)]
)
def test_the_dialect_knows_the_bounds_of_the_package(distribution: names.Distribution) -> None:
    native = distribution.name.replace(".", "_") + ("_seconds" if distribution.unit == "s" else "")
    (bounds,) = [one.bounds for entry in DIALECT.entries for one in entry.readings if one.metric == native]
    assert bounds == distribution.bounds


@pytest.mark.parametrize("reading", names.READINGS, ids=lambda reading: reading.name)
def test_the_dialect_reads_every_number_of_the_package(reading: names.Reading) -> None:
    unit = "_seconds" if reading.unit == "s" else ""
    native = reading.name.replace(".", "_") + unit + ("_total" if reading.counter else "")
    assert native in DIALECT.read_names
