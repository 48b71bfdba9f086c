"""A server tells of its requests, and the page says the same."""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from atlas_ops.instrument import Instrument, request
from tests.instrument.telling import ended, failures, outcomes, value

DURATION, FIRST_TOKEN = "gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds"
PER_TOKEN, QUEUE_TIME = "gen_ai_server_time_per_output_token_seconds", "atlas_ops_request_queue_duration_seconds"


class Clock:
    """Time that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def ops() -> Instrument:
    return Instrument("m")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(request, "time", clock)
    return clock


def test_every_outcome_is_there_before_the_first_request(ops: Instrument) -> None:
    assert outcomes(ops) == {"ok": 0, "error": 0, "rejected": 0, "cancelled": 0, "timeout": 0}


def test_a_request_runs_until_its_block_ends_and_has_taken_as_long(ops: Instrument, clock: Clock) -> None:
    with ops.request():
        clock.now += 0.3
        assert value(ops, "atlas_ops_requests_running") == 1
    assert value(ops, "atlas_ops_requests_running") == 0
    assert ended(ops) == {"ok": 1}
    assert value(ops, f"{DURATION}_sum") == pytest.approx(0.3)
    assert value(ops, f"{DURATION}_bucket", le="0.16") == 0
    assert value(ops, f"{DURATION}_bucket", le="0.32") == 1


def test_an_exception_goes_on_to_the_server_and_its_duration_is_told_apart(ops: Instrument) -> None:
    with pytest.raises(TimeoutError, match="mine"), ops.request():
        raise TimeoutError("mine")
    with ops.request():
        pass
    assert ended(ops) == {"timeout": 1, "ok": 1}
    assert value(ops, f"{DURATION}_count", error_type="timeout") == 1
    assert value(ops, f"{DURATION}_count", error_type="") == 1


def test_what_the_server_says_counts_more_than_what_is_raised(ops: Instrument) -> None:
    with contextlib.suppress(ZeroDivisionError), ops.request() as one:
        one.mark("rejected")
        raise ZeroDivisionError
    assert ended(ops) == {"rejected": 1}


def test_what_is_ignored_ran_and_is_counted_nowhere(ops: Instrument) -> None:
    with ops.request() as one:
        one.mark("ignored")
    assert ended(ops) == {}
    assert value(ops, f"{DURATION}_count") is None
    assert value(ops, "atlas_ops_requests_running") == 0
    assert failures(ops) == 0


def test_a_request_in_line_waits_and_does_not_run(ops: Instrument, clock: Clock) -> None:
    assert value(ops, "atlas_ops_requests_waiting") is None, "nobody said that requests can wait here"
    with ops.request() as one:
        with one.waiting():
            clock.now += 2.0
            assert value(ops, "atlas_ops_requests_waiting") == 1
            assert value(ops, "atlas_ops_requests_running") == 0
        assert value(ops, "atlas_ops_requests_waiting") == 0
        assert value(ops, "atlas_ops_requests_running") == 1
    assert value(ops, f"{QUEUE_TIME}_sum") == 2.0
    assert value(ops, f"{DURATION}_sum") == 2.0


def test_who_leaves_the_line_unserved_has_no_queue_time(ops: Instrument) -> None:
    with contextlib.suppress(TimeoutError), ops.request() as one, one.waiting():
        raise TimeoutError
    assert ended(ops) == {"timeout": 1}
    assert value(ops, f"{QUEUE_TIME}_count") is None
    assert value(ops, "atlas_ops_requests_waiting") == 0


def test_a_stream_has_a_first_token_and_a_pace(ops: Instrument, clock: Clock) -> None:
    with ops.request() as one:
        one.tokens(prompt=10, cached=4)
        clock.now += 0.5
        for _ in range(5):
            one.first_token()
            one.tokens(generated=1)
            assert value(ops, "atlas_ops_generated_tokens_total"), "tokens are counted while they come"
            clock.now += 0.1
    assert value(ops, f"{FIRST_TOKEN}_count") == 1
    assert value(ops, f"{FIRST_TOKEN}_sum") == 0.5
    # Half a second after the first token, for the four that came after it.
    assert value(ops, f"{PER_TOKEN}_sum") == pytest.approx(0.5 / 4)
    assert value(ops, "atlas_ops_prompt_tokens_total") == 10
    assert value(ops, "atlas_ops_prompt_cached_tokens_total") == 4
    assert value(ops, "atlas_ops_generated_tokens_total") == 5
    assert value(ops, "atlas_ops_request_prompt_tokens_sum") == 10
    assert value(ops, "atlas_ops_request_generated_tokens_bucket", le="4.0") == 0
    assert value(ops, "atlas_ops_request_generated_tokens_bucket", le="16.0") == 1


def test_an_answer_that_failed_has_no_pace(ops: Instrument) -> None:
    with contextlib.suppress(ZeroDivisionError), ops.request() as one:
        one.first_token()
        one.tokens(generated=5)
        raise ZeroDivisionError
    assert value(ops, f"{PER_TOKEN}_count") is None


def test_a_server_that_counts_no_tokens_publishes_none(ops: Instrument) -> None:
    with ops.request():
        pass
    assert value(ops, "atlas_ops_generated_tokens_total") is None


def test_the_probes_requests_are_counted_nowhere(ops: Instrument) -> None:
    with ops.request(user_agent="atlas-ops-probe/0.1.0") as one, one.waiting():
        one.first_token()
        one.tokens(prompt=1, generated=2)
        assert value(ops, "atlas_ops_requests_running") == 0
    assert ended(ops) == {}
    assert "gen_ai_server" not in ops.text()
    assert value(ops, "atlas_ops_generated_tokens_total") is None
    with ops.request(user_agent="somebody/1.0 like atlas-ops-probe/0.1.0"):
        pass
    assert ended(ops) == {"ok": 1}


def test_threads_lose_no_request(ops: Instrument) -> None:
    barrier = threading.Barrier(8)

    def work(thread: int) -> None:
        barrier.wait()
        for number in range(200):
            with contextlib.suppress(ZeroDivisionError), ops.request() as one, one.waiting():
                one.tokens(generated=1)
                if number % 2:
                    raise ZeroDivisionError

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert ended(ops) == {"ok": 800, "error": 800}
    assert value(ops, "atlas_ops_generated_tokens_total") == 1600
    assert value(ops, "atlas_ops_requests_running") == 0


def test_nonsense_is_counted_and_logged_once_and_never_reaches_the_server(
    ops: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    nonsense: Any = "nonsense"
    with caplog.at_level(logging.ERROR), ops.request() as one:
        one.mark(nonsense)
        one.tokens(generated=nonsense)
        one.tokens(prompt=nonsense)
    assert ended(ops) == {"ok": 1}
    assert failures(ops) == 3
    assert len(caplog.records) == 1
    assert "expected one of ok, error" in caplog.text


def test_a_meter_that_fails_costs_a_number_and_no_request(ops: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(ops._histograms.duration), "record", fail)
    with ops.request() as one:
        one.first_token()
        with one.waiting():
            pass
    assert ended(ops) == {"ok": 1}
    assert value(ops, "atlas_ops_requests_running") == 0
    assert failures(ops) == 3


def test_an_exception_that_cannot_be_looked_at_is_an_error(ops: Instrument) -> None:
    class Hostile(Exception):
        @property
        def status_code(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(Hostile), ops.request():
        raise Hostile
    assert ended(ops) == {"error": 1}
    assert value(ops, "atlas_ops_requests_running") == 0


@pytest.mark.parametrize("asked", ["stranger", ["a", "list"], {"a": "dict"}, 7, None])
def test_a_model_that_nobody_declared_is_counted_as_other(ops: Instrument, asked: object) -> None:
    with ops.request(cast("str", asked)):
        pass
    assert ended(ops, "other") == {"ok": 1}
    assert ended(ops, "m") == {}


def test_clients_cannot_make_series_without_end(ops: Instrument) -> None:
    def of_clients(names: range) -> int:
        for number in names:
            with ops.request(f"stranger{number}"):
                pass
        return len(ops.text().splitlines())

    assert of_clients(range(3)) == of_clients(range(300))
    assert ended(ops, "other") == {"ok": 303}
