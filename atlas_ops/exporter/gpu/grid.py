"""The moments at which GPUs are asked: the same ones for all of them.

Used by `gpu.reader` and `gpu.sampler`. Waking a processor up costs more than a sample does; threads that wake up together
share that (measured with 8 GPUs on two cores: spread evenly, the samplers took twice the time).
"""

from __future__ import annotations


def to_next(now: float, period: float) -> float:
    """Return the seconds from `now` to the next whole multiple of `period`; one that is as good as now does not count."""
    left = period - now % period
    return left if left > 0.01 * period else left + period
