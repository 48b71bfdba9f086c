"""What the clients of a model server send: how many requests, how long, and how patient they are.

The words of `simulator.scenarios.traffic`; `simulator.arrivals` makes requests of them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

RATE_VARIANCE = 0.05
"""Relative variance of the rate of a real chat service from one span of minutes to the next (`simulator.arrivals`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """A lognormal distribution of token counts, cut at `maximum`."""

    median: float
    sigma: float
    maximum: int

    @property
    def mean(self) -> float:
        """The mean of the distribution, were it not cut."""
        return self.median * math.exp(self.sigma**2 / 2)

    def draw(self, source: random.Random) -> int:
        """Return one length in tokens, from 1 to `maximum`."""
        return max(1, min(self.maximum, round(source.lognormvariate(math.log(self.median), self.sigma))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What the clients of one server do. Each draws its own output length; `max_tokens` is what they ask for at most."""

    requests_per_second: float
    prompt_tokens: Lengths
    output_tokens: Lengths
    max_tokens: int
    patience_seconds: float
    """A client that has no first token by then hangs up."""
    shared_prefix_tokens: int
    """A system prompt that every request begins with; the server has it in its prefix cache."""
    rate_variance: float = 0.0
    """How much the rate wanders from minute to minute, relative to its mean. 0: not at all, as where a scenario is about
    its load."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request as its client knows it. Times are seconds of simulated time."""

    arrived: float
    gives_up: float
    prompt_tokens: int
    output_tokens: int
    max_tokens: int
    cached_tokens: int
    fails: bool = False

    @property
    def finished_reason(self) -> str:
        """How the server will end it: at the client's limit (`length`), by itself (`stop`) or with an error (`error`)."""
        if self.fails:
            return "error"
        return "length" if self.output_tokens >= self.max_tokens else "stop"
