from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.traffic import Request

SMALL = EngineConfig(max_model_len=256, max_num_seqs=8, max_num_batched_tokens=128, num_gpu_blocks=25)
"""Room for 384 tokens: two requests of 200 tokens cannot both grow to their end."""
NEVER = 1e9


def request(arrived: float = 0.0, prompt: int = 32, output: int = 16, gives_up: float = NEVER) -> Request:
    return Request(
        arrived=arrived,
        gives_up=gives_up,
        prompt_tokens=prompt,
        output_tokens=output,
        max_tokens=output,
        cached_tokens=0,
    )


def finished(engine: Engine) -> int:
    return sum(engine.counters.finished.values())


def run(*requests: Request, config: EngineConfig = SMALL, clock_ratio: float = 1.0) -> Engine:
    engine = Engine(config)
    engine.submit(requests)
    engine.advance(1000, clock_ratio=clock_ratio)
    return engine


requests = st.lists(
    st.builds(
        request,
        arrived=st.floats(0, 5),
        prompt=st.integers(1, 128),
        output=st.integers(1, 128),
        gives_up=st.sampled_from([2.0, NEVER]),
    ),
    max_size=40,
).map(lambda several: sorted(several, key=lambda one: one.arrived))


@settings(max_examples=60, deadline=None)
@given(requests, st.integers(16, 40), st.integers(1, 8), st.integers(1, 200), st.integers(1, 12))
def test_no_request_and_no_block_is_ever_lost(
    several: list[Request], blocks: int, seats: int, budget: int, queue: int
) -> None:
    config = EngineConfig(
        max_model_len=256,
        num_gpu_blocks=blocks + 1,
        max_num_seqs=seats,
        max_num_batched_tokens=budget,
        max_num_queued_reqs=queue,
    )
    engine, moment = Engine(config), 0.0
    while moment < 60:
        engine.submit(one for one in several if moment <= one.arrived < moment + 0.1)
        arrived = sum(one.arrived < moment + 0.1 for one in several)
        moment += 0.1
        engine.advance(moment)
        inside = engine.requests_arriving + engine.requests_waiting + engine.requests_running
        counters = engine.counters
        assert arrived == inside + finished(engine) + counters.abandoned + counters.rejected
        assert 0 <= engine.blocks_used <= config.usable_blocks
        assert engine.requests_running <= seats
        if moment > 5 and not inside:
            break
    assert engine.blocks_used == 0
    assert finished(engine) == engine.counters.request_generation_tokens.count
    assert engine.counters.generation_tokens == engine.counters.request_generation_tokens.total


def test_a_preempted_request_still_gets_all_its_tokens() -> None:
    engine = run(request(prompt=100, output=150), request(prompt=100, output=150))
    counters = engine.counters
    assert counters.preemptions > 0
    assert counters.request_preemptions.total == counters.preemptions
    assert counters.generation_tokens == 300
    assert counters.prompt_tokens == 200
    assert finished(engine) == 2
    assert engine.blocks_used == 0


def test_the_newest_request_is_preempted_and_nobody_overtakes_it() -> None:
    oldest = request(arrived=0.000, prompt=150, output=60)
    newest = request(arrived=0.001, prompt=150, output=100)
    waiting = request(arrived=0.002, prompt=100, output=10)  # would fit where the preempted one does not
    engine = Engine(SMALL)
    engine.submit([oldest, newest, waiting])
    moment = 0.0
    while not finished(engine):
        moment += 0.005
        engine.advance(moment)
    assert engine.counters.preemptions == 1
    assert engine.counters.request_generation_tokens.total == oldest.output_tokens
    assert engine.counters.time_to_first_token.count == 2


def test_what_was_preempted_is_computed_again() -> None:
    engine = Engine(SMALL)
    engine.submit([request(prompt=100, output=150), request(prompt=100, output=150)])
    computed = engine.advance(1000).prefill_seconds * SMALL.speed.prefill_tokens_per_second
    assert engine.counters.preemptions > 0
    assert computed > 200 + 100  # both prompts, and one of them with its answer so far once more


def test_preemption_stops_a_stream_for_longer_than_any_step() -> None:
    counters = run(request(prompt=100, output=150), request(prompt=100, output=150)).counters
    longest = next(
        bound
        for bound, below in zip(counters.inter_token.bounds, counters.inter_token.cumulative(), strict=False)
        if below == counters.inter_token.count
    )
    assert longest > 0.3
    assert run(request(prompt=100, output=150)).counters.inter_token.cumulative()[0] == 149


