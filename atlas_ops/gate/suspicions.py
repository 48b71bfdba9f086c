"""What may be wrong with the runs themselves, before they are compared. Called by `judge`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from atlas_ops.errors import DataError
from atlas_ops.gate import doubts
from atlas_ops.gate.metrics import Tolerances
from atlas_ops.gate.runs import FIRST_TOKEN, INTER_TOKEN, LATENCY, Run

_SHORT = 0.5
"""A run with fewer requests than this share of the median of its side did not go to its end. A guess: load that is planned alike
differs by some per cent."""
_MILLI = (300.0, 3000.0)
"""Between times of a thousand, a tool's milliseconds were most likely taken for seconds."""
_STRANGE = 6.0
"""Standard deviations of the other runs: chance puts a first run so far off in one of a hundred cases with five runs."""


def check(baseline: Sequence[Run], canary: Sequence[Run]) -> None:
    """Raise DataError for sides that cannot be compared: measured by different tools, or in different units."""
    tools = {run.tool for run in (*baseline, *canary)}
    if len(tools) > 1:
        raise DataError(
            f"the runs come of {' and of '.join(sorted(tools))}: they do not time the same thing",
            next_step="measure both sides with the same tool, in the same way",
        )
    for metric in (LATENCY, FIRST_TOKEN, INTER_TOKEN):
        _check_units(f"{metric}_p50", (*baseline, *canary))


def _check_units(key: str, runs: Sequence[Run]) -> None:
    told = [(run.readings[key].value, run) for run in runs if key in run.readings]
    if not told:
        return
    low, small = min(told, key=lambda pair: pair[0])
    high, large = max(told, key=lambda pair: pair[0])
    if low > 0 and _MILLI[0] < high / low < _MILLI[1]:
        raise DataError(
            f"{key}: {large.name} has {high:g} s, {small.name} {low:g} s: one of them is probably in milliseconds",
            next_step="write both in seconds; a release that is really so much slower needs no gate",
        )


def incomplete(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the planned runs that have far fewer requests than the others of their side."""
    usual = statistics.median([run.requests for run in runs]) if runs else 0
    return tuple(run for run in runs if run.planned and run.requests < _SHORT * usual)


def notes(baseline: Sequence[Run], canary: Sequence[Run], tolerances: Tolerances) -> Iterator[str]:
    """Yield what a reader should know of the way in which the runs were made."""
    yield from dict.fromkeys(note for run in (*baseline, *canary) for note in run.notes)
    starts = [[run.began for run in side if run.began is not None] for side in (baseline, canary)]
    if all(len(side) > 1 for side in starts) and (max(starts[0]) < min(starts[1]) or max(starts[1]) < min(starts[0])):
        yield (
            "all runs of one side were before all of the other: what changed on the machines in between counts as the release's; "
            "let the runs take turns (--run does)"
        )
    if (busier := doubts.load_ratio(baseline, canary)) > 1 + tolerances.detect:
        yield f"the canary had {busier:.3g} times the load of the baseline: what is worse may be the load's doing"
    for side, runs in (("baseline", baseline), ("canary", canary)):
        if (ratio := _first_run(runs)) and abs(ratio - 1) > tolerances.margin:
            yield (
                f"the first run of the {side} ({runs[0].name}) takes {ratio:.2g} times the median latency of the others: if it "
                "was cold, leave it out with --skip-runs 1"
            )


def _first_run(runs: Sequence[Run]) -> float:
    """Return the median latency of the first run over that of the others if it is far outside of their spread, 0 otherwise."""
    values = [run.readings[f"{LATENCY}_p50"].value for run in runs if f"{LATENCY}_p50" in run.readings]
    if len(values) < 5 or len(values) < len(runs):
        return 0.0
    usual, spread = statistics.mean(values[1:]), statistics.stdev(values[1:])
    return values[0] / usual if usual > 0 and abs(values[0] - usual) > _STRANGE * spread else 0.0
