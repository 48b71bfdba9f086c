"""What makes an assessment less certain than its intervals say, in words. Called by `assess`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atlas_ops.capacity.littles_law import Law
from atlas_ops.capacity.observed import WINDOW, Floats, Observed
from atlas_ops.capacity.replica import Fitted

_UNLIKE, _MOVED = 0.15, 0.1
_ENOUGH = 12
"""Windows of a replica, or of a time, that are compared with the others."""
_RECENT = 0.25
MOST_NAMED = 3


def of(seen: Observed, law: Law | None, fitted: Fitted) -> list[str]:
    """Return the remarks."""
    halted = [_halted(fitted.halted)] if fitted.halted else []
    return [*halted, *_signals(seen, law), *_alike(seen, fitted), *_steady(fitted)]


def _halted(windows: int) -> str:
    return (
        f"{windows} windows of a server are left out in which it finished less than half of what is usual with as many requests: it "
        "hung, started, or was held up"
    )


def _signals(seen: Observed, law: Law | None) -> Iterator[str]:
    running, waiting = (bool(np.isfinite(gauge).any()) for gauge in (seen.running, seen.waiting))
    if not running:
        yield "no gauge tells what is in the servers (atlas_requests_running): their concurrency is arrivals times time, and nothing checks it"
    elif not waiting:
        yield "no gauge tells what waits (atlas_requests_waiting): queues are not in the concurrency"
    if running and law is None:
        yield "no histogram tells how long requests take (atlas_request_duration_seconds): Little's law cannot be checked"


def _alike(seen: Observed, fitted: Fitted) -> Iterator[str]:
    done, usual = _done_and_usual(fitted)
    counts = (fitted.levels.where >= 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = done.sum(axis=1) / usual.sum(axis=1)
    unlike = sorted(
        (abs(np.log(ratio)), name, ratio)
        for name, ratio, count in zip(seen.servers, ratios.tolist(), counts.tolist(), strict=True)
        if count >= _ENOUGH and ratio > 0 and abs(np.log(ratio)) > _UNLIKE
    )[::-1]
    if unlike:
        named = ", ".join(f"{name} {100 * (ratio - 1):+.0f} %" for _, name, ratio in unlike[:MOST_NAMED])
        more = f" and {len(unlike) - MOST_NAMED} more" if len(unlike) > MOST_NAMED else ""
        yield f"replicas are not alike, against the curve of all at the same concurrency: {named}{more}"


def _steady(fitted: Fitted) -> Iterator[str]:
    done, usual = _done_and_usual(fitted)
    cut = round(done.shape[1] * (1 - _RECENT))
    early, late = usual[:, :cut].sum(), usual[:, cut:].sum()
    if (
        min((fitted.levels.where[:, :cut] >= 0).sum(), (fitted.levels.where[:, cut:] >= 0).sum()) < _ENOUGH
        or min(early, late) <= 0
    ):
        return
    change = float(done[:, cut:].sum() / late / (done[:, :cut].sum() / early)) - 1
    if abs(change) > _MOVED:
        hours = done.shape[1] * _RECENT * WINDOW / 3600
        yield (
            f"in the last {hours:.0f} hours a replica did {100 * change:+.0f} % at the same concurrency: another release, other requests or "
            "another GPU; give --days so that only the new time counts"
        )


def _done_and_usual(fitted: Fitted) -> tuple[Floats, Floats]:
    """Return the throughput of the windows that count, and what the curve says of their concurrency; 0 elsewhere."""
    inside = fitted.levels.where >= 0
    usual = fitted.curve.of(slice(1)).throughput(np.where(inside, fitted.windows.concurrency, 1.0))
    return np.where(inside, fitted.windows.throughput, 0.0), np.where(inside, usual, 0.0)
