"""Why there can be no pass, although no metric is worse: what was compared is not what will be asked of the release. Called by `judge`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from atlas_ops.gate.runs import ERROR_SHARE, Run

_BROKEN = 0.5
"""A baseline of which this share of the requests fails is no measure: as bad as that is bad."""


def of(baseline: Sequence[Run], canary: Sequence[Run], detect: float) -> Iterator[str]:
    """Yield them. `detect`: the change that has to be found; a load that is lighter by it may hide as much."""
    if (failed := _failed(baseline)) >= _BROKEN:
        yield (
            f"{100 * failed:.3g} % of the baseline's requests failed, so no worse than the baseline is not good: mend the load or the baseline"
        )
    if not all(any(ERROR_SHARE in run.readings for run in side) for side in (baseline, canary)):
        yield "how many requests failed is not told, and a release that drops what is hard looks better"
    if (ratio := load_ratio(baseline, canary)) < 1 / (1 + detect):
        yield (
            f"the canary had {ratio:.2g} times the load of the baseline, and less load makes any release look better: give both the "
            "same, or find out why fewer requests came through"
        )


def load_ratio(baseline: Sequence[Run], canary: Sequence[Run]) -> float:
    """Return the canary's load by the baseline's, by their median runs; 1 where it is not told.

    Requests per second where every run tells them, else the number of requests where a load generator chose it.
    """
    runs = (*baseline, *canary)
    if not baseline or not canary:
        return 1.0
    if all(run.load for run in runs):
        old, new = (statistics.median(run.load or 0.0 for run in side) for side in (baseline, canary))
    elif all(run.planned for run in runs):
        old, new = (float(statistics.median(run.requests for run in side)) for side in (baseline, canary))
    else:
        return 1.0
    return new / old


def _failed(runs: Sequence[Run]) -> float:
    told = [run.readings[ERROR_SHARE].value for run in runs if ERROR_SHARE in run.readings]
    return statistics.median(told) if told else 0.0
