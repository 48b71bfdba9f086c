"""What tokens and requests cost: GPU-hours that were held, their energy, and money where there is a price table. Called by the command.

All GPUs that a model's servers hold count, idle or not: that is what is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity.gpus import Held
from atlas_ops.capacity.observed import WINDOW, Observed
from atlas_ops.capacity.prices import Prices


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """What the GPU-hours cost."""

    currency: str
    amount: float
    unpriced: tuple[str, ...]
    """Names of GPUs that the table has no price for: the amount is without them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a model took in the span, and what it made of it."""

    held: Held
    gpu_hours: float
    requests: float
    """Finished ones."""
    prompt_tokens: float
    generation_tokens: float
    money: Money | None

    def per_million_tokens(self, amount: float) -> float | None:
        """Return an amount by the millions of tokens that were produced; None without any."""
        return amount / self.generation_tokens * 1e6 if self.generation_tokens > 0 else None

    def per_request(self, amount: float) -> float | None:
        """Return an amount by the requests that finished; None without any."""
        return amount / self.requests if self.requests > 0 else None


def of(seen: Observed, held: Held, prices: Prices | None) -> Cost:
    """Return the cost of a model."""
    requests, prompt, generation = (
        float(np.nansum(rates)) * WINDOW for rates in (seen.finished, seen.prompt_tokens, seen.generation_tokens)
    )
    return Cost(
        held=held,
        gpu_hours=sum(held.hours.values()),
        requests=requests,
        prompt_tokens=prompt,
        generation_tokens=generation,
        money=_money(held, prices) if prices else None,
    )


def _money(held: Held, prices: Prices) -> Money:
    each = {name: prices.per_hour(name) for name in held.hours}
    amount = sum(hours * price for name, hours in held.hours.items() if (price := each[name]) is not None)
    return Money(
        currency=prices.currency, amount=amount, unpriced=tuple(name for name, price in each.items() if price is None)
    )
