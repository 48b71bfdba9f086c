"""The curve of throughput against concurrency: the truth of queues, how often the interval holds it, and wild data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.detect import capacity
from atlas_ops.detect.capacity import Curve, Floats, Windows
from tests.capacity import worlds
from tests.capacity.worlds import World

WINDOWS, DRAWS = 288, 60


def full(seed: int) -> World:
    """Return a day of a queue with eight workers, that is full at noon."""
    rng = np.random.default_rng(seed)
    return worlds.queue(rng, 8, 10.0, worlds.loads(WINDOWS, 1.1, rng))


def seen(*of: World) -> Windows:
    return Windows(
        concurrency=np.stack([world.concurrency for world in of]),
        throughput=np.stack([world.completed for world in of]),
    )


def fitted(windows: Windows, draws: int = DRAWS) -> Curve:
    blocks = np.arange(windows.concurrency.shape[1]) // 12
    weights = capacity.resampled(int(blocks.max()) + 1, draws)
    return capacity.fit(windows, capacity.levels(windows), blocks, weights)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held, errors = 0, []
    for seed in range(20):
        world = full(seed)
        most = fitted(seen(world)).most
        low, high = np.quantile(most[1:], (0.05, 0.95))
        held += low <= world.most <= high
        errors.append(most[0] / world.most - 1)
    assert 16 <= held <= 20  # of 20, 90 % is what is said
    assert abs(np.mean(errors)) < 0.005
    assert max(map(abs, errors)) < 0.05


def test_a_load_that_leaves_room_is_not_taken_for_saturation() -> None:
    """At one load requests pile up by chance: windows with more of them finish no more, and yet nothing is full."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        world = worlds.queue(rng, 8, 10.0, worlds.loads(WINDOWS, 0.6, rng))
        curve = fitted(seen(world))
        top = np.array(np.quantile(world.concurrency, 0.98))
        assert np.quantile(curve.elasticity(top)[1:], 0.95) > 0.2


def test_a_server_that_batches_is_full_where_its_slots_are() -> None:
    most = worlds.engine_most(worlds.SLOTS, hours=2.0)
    rng = np.random.default_rng(5)
    world = worlds.batching(5, worlds.SLOTS, most, worlds.loads(72, 1.15, rng, period=72))
    curve = fitted(seen(world), 0)
    assert curve.most[0] == pytest.approx(most, rel=0.05)
    assert curve.places[0] == pytest.approx(worlds.SLOTS.max_num_seqs, rel=0.25)


def test_the_bend_of_a_batch_is_no_variability() -> None:
    """Throughput as of 24 places, each of which slows the others, and then flat: the free curve sees a queue, and more beyond the data."""
    held = np.geomspace(0.5, 400.0, WINDOWS)
    running = np.minimum(held, 24.0)
    windows = Windows(concurrency=held[None], throughput=(running / (14.0 + 1.4 * running))[None])
    blocks = np.arange(WINDOWS) // 12
    levels, weights = capacity.levels(windows), np.ones((1, WINDOWS // 12))
    most = 24.0 / (14.0 + 1.4 * 24.0)
    free, batch = (
        capacity.fit(windows, levels, blocks, weights, variability=variability)
        for variability in (None, capacity.MARKOV)
    )
    assert free.variability[0] > 1.5
    assert free.most[0] > 1.04 * most
    assert batch.variability[0] <= capacity.MARKOV * (1 + 1e-9)
    assert batch.most[0] == pytest.approx(most, rel=0.005)


def test_replicas_are_fitted_together_and_one_that_is_away_does_not_matter() -> None:
    windows = seen(full(0), full(1))
    windows.concurrency[1, 100:] = np.nan
    windows.throughput[1, 90:] = np.nan
    assert fitted(windows, 0).most[0] == pytest.approx(0.8, rel=0.02)


def test_windows_in_which_a_server_hangs_are_found_and_no_others() -> None:
    world = full(2)
    curve = fitted(seen(world), 0)
    world.completed[140:146] = 0.0
    halted = capacity.halted(seen(world), curve, worlds.WINDOW)
    assert np.flatnonzero(halted[0]).tolist() == [140, 141, 142, 143, 144, 145]


def test_the_elasticity_is_the_slope_on_logarithms_and_throughput_never_exceeds_the_most() -> None:
    curve = Curve(slope=np.array([0.1]), most=np.array([1.6]), variability=np.array([1.0]))
    for concurrency in (0.5, 5.0, 15.0, 17.0, 40.0, 4_000.0):
        near = [float(curve.throughput(np.array(concurrency * factor))[0]) for factor in (0.999, 1.001)]
        assert near[0] < near[1] < 1.6
        numeric = np.log(near[1] / near[0]) / np.log(1.001 / 0.999)
        assert float(curve.elasticity(np.array(concurrency))[0]) == pytest.approx(numeric, rel=0.01, abs=1e-5)


def test_one_worker_is_the_queue_that_has_a_formula() -> None:
    curve = Curve(slope=np.array([2.0]), most=np.array([2.0]), variability=np.array([1.0]))
    # M/M/1: L = u / (1 - u), so X = 2 L / (1 + L).
    for concurrency in (0.2, 1.0, 9.0):
        assert curve.throughput(np.array(concurrency))[0] == pytest.approx(
            2 * concurrency / (1 + concurrency), rel=1e-6
        )


WILD = st.one_of(st.just(float("nan")), st.just(0.0), st.floats(1e-6, 1e6))


@settings(max_examples=30)
@given(st.lists(st.tuples(WILD, WILD), min_size=24, max_size=40))
def test_any_data_gives_a_curve_of_numbers_or_no_level_at_all(pairs: list[tuple[float, float]]) -> None:
    values: Floats = np.array(pairs).T
    windows = Windows(concurrency=values[:1], throughput=values[1:])
    if capacity.levels(windows).count:
        curve = fitted(windows, 2)
        for field in (curve.slope, curve.most, curve.variability):
            assert np.isfinite(field).all()
            assert (field > 0).all()
