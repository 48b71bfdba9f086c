"""How near the saturation that `atlas_ops.detect.capacity` finds is to the truth, and how often its interval holds it.

Run by hand (`python -m benchmarks.capacity`; about six minutes of one core), never by the test command. Queues with a known number of
workers and the simulator's batching engine, each under a day's curve of load whose peak is above, near or below what they carry, two
days long (of the engines a quarter of the seeds, with days of twelve hours), gauges scraped every 15 s. Beside the curve of the package stand others that people fit, through single windows as is usual
and through the package's levels of load:

USL     X = a N / (1 + s (N - 1) + k N (N - 1)), Gunther's Universal Scalability Law
corner  X = min(a N, most)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from atlas_ops.capacity.assess import DRAWS, assess
from atlas_ops.capacity.observed import Floats, Key, Observed
from atlas_ops.detect import capacity
from tests.capacity import worlds
from tests.capacity.worlds import World

WINDOWS = 576
PEAKS = (1.15, 0.95, 0.8, 0.6)
QUEUES = {"1 worker": (1, 2.0), "4 workers": (4, 5.0), "16 workers": (16, 20.0), "64 workers": (64, 60.0)}
ENGINES = {"engine, slots": worlds.SLOTS, "engine, KV cache": worlds.CACHE}
_HOURS_OF_TRUTH = 200.0
"""Ten leave half a per cent to chance."""
Shape = Callable[[Floats, Floats], Floats]


def usl(parameters: Floats, concurrency: Floats) -> Floats:
    """Return the throughput of the USL; parameters are logarithms."""
    a, s, k = np.exp(parameters)
    return np.asarray(a * concurrency / (1 + s * (concurrency - 1) + k * concurrency * (concurrency - 1)))


def corner(parameters: Floats, concurrency: Floats) -> Floats:
    """Return the throughput of two lines that meet."""
    a, most = np.exp(parameters)
    return np.asarray(np.minimum(a * concurrency, most))


def usl_most(parameters: Floats) -> float:
    """Return the throughput at the peak of the USL."""
    _, s, k = np.exp(parameters)
    return float(usl(parameters, np.array(np.sqrt(max(1 - s, 1e-9) / k))))


def least_squares(
    shape: Shape, concurrency: Floats, throughput: Floats, weights: Floats, start: Sequence[float]
) -> Floats:
    """Return the parameters that fit best (Levenberg and Marquardt with differences for derivatives)."""
    found, damping = np.array(start), 1e-2
    scale = np.sqrt(weights / np.maximum(throughput, 0.05 * throughput.max()))
    for _ in range(80):
        told = shape(found, concurrency)
        slopes = np.stack(
            [(shape(found + 1e-5 * unit, concurrency) - told) * 1e5 for unit in np.eye(len(found))], axis=1
        )
        slopes *= scale[:, None]
        missed = (throughput - told) * scale
        bent = slopes.T @ slopes
        step = np.linalg.solve(bent + damping * np.diag(np.diag(bent) + 1e-12), slopes.T @ missed)
        tried = np.clip(found + np.clip(step, -1, 1), -30, 20)
        better = (((throughput - shape(tried, concurrency)) * scale) ** 2).sum() <= (missed**2).sum()
        found, damping = (tried, damping / 3) if better else (found, damping * 4)
    return found


def others(world: World) -> dict[str, float]:
    """Return the saturation that other shapes find, by the truth."""
    seen = capacity.Windows(concurrency=world.concurrency[None], throughput=world.completed[None])
    levels = capacity.levels(seen)
    inside = np.where(levels.where >= 0, 1.0, np.nan)
    none = np.zeros(len(world.completed), dtype=np.int64)
    counts, *sums = (
        levels.sums(inside * values, none)[0] for values in (np.ones(1), seen.concurrency, seen.throughput)
    )
    pooled = (sums[0] / counts, sums[1] / counts, counts)
    single = (world.concurrency, world.completed, np.ones(len(world.completed)))
    found = {}
    for name, points in (("windows", single), ("levels", pooled)):
        used = points[0] > 0
        concurrency, throughput, weights = (values[used] for values in points)
        slope, most = float(np.median(throughput / concurrency)), float(np.quantile(throughput, 0.97))
        start = [np.log(slope), np.log(slope / most / 2), -14.0]
        found[f"USL, {name}"] = usl_most(least_squares(usl, concurrency, throughput, weights, start)) / world.most
        flat = least_squares(corner, concurrency, throughput, weights, [np.log(slope), np.log(most)])
        found[f"corner, {name}"] = float(np.exp(flat[1])) / world.most
    return found


def observed(world: World) -> Observed:
    """Return a world as Prometheus tells it."""
    nothing = np.full((1, len(world.completed)), np.nan)
    return Observed(
        key=Key(runtime="vllm", model="m", namespace=""),
        times=worlds.WINDOW * np.arange(len(world.completed)),
        servers=("a",),
        finished=world.completed[None],
        arrived=world.completed[None],
        busy=world.busy[None],
        running=world.concurrency[None],
        waiting=np.zeros_like(nothing),
        prompt_tokens=nothing,
        generation_tokens=nothing,
        slots=nothing,
        promises=(),
        most_replicas=None,
    )


def made(seeds: int) -> Iterator[tuple[str, float, list[World]]]:
    """Yield worlds of one kind and peak together."""
    for peak in PEAKS:
        for name, (servers, service) in QUEUES.items():
            yield name, peak, [_queue(seed, servers, service, peak, 0.0) for seed in range(seeds)]
        yield "16 workers, work wanders", peak, [_queue(seed, 16, 20.0, peak, 0.05) for seed in range(seeds)]
    for name, config in ENGINES.items():
        most = worlds.engine_most(config, hours=_HOURS_OF_TRUTH)
        for peak in PEAKS[::2]:
            rng = np.random.default_rng(0)
            loads = [worlds.loads(WINDOWS // 2, peak, rng, period=144) for _ in range(seeds // 4)]
            yield name, peak, [worlds.batching(seed, config, most, load) for seed, load in enumerate(loads)]


def _queue(seed: int, servers: int, service: float, peak: float, wandering: float) -> World:
    rng = np.random.default_rng(seed)
    load = worlds.loads(WINDOWS, peak, rng)
    wander = np.zeros(WINDOWS)
    for place in range(1, WINDOWS):  # for an hour or so
        wander[place] = 0.92 * wander[place - 1] + rng.normal(0, wandering * np.sqrt(1 - 0.92**2))
    return worlds.queue(rng, servers, service, load, wander=np.exp(wander - wandering**2 / 2))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    every: list[tuple[float, bool]] = []
    print(f"{DRAWS} draws; found by truth: mean and standard deviation over {args.seeds} seeds")
    for name, peak, kind in made(args.seeds):
        started = time.process_time()
        full, held, least = [], 0, []
        other: dict[str, list[float]] = {}
        for world in kind:
            replica = assess(observed(world), 0.8, None, None).replica
            assert replica is not None
            if replica.most.at_least:
                least.append(replica.most.value / world.most)
            else:
                full.append(replica.most.value / world.most)
                held += replica.most.low <= world.most <= replica.most.high
                every.append((full[-1], replica.most.low <= world.most <= replica.most.high))
            for shape, ratio in others(world).items():
                other.setdefault(shape, []).append(ratio)
        told = f"full {len(full):2}: {_spread(full)}, interval holds {held}; at least {len(least):2}: {_spread(least)}, above 1: {sum(value > 1 for value in least)}"
        beside = ", ".join(f"{shape} {_spread(values)}" for shape, values in other.items())
        print(f"{name}, peak {peak}: {told} | {beside} | {time.process_time() - started:.0f} s", flush=True)
    errors = np.abs(np.array([ratio for ratio, _ in every]) - 1)
    share = np.mean([held for _, held in every])
    print(
        f"told as saturation: {len(every)}, mean error {errors.mean():.3f}, largest {errors.max():.3f}, interval holds {share:.2f}"
    )


def _spread(values: Sequence[float]) -> str:
    return f"{np.median(values):.3f}±{np.std(values):.3f}" if values else "-"


if __name__ == "__main__":
    main()
