"""What tokens and requests cost: GPU-hours that were held, their energy, and money where there is a price table. Called by the command.

All GPUs that a model's servers hold count, idle or not: that is what is paid for. Hours are divided by what was made of them, so only
windows count in which the GPUs of all the model's servers are known, and for energy those in which all of these tell theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.capacity.gpus import Held
from atlas_ops.capacity.observed import WINDOW, Floats, Observed
from atlas_ops.capacity.prices import Prices

_Windows = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What servers made in some windows."""

    requests: float
    """Finished ones."""
    prompt_tokens: float
    generation_tokens: float

    @classmethod
    def of(cls, seen: Observed, within: _Windows) -> Made:
        """Return what was made in some windows."""
        requests, prompt, generation = (
            float(np.nansum(rates[:, within])) * WINDOW
            for rates in (seen.finished, seen.prompt_tokens, seen.generation_tokens)
        )
        return cls(requests=requests, prompt_tokens=prompt, generation_tokens=generation)

    def per_million_tokens(self, amount: float) -> float | None:
        """Return an amount by the millions of tokens that were produced; None without any."""
        return amount / self.generation_tokens * 1e6 if self.generation_tokens > 0 else None

    def per_request(self, amount: float) -> float | None:
        """Return an amount by the requests that finished; None without any."""
        return amount / self.requests if self.requests > 0 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """What the GPUs used, and what was made of it."""

    joules: float
    made: Made


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """What the GPU-hours cost."""

    currency: str
    amount: float
    unpriced: tuple[str, ...]
    """Names of GPUs that the table has no price for: the amount is without them, and says nothing of tokens and requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a model took while its GPUs were known, and what it made of it."""

    hours: Mapping[str, float]
    """GPU-hours by the name of the GPU."""
    made: Made
    known: float
    """Share of the model's requests for which all GPUs are known."""
    energy: Energy | None
    money: Money | None

    @property
    def gpu_hours(self) -> float:
        """All of them together."""
        return sum(self.hours.values())


def of(seen: Observed, held: Held, prices: Prices | None) -> Cost:
    """Return the cost of a model."""
    gpus = _total(held, len(seen.times))
    known = (gpus > 0) & ~(_or_none(held.strangers, gpus) > 0)
    hours = {
        name: taken
        for name, counts in held.gpus.items()
        if (taken := float(np.nansum(counts[known])) * WINDOW / 3600) > 0
    }
    made, every = Made.of(seen, known), Made.of(seen, np.ones_like(known))
    return Cost(
        hours=hours,
        made=made,
        known=made.requests / every.requests if every.requests > 0 else float(bool(hours)),
        energy=_energy(seen, held, known & (_or_none(held.measured, gpus) >= gpus)),
        money=_money(hours, prices) if prices else None,
    )


def _total(held: Held, windows: int) -> Floats:
    none = np.zeros((1, windows))
    return np.asarray(np.nansum(np.concatenate([none, *(counts[None] for counts in held.gpus.values())]), axis=0))


def _or_none(counts: Floats | None, like: Floats) -> Floats:
    return np.zeros_like(like) if counts is None else np.nan_to_num(counts)


def _energy(seen: Observed, held: Held, within: _Windows) -> Energy | None:
    if held.joules is None or not within.any():
        return None
    return Energy(joules=float(np.nansum(held.joules[within])), made=Made.of(seen, within))


def _money(hours: Mapping[str, float], prices: Prices) -> Money:
    each = {name: prices.per_hour(name) for name in hours}
    amount = sum(taken * price for name, taken in hours.items() if (price := each[name]) is not None)
    return Money(
        currency=prices.currency, amount=amount, unpriced=tuple(name for name, price in each.items() if price is None)
    )
