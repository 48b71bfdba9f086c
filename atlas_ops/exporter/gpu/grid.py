"""The moments at which GPUs are asked: the same ones for all of them.

Used by `gpu.reader` and `gpu.sampler`. Waking a processor up costs more than a sample does; threads that wake up together
share that (measured with 8 GPUs on two cores: spread evenly, the samplers took twice the time).
"""

from __future__ import annotations


def to_next(now: float, period: float, *, least: float = 0.01) -> float:
    """Return the seconds from `now` to the next whole multiple of `period` that is `least` of a period away."""
    left = period - now % period
    return left if left > least * period else left + period
