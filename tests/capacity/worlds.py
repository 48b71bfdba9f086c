"""Servers whose saturation is known: queues with c workers, and a continuous-batching engine. Used by the tests and by `benchmarks.capacity`.

A world gives what Prometheus would know of one server: completed requests per second, the mean of a gauge of running and waiting
requests scraped every 15 s, and seconds of finished requests per second, window by window.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.speed import Speed
from atlas_ops.simulator.traffic import Lengths, Request

Floats = NDArray[np.float64]
WINDOW, SCRAPE = 300.0, 15.0
_QUEUE = 300
"""More than an engine finishes in a minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """One server, window by window. Rates are per second."""

    completed: Floats
    concurrency: Floats
    """Mean of the gauge."""
    busy: Floats
    """Seconds of the requests that finished, per second: Little's law's L."""
    most: float
    """The truth: requests per second that the server finishes while many wait."""


def loads(windows: int, peak: float, rng: np.random.Generator, *, period: int = 288) -> Floats:
    """Return the load of each window as a share of what the server carries: a day's curve with a wander that lasts for an hour."""
    at = np.arange(windows)
    curve = 0.55 - 0.45 * np.cos(2 * math.pi * at / period)
    wander = np.zeros(windows)
    for place in range(1, windows):
        wander[place] = 0.92 * wander[place - 1] + rng.normal(0, 0.02)
    return np.asarray(peak * curve * np.exp(wander))


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """When requests came, were begun and ended, in the order in which they came; seconds from the start."""

    arrived: Floats
    began: Floats
    ended: Floats


def served(
    rng: np.random.Generator,
    servers: int,
    service: float,
    load: Floats,
    *,
    cv: float = 1.0,
    wander: Floats | None = None,
) -> Requests:
    """Return the requests to a queue of `servers` workers, first come first served.

    Work takes `service` seconds on average (gamma with a coefficient of variation; 1: M/M/c), times `wander` of the window of arrival.
    """
    arrivals = poisson(rng, load * servers / service)
    work = rng.gamma(1 / cv**2, service * cv**2, len(arrivals))
    if wander is not None:
        work *= wander[(arrivals / WINDOW).astype(np.int64)]
    free = [0.0] * servers
    began, ended = np.empty(len(arrivals)), np.empty(len(arrivals))
    for place, (arrived, takes) in enumerate(zip(arrivals.tolist(), work.tolist(), strict=True)):
        began[place] = begin = max(arrived, free[0])
        ended[place] = begin + takes
        heapq.heapreplace(free, begin + takes)
    return Requests(arrived=arrivals, began=began, ended=ended)


def queue(
    rng: np.random.Generator,
    servers: int,
    service: float,
    load: Floats,
    *,
    cv: float = 1.0,
    wander: Floats | None = None,
) -> World:
    """Return what is known of such a queue."""
    of = served(rng, servers, service, load, cv=cv, wander=wander)
    return observed(of.arrived, of.ended, len(load), servers / service)


def poisson(rng: np.random.Generator, rates: Floats) -> Floats:
    """Return the times of arrivals with a rate for each window."""
    counts = rng.poisson(rates * WINDOW)
    times = np.repeat(np.arange(len(rates)), counts) + rng.random(int(counts.sum()))
    return np.sort(times * WINDOW)


def observed(arrivals: Floats, ends: Floats, windows: int, most: float) -> World:
    """Return what is known of requests that came and went at these times."""
    edges = np.arange(windows + 1) * WINDOW
    order = np.argsort(ends)
    done = ends[order]
    spent = np.concatenate([[0.0], np.cumsum((ends - arrivals)[order])])
    finished = np.searchsorted(done, edges, side="right")
    scrapes = np.arange(SCRAPE, windows * WINDOW + 1e-9, SCRAPE)
    inside = np.searchsorted(arrivals, scrapes, side="right") - np.searchsorted(done, scrapes, side="right")
    return World(
        completed=np.diff(finished) / WINDOW,
        concurrency=inside.reshape(windows, -1).mean(axis=1),
        busy=np.diff(spent[finished]) / WINDOW,
        most=most,
    )


CHAT = (Lengths(median=400, sigma=0.8, maximum=4096), Lengths(median=250, sigma=0.7, maximum=2048))
"""Tokens of prompts and answers."""
SLOW = Speed(
    step_seconds=0.07, prefill_tokens_per_second=3_000.0, context_tokens_per_second=1.92e6, sequence_seconds=1.5e-4
)
"""A tenth of the speed of the simulator's GPU: a tenth of the steps to simulate."""
SLOTS = EngineConfig(max_num_seqs=24, speed=SLOW)
"""Its slots are what is full first."""
CACHE = EngineConfig(max_num_seqs=256, num_gpu_blocks=1_200, speed=SLOW)
"""Its KV cache is; then it takes running requests back."""


def requests(arrivals: Floats, source: random.Random) -> list[Request]:
    """Return requests of a chat at these times; nobody hangs up."""
    prompts, answers = CHAT
    return [
        Request(
            arrived=at,
            gives_up=math.inf,
            prompt_tokens=prompts.draw(source),
            output_tokens=answers.draw(source),
            max_tokens=answers.maximum,
            cached_tokens=0,
        )
        for at in arrivals.tolist()
    ]


def engine_most(config: EngineConfig, hours: float = 10.0) -> float:
    """Return the requests per second of an engine in front of which there is always a queue."""
    engine, source, before = _engine(config), random.Random(1), 0
    for minute in range(round(hours * 60)):
        if minute == 60:
            before = engine.counters.succeeded
        missing = max(0, _QUEUE - engine.requests_waiting - engine.requests_arriving)
        engine.submit(requests(np.full(missing, minute * 60.0), source))
        engine.advance((minute + 1) * 60.0)
    return (engine.counters.succeeded - before) / (hours - 1) / 3_600.0


def batching(seed: int, config: EngineConfig, most: float, load: Floats) -> World:
    """Return a server that batches as vLLM does; `most` is what `engine_most` says."""
    rng, windows = np.random.default_rng(seed), len(load)
    engine, source = _engine(config), random.Random(seed)
    arrivals, scrapes = poisson(rng, load * most), int(WINDOW / SCRAPE)
    gauge, done, spent = np.zeros((windows, scrapes)), [0], [0.0]
    for window in range(windows):
        first, last = np.searchsorted(arrivals, (window * WINDOW, (window + 1) * WINDOW))
        engine.submit(requests(arrivals[first:last], source))
        for scrape in range(scrapes):
            engine.advance(window * WINDOW + (scrape + 1) * SCRAPE)
            gauge[window, scrape] = engine.requests_running + engine.requests_waiting
        done.append(engine.counters.succeeded)
        spent.append(engine.counters.succeeded_seconds)
    return World(
        completed=np.diff(done) / WINDOW, concurrency=gauge.mean(axis=1), busy=np.diff(spent) / WINDOW, most=most
    )


def _engine(config: EngineConfig) -> Engine:
    engine = Engine(config)
    engine.queue_limit = 1 << 30
    return engine
