"""Who asks for what, and when: the request process in front of one model server. Called by `simulator.replica`."""

from __future__ import annotations

import random

from atlas_ops.simulator.trace import TracePlayer
from atlas_ops.simulator.traffic import Request, Traffic

RATE_SECONDS = 300.0
"""How long a rate stays before it is drawn anew."""


class Arrivals:
    """A Poisson process with a rate that wanders, or the gaps and lengths of a real trace; the same seed, the same requests.

    Real users are no Poisson process: over an hour of a public chat service (Azure LLM inference 2023, conversation) the
    number of requests in a minute varies sixteen times as much. What the rate itself varies by, as a share of its mean, has
    a variance of 0.052, 0.045, 0.043, 0.033 and 0.023 in spans of 10, 60, 120, 300 and 600 s. A rate that is drawn anew from
    a gamma distribution of variance 0.05 every 300 s has 0.049, 0.047, 0.043, 0.033 and 0.021 there (`RATE_VARIANCE`,
    `RATE_SECONDS`; a doubly stochastic process). Left out is that the trace varies by 0.02 more within a second.

    A gap of unit rate is spent at the current rate (inversion of the integrated rate), so that a new rate counts from the
    moment it is set and not only after the next arrival.
    """

    def __init__(self, seed: str, *, trace: TracePlayer | None = None) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - a simulation wants repeatability, not secrecy
        self._trace = trace
        self._unspent = self._gap()
        self._span, self._level = -1, 1.0

    def between(self, start: float, end: float, traffic: Traffic) -> list[Request]:
        """Return the requests that arrive from `start` to `end` (simulated seconds), in order."""
        arrived: list[Request] = []
        now = start
        while now < end:
            edge = min(end, (now // RATE_SECONDS + 1) * RATE_SECONDS)
            rate = self._rate(now, traffic)
            while rate > 0 and now + self._unspent / rate < edge:
                now += self._unspent / rate
                self._unspent = self._gap()
                arrived.append(self._request(now, traffic))
            self._unspent -= (edge - now) * rate
            now = edge
        return arrived

    def _gap(self) -> float:
        return self._trace.gap() if self._trace else self._random.expovariate(1.0)

    def _rate(self, now: float, traffic: Traffic) -> float:
        if self._trace or not traffic.rate_variance:
            return traffic.requests_per_second
        span = int(now // RATE_SECONDS)
        if span != self._span:
            # Of a generator of its own: the level of a span must not depend on what was drawn before.
            source = random.Random(f"{self._seed}/{span}")  # noqa: S311 - as above
            shape = 1 / traffic.rate_variance
            self._span, self._level = span, source.gammavariate(shape, 1 / shape)
        return traffic.requests_per_second * self._level

    def _request(self, now: float, traffic: Traffic) -> Request:
        if self._trace:
            prompt, output = self._trace.lengths(traffic)
        else:
            prompt, output = traffic.prompt_tokens.draw(self._random), traffic.output_tokens.draw(self._random)
        return Request(
            arrived=now,
            gives_up=now + traffic.patience_seconds,
            prompt_tokens=prompt,
            output_tokens=min(output, traffic.max_tokens),
            max_tokens=traffic.max_tokens,
            cached_tokens=traffic.shared_prefix_tokens if prompt > traffic.shared_prefix_tokens else 0,
        )
