"""Cost is of the time in which all GPUs of a model are known: neither hours nor tokens of another time get into it."""

from __future__ import annotations

import numpy as np
import pytest

from atlas_ops.capacity import cost
from atlas_ops.capacity.gpus import Held
from atlas_ops.capacity.observed import WINDOW, Floats, Key, Observed
from atlas_ops.capacity.prices import Price, Prices

WINDOWS = 24
HALF = WINDOWS // 2
PRICES = Prices(currency="EUR", gpus=(Price(name="H100", per_hour=3.0),))


def seen() -> Observed:
    """Return two replicas with a request of 100 tokens a second each."""
    ones, nothing = np.ones((2, WINDOWS)), np.full((2, WINDOWS), np.nan)
    return Observed(
        key=Key(runtime="vllm", model="chat", namespace=""), times=WINDOW * np.arange(WINDOWS), servers=("a", "b"),
        finished=ones, arrived=ones, busy=ones, running=ones, waiting=nothing, prompt_tokens=10 * ones,
        generation_tokens=100 * ones, slots=nothing, promises=(), most_replicas=None,
    )  # fmt: skip


def windows(first: float, second: float) -> Floats:
    """Return a value for each half of the time."""
    return np.repeat(np.array([first, second]), HALF)


def told(held: Held, prices: Prices | None = PRICES) -> cost.Cost:
    return cost.of(seen(), held, prices)


def test_a_token_costs_the_same_however_late_gpus_were_known() -> None:
    whole, half = (told(Held(gpus={"H100": windows(early, 2.0)})) for early in (2.0, np.nan))
    assert (whole.known, half.known) == (1.0, 0.5)
    assert half.gpu_hours == whole.gpu_hours / 2
    assert half.made.per_million_tokens(half.gpu_hours) == whole.made.per_million_tokens(whole.gpu_hours)


def test_time_in_which_a_replica_has_unknown_gpus_does_not_count() -> None:
    found = told(Held(gpus={"H100": windows(1.0, 2.0)}, strangers=windows(1.0, np.nan)))
    assert found.gpu_hours == pytest.approx(2 * HALF * WINDOW / 3600)
    assert found.made.generation_tokens == 2 * 100 * HALF * WINDOW
    assert told(Held(gpus={"H100": windows(1.0, 1.0)}, strangers=windows(1.0, 1.0))).gpu_hours == 0


def test_energy_is_of_the_time_in_which_every_gpu_told_it() -> None:
    found = told(Held(gpus={"H100": windows(2.0, 2.0)}, joules=windows(100.0, 200.0), measured=windows(1.0, 2.0)))
    assert found.energy is not None
    assert found.energy.joules == 200.0 * HALF
    assert found.energy.made.requests == 2 * HALF * WINDOW
    assert found.made.requests == 2 * WINDOWS * WINDOW
    never = told(Held(gpus={"H100": windows(2.0, 2.0)}, joules=windows(100.0, 100.0), measured=windows(1.0, 1.0)))
    assert never.energy is None


def test_gpus_without_a_price_are_named() -> None:
    found = told(Held(gpus={"H100": windows(1.0, 1.0), "L4": windows(1.0, 0.0)}))
    assert found.money is not None
    assert found.money.unpriced == ("L4",)
    assert found.money.amount == pytest.approx(3.0 * WINDOWS * WINDOW / 3600)
