"""The last days of a model's counts: read once, then the newest windows alone. Called by `watch.watcher`.

Everything that is said of a model follows from these days and from its reference, so a watcher that was started again says what the
one before it would have said. Eight days hold the day of the longest horizon and a week of what came before: whether drift has been
found, and what the slower chart has added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Feature
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift.prometheus_counts import counts
from atlas_ops.drift.server_bins import check_fitting, misfits
from atlas_ops.prometheus import Prometheus

PAST = 8 * DAY
"""Seconds that are kept."""


class Past:
    """The counts of one model."""

    def __init__(self, client: Prometheus, model: str, features: Sequence[Feature]) -> None:
        self._client, self.model, self.features = client, model, tuple(features)
        self._kept: Windows | None = None
        self.misfits: Mapping[str, str] = {}
        """{feature: why servers cannot be asked for it}, as of the last question. It is as if nobody counted it."""

    def until(self, end: float) -> Windows:
        """Return the windows of the eight days before `end`, which is the end of a window (Unix seconds).

        DataError when the servers count no feature by its bins, EnvironmentProblem when Prometheus does not answer; what was read is kept.
        """
        self.misfits = misfits(self._client, self.model, self.features, end)
        check_fitting(self.features, self.misfits.values())
        fitting = [feature for feature in self.features if feature.name not in self.misfits]
        windows = self._read(fitting, end)
        nothing = {f.name: np.zeros((len(windows.times), len(f.bins)), dtype=np.int64) for f in self.features}
        return replace(windows, counts=nothing | {name: of.astype(np.int64) for name, of in windows.counts.items()})

    def _read(self, features: Sequence[Feature], end: float) -> Windows:
        """Return the windows of these features, of which what was read before is not read again."""
        start, kept = end - PAST, self._kept
        if kept is not None and kept.counts.keys() != {feature.name for feature in features}:
            kept = None
        if kept is not None and (kept.times[-1] > end or kept.times[-1] < start):
            kept = None  # a clock that went back, or a watcher that stood still for a week
        # The hour that was not over yet is read again: samples may come late, and counts are whole numbers over all of a reading.
        begin = start if kept is None else max(start, (kept.times[-1] - STEP) // HOUR * HOUR)
        while begin < end:
            upto = min((begin // DAY + 1) * DAY, end)
            kept = self._kept = _packed(_joined(kept, counts(self._client, self.model, features, begin, upto), start))
            begin = upto
        if kept is None:
            raise ValueError("there is no window before the first")
        return kept


def _joined(kept: Windows | None, read: Windows, start: float) -> Windows:
    """Return what is kept of the time before what was read, and that; nothing from before `start`."""
    if kept is None:
        return read
    old = (kept.times > start) & (kept.times < read.times[0])
    return Windows(
        times=np.concatenate([kept.times[old], read.times]),
        counts={name: np.concatenate([kept.counts[name][old], read.counts[name]]) for name in read.counts},
        seen=np.concatenate([_seen(kept)[old], _seen(read)]),
    )


def _packed(windows: Windows) -> Windows:
    """Return counts in as few bytes as the greatest of them needs: mostly a quarter, of hundreds of models in one process."""
    small: dict[str, Any] = {
        name: of.astype(
            next(kind for kind in (np.int16, np.int32, np.int64) if of.max(initial=0) <= np.iinfo(kind).max)
        )
        for name, of in windows.counts.items()
    }
    return replace(windows, counts=small)


def _seen(windows: Windows) -> NDArray[np.bool_]:
    return np.ones(len(windows.times), dtype=np.bool_) if windows.seen is None else windows.seen
