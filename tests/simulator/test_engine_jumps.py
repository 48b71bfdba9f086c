"""The engine takes many steps at once; one that takes each by itself must come to the same."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from atlas_ops.simulator.counters import Counters
from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.histogram import Histogram
from atlas_ops.simulator.speed import Speed
from atlas_ops.simulator.traffic import Request

from .step_by_step import StepByStep

EXACT = Speed(
    step_seconds=2**-7,
    prefill_tokens_per_second=2.0**14,
    context_tokens_per_second=2.0**22,
    sequence_seconds=2**-16,
)
"""All times are sums of powers of two, which are added up without rounding: no step may begin a moment later or earlier."""
ROOMY = EngineConfig(max_num_seqs=16, speed=EXACT)
TIGHT = EngineConfig(
    max_model_len=512,
    max_num_seqs=12,
    max_num_batched_tokens=96,
    num_gpu_blocks=60,
    max_num_queued_reqs=9,
    speed=EXACT,
)
"""Prompts are computed in parts, running sequences are thrown out, and the queue overflows."""
CONFIGS = {"roomy": ROOMY, "tight": TIGHT, "odd blocks": replace(TIGHT, block_size=7, num_gpu_blocks=130)}


def workload(seed: int, *, rate: float) -> list[Request]:
    """Return a minute of requests; some clients are impatient."""
    source, now, requests = random.Random(seed), 0.0, []
    while now < 60:
        now += round(source.expovariate(rate) * 1024) / 1024
        prompt = source.randint(1, 300)
        requests.append(
            Request(
                arrived=now,
                gives_up=now + source.choice([1.0, 1e9]),
                prompt_tokens=prompt,
                output_tokens=source.randint(1, 200),
                max_tokens=200,
                cached_tokens=source.choice([0, prompt // 2]),
            )
        )
    return requests


def play(engine: Engine | StepByStep, requests: list[Request], *, tick: float, stall: bool) -> list[object]:
    """Return everything that can be seen of an engine after every tick of 80 seconds."""
    seen: list[object] = []
    for number in range(round(80 / tick)):
        start, end = number * tick, (number + 1) * tick
        engine.stalled = stall and 20 <= start < 26
        engine.submit(request for request in requests if start <= request.arrived < end)
        work = engine.advance(end, clock_ratio=0.5 if 30 <= start < 40 else 1.0)
        gauges = (engine.requests_running, engine.requests_waiting, engine.blocks_used)
        seen.append((gauges, work, figures(engine.counters)))
    return seen


def figures(counters: Counters) -> list[object]:
    """Return every counter. Sums of means and of refusals are not of powers of two: they may differ in the last digits."""
    found = (getattr(counters, name) for name in vars(counters))
    return [
        (one.cumulative(), round(one.total, 9))
        if isinstance(one, Histogram)
        else dict(one)
        if isinstance(one, dict)
        else one
        for one in found
    ]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(("rate", "tick"), [(2.0, 0.125), (6.0, 0.125), (6.0, 4.0)])
def test_many_steps_at_once_are_the_same_as_one_by_one(config: EngineConfig, rate: float, tick: float) -> None:
    for seed in range(3):
        requests = workload(seed, rate=rate)
        fast, slow = Engine(config), StepByStep(config)
        stall = seed == 1
        assert play(fast, requests, tick=tick, stall=stall) == play(slow, requests, tick=tick, stall=stall)
        assert sum(fast.counters.finished.values()) > 50


def test_the_tight_workload_is_as_wild_as_it_should_be() -> None:
    engine = Engine(TIGHT)
    play(engine, workload(0, rate=6.0), tick=0.125, stall=False)
    assert engine.counters.preemptions > 0
    assert engine.counters.rejected > 0
    assert engine.counters.abandoned > 0


def test_a_series_of_values_is_counted_like_each_of_them() -> None:
    source = random.Random(3)
    for _ in range(200):
        first, growth, count = (
            source.uniform(0, 0.3),
            source.choice([0.0, source.uniform(0, 0.1)]),
            source.randint(0, 40),
        )
        fast, slow = (Histogram((0.1, 0.2, 0.5, 1.0)) for _ in range(2))
        fast.observe_series(first, growth, count, each=3)
        for number in range(count):
            slow.observe(first + growth * number, 3)
        assert fast.cumulative() == slow.cumulative()
        assert fast.total == pytest.approx(slow.total)