def test_nobody_is_preempted_while_there_are_blocks() -> None:
    engine = run(*(request(arrived=second, prompt=100, output=150) for second in range(0, 40, 2)))
    assert finished(engine) == 20
    assert engine.counters.preemptions == 0


def test_half_the_clock_makes_every_latency_twice_as_long() -> None:
    full, half = (run(request(prompt=100, output=100), clock_ratio=ratio).counters for ratio in (1.0, 0.5))
    assert half.end_to_end.total == pytest.approx(2 * full.end_to_end.total)
    assert half.time_to_first_token.total == pytest.approx(2 * full.time_to_first_token.total)
    assert half.decode_time.total == pytest.approx(2 * full.decode_time.total)


def test_the_parts_of_a_requests_time_add_up() -> None:
    counters = run(*(request(arrived=0.0, prompt=100, output=40) for _ in range(12))).counters
    assert counters.queue_time.total > 0
    assert counters.queue_time.total + counters.inference_time.total == pytest.approx(counters.end_to_end.total)
    assert counters.prefill_time.total + counters.decode_time.total == pytest.approx(counters.inference_time.total)


def test_a_prompt_longer_than_the_budget_is_computed_in_chunks() -> None:
    counters = run(request(prompt=200, output=1)).counters
    steps = counters.iteration_tokens
    assert steps.count == 2
    assert steps.total == 201


def test_a_cached_prefix_is_counted_and_not_computed_again() -> None:
    cached = Request(arrived=0, gives_up=NEVER, prompt_tokens=200, output_tokens=1, max_tokens=1, cached_tokens=128)
    counters = run(cached).counters
    assert (counters.prefix_cache_queries, counters.prefix_cache_hits) == (200, 128)
    assert (counters.prompt_tokens, counters.cached_prompt_tokens) == (200, 128)
    assert counters.request_computed_tokens.total == 72
    assert counters.time_to_first_token.total < run(request(prompt=200, output=1)).counters.time_to_first_token.total


def test_who_waits_too_long_for_the_first_token_hangs_up_and_leaves_only_a_status() -> None:
    config = EngineConfig(max_model_len=256, max_num_seqs=1, num_gpu_blocks=25)
    engine = Engine(config)
    engine.submit([request(output=150), request(output=150, gives_up=0.5)])
    for tenth in range(1, 30):
        engine.advance(tenth / 10)
    assert engine.counters.abandoned == 1
    assert finished(engine) == 1
    assert engine.counters.finished["abort"] == 0
    assert engine.counters.http["2xx"] == 2


def test_a_full_queue_refuses_with_an_error_status() -> None:
    config = EngineConfig(max_model_len=256, num_gpu_blocks=25, max_num_queued_reqs=3)
    engine = run(*(request() for _ in range(5)), config=config)
    assert engine.counters.rejected == 2
    assert engine.counters.http == {"2xx": 3, "5xx": 2}


def test_a_stalled_engine_keeps_everything_as_it_is_and_goes_on_afterwards() -> None:
    engine = Engine(SMALL)
    engine.submit([request(output=100), request(output=100)])
    engine.advance(0.1)
    before = engine.counters.generation_tokens
    engine.stalled = True
    engine.submit([request(arrived=0.5)])
    engine.advance(100)
    assert (engine.requests_running, engine.requests_waiting, engine.requests_arriving) == (2, 0, 1)
    assert engine.counters.generation_tokens == before
    engine.stalled = False
    engine.advance(110)
    assert finished(engine) == 3
    assert engine.counters.inter_token.total > 99


def test_an_idle_engine_that_is_told_to_stall_hangs_on_its_next_request() -> None:
    engine = Engine(SMALL)
    engine.stalled = True
    for tenth in range(1, 100):
        engine.submit([request(arrived=1.05, output=200)] if tenth == 11 else [])
        engine.advance(tenth / 10)
    assert engine.requests_running == 1
    assert finished(engine) == 0


def test_a_cache_too_small_for_one_sequence_is_refused_at_the_start() -> None:
    with pytest.raises(AtlasError, match="does not fit"):
        EngineConfig(max_model_len=256, num_gpu_blocks=16)  # sixteen blocks, one of which is the null block
