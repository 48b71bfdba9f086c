"""Who asks for what, and when: the request process in front of one model server.

Called by `simulator.replica`; the numbers come from `simulator.scenarios`.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """A lognormal distribution of token counts, cut at `maximum`. Its mean is median * exp(sigma^2 / 2)."""

    median: float
    sigma: float
    maximum: int

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


class Arrivals:
    """A Poisson process whose rate may change at any moment; the same seed gives the same requests.

    A unit-rate exponential draw is spent at the current rate (inversion of the integrated rate), so that a new rate
    counts from the moment it is set and not only after the next arrival.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation wants repeatability, not secrecy
        self._unspent = self._random.expovariate(1.0)

    def between(self, start: float, end: float, traffic: Traffic) -> list[Request]:
        """Return the requests that arrive from `start` to `end` (simulated seconds), in order."""
        arrived: list[Request] = []
        now = start
        while traffic.requests_per_second > 0 and now + self._unspent / traffic.requests_per_second < end:
            now += self._unspent / traffic.requests_per_second
            self._unspent = self._random.expovariate(1.0)
            arrived.append(self._request(now, traffic))
        self._unspent -= (end - now) * traffic.requests_per_second
        return arrived

    def _request(self, now: float, traffic: Traffic) -> Request:
        prompt = traffic.prompt_tokens.draw(self._random)
        output = traffic.output_tokens.draw(self._random)
        return Request(
            arrived=now,
            gives_up=now + traffic.patience_seconds,
            prompt_tokens=prompt,
            output_tokens=min(output, traffic.max_tokens),
            max_tokens=traffic.max_tokens,
            cached_tokens=traffic.shared_prefix_tokens if prompt > traffic.shared_prefix_tokens else 0,
        )
