"""Which bucket bound of each runtime stands for a threshold in seconds.

A histogram tells exactly how many observations were within one of its bounds, and only guesses about what lies between
two. So a threshold is judged at the smallest bound that is not below it: whoever keeps the promise is never called slow. A
runtime whose buckets begin above the threshold, or end below it, cannot be judged by it.

Used by `catalog.faults` (rules), `settings` (which refuses what no runtime can be judged by) and `render` (charts).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.model import Signal


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnBounds:
    """Bucket bounds that a user has given a runtime, or that its dialect does not know."""

    runtime: str
    signal: str
    seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class InForce:
    """The bounds at which a threshold is judged."""

    threshold: float
    by_runtime: Mapping[str, tuple[float, ...]]
    """The bound of each runtime; several where its pages differ by version or set-up."""
    begin_above: tuple[str, ...]
    """Runtimes whose smallest bound is above the threshold."""
    end_below: tuple[str, ...]
    """Runtimes whose largest bound is below the threshold."""

    @property
    def out_of_range(self) -> tuple[str, ...]:
        """Runtimes that have buckets, and none around the threshold."""
        return tuple(sorted((*self.begin_above, *self.end_below)))

    @property
    def matchers(self) -> tuple[str, ...]:
        """PromQL matchers of the buckets in force.

        A page may have more than one of them: its smallest one counts, so `min without (le)` has to be taken of them. A
        runtime whose bounds nobody knows is judged if it has one of them; one that begins above is left out by its name.
        """
        bounds = sorted({bound for bounds in self.by_runtime.values() for bound in bounds})
        return (promql.bound(*bounds), promql.label_not_in(c.RUNTIME, self.begin_above))

    def by_bound(self) -> dict[str, tuple[str, ...]]:
        """Return the runtimes by their bound, written as people read it, the smallest bound first."""
        runtimes: dict[tuple[float, ...], list[str]] = defaultdict(list)
        for runtime, bounds in sorted(self.by_runtime.items()):
            runtimes[bounds].append(runtime)
        return {
            " or ".join(promql.number(bound) for bound in bounds): tuple(runtimes[bounds])
            for bounds in sorted(runtimes)
        }


def in_force(signal: Signal, threshold: float, own: Sequence[OwnBounds] = ()) -> InForce:
    """Return at which bounds of `signal`, in its unit, a threshold is judged; `own` wins over the shipped dialects."""
    every = known(signal, own)
    judged = {runtime: _judged(threshold, histograms) for runtime, histograms in every.items()}
    lowest = {runtime: min(bounds[0] for bounds in histograms) for runtime, histograms in every.items()}
    beside = [runtime for runtime, bounds in judged.items() if not bounds]
    return InForce(
        threshold=threshold,
        by_runtime={runtime: bounds for runtime, bounds in judged.items() if bounds},
        begin_above=tuple(runtime for runtime in beside if lowest[runtime] > threshold),
        end_below=tuple(runtime for runtime in beside if lowest[runtime] <= threshold),
    )


def known(signal: Signal, own: Sequence[OwnBounds] = ()) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Return the bounds above 0 of every runtime by its id: of each histogram that its pages may have."""
    found = {
        dialect.runtime: tuple(_above_zero(reading.bounds) for reading in entry.readings if reading.bounds)
        for dialect in shipped_dialects()
        if (entry := dialect.entry(signal)) is not None and any(reading.bounds for reading in entry.readings)
    }
    found |= {bounds.runtime: (_above_zero(bounds.seconds),) for bounds in own if bounds.signal == signal.name}
    return dict(sorted(found.items()))


def _above_zero(bounds: Sequence[float]) -> tuple[float, ...]:
    # OpenTelemetry's buckets begin with one up to 0, in which no duration is.
    return tuple(bound for bound in bounds if bound > 0)


def _judged(threshold: float, histograms: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    around = [bounds for bounds in histograms if bounds[0] <= threshold <= bounds[-1]]
    return tuple(sorted({min(bound for bound in bounds if bound >= threshold) for bounds in around}))
