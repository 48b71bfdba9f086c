"""Drift detectors of other projects, each in an environment of its own, fed with the rows that the counts are of. Used by `benchmarks.drift_quality`.

River's ADWIN and Page-Hinkley take every row of every feature, one after the other, with their default settings, two days of history first;
an alarm of any feature is an alarm. Alibi-detect's TabularDrift (Kolmogorov-Smirnov and chi-square, Bonferroni at .05: its defaults)
compares the rows of each hour with a sample of the history. A peer is a process that reads one path a line and answers with one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Feature, Numeric
from atlas_ops.detect.windows import Windows
from benchmarks.drift_worlds import A_DAY

Floats = NDArray[np.float64]
ROWS_EACH = 60
"""Rows that a peer gets of five minutes at the most: those of one request in five seconds."""
WARM_UP = 2 * A_DAY
"""Windows of the history that river's detectors see before they are judged."""
REFERENCE_ROWS = 2_000
_SERVE = """
import json, sys
import numpy as np
{setup}
print("ready", flush=True)
for line in sys.stdin:
    data = np.load(line.strip())
    rows, window, reference, size, numbers = data["rows"], data["window"], data["reference"], int(data["size"]), int(data["numbers"])
    found = {{}}
{work}
    print(json.dumps({{name: sorted(places) for name, places in found.items()}}), flush=True)
"""
_RIVER = """
    for name, make in (("ADWIN", drift.ADWIN), ("Page-Hinkley", drift.PageHinkley)):
        places = set()
        for column in rows.T.tolist():
            detector = make()
            for value, place in zip(column, window.tolist()):
                detector.update(value)
                if detector.drift_detected:
                    places.add(place)
        found[name] = [place for place in places if place >= 0]
"""
_ALIBI = """
    categories = {place: None for place in range(numbers, rows.shape[1])}
    detector = TabularDrift(reference, p_val=0.05, categories_per_feature=categories or None)
    alarms = []
    for hour in range(size // 12):
        of = rows[(window >= 12 * hour) & (window < 12 * hour + 12)]
        if len(of) >= 30 and detector.predict(of)["data"]["is_drift"]:
            alarms += range(12 * hour + 11, 12 * hour + 23)
    found["TabularDrift of an hour"] = [place for place in alarms if place < size]
"""
PROGRAMS = {
    "river": _SERVE.format(setup="from river import drift", work=_RIVER),
    "alibi-detect": _SERVE.format(setup="from alibi_detect.cd import TabularDrift", work=_ALIBI),
}


@dataclass
class Peer:
    """A running peer."""

    name: str
    process: subprocess.Popen[str]
    errors: IO[str]
    """What it says besides: a file, for a pipe that nobody reads fills up."""

    @classmethod
    def start(cls, name: str, python: str) -> Peer:
        """Start it; RuntimeError with its last words when it does not get ready."""
        errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - it lives as long as the peer
        process = subprocess.Popen([python, "-c", PROGRAMS[name]], stdin=-1, stdout=-1, stderr=errors, text=True)
        peer = cls(name, process, errors)
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise RuntimeError(peer.last_words())
        return peer

    def alarms(self, path: Path, size: int) -> dict[str, Floats]:
        """Return 1 in each window in which a method of the peer is in alarm."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a peer has pipes")
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(self.last_words())
        found = {}
        for method, places in json.loads(answer).items():
            found[f"{self.name}: {method}"] = np.zeros(size)
            found[f"{self.name}: {method}"][places] = 1.0
        return found

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def last_words(self) -> str:
        """Return the last line that it said, of a peer that ended."""
        self.process.kill()
        self.process.communicate()
        self.errors.seek(0)
        return (self.errors.read().strip().splitlines() or [f"{self.name} ended without a word"])[-1]


def asked(
    peers: Mapping[str, Peer], features: Sequence[Feature], windows: Windows, cut: int, size: int, seed: int
) -> dict[str, Floats]:
    """Return what the peers say of `size` windows from `cut` on, of rows that have the counts of the windows."""
    if not peers:
        return {}
    chance = np.random.default_rng(seed)
    rows, window = _rows(features, windows, slice(cut - WARM_UP, cut + size), ROWS_EACH, chance)
    history, _ = _rows(features, windows, slice(cut - 7 * A_DAY, cut), 6, chance)
    reference = history[chance.choice(len(history), min(REFERENCE_ROWS, len(history)), replace=False)]
    numbers = sum(isinstance(feature, Numeric) for feature in features)
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        path = Path(folder) / "rows.npz"
        np.savez(path, rows=rows, window=window - WARM_UP, reference=reference, size=size, numbers=numbers)
        return {name: alarm for peer in peers.values() for name, alarm in peer.alarms(path, size).items()}


def _rows(
    features: Sequence[Feature], windows: Windows, part: slice, most: int, chance: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return rows that have the counts of the windows, at most so many of each, and the window of each from 0 on."""
    counts = {feature.name: windows.counts[feature.name][part] for feature in features}
    # Features of a simulated session are drawn apart, so that one may have some rows more than another.
    kept = np.minimum(np.minimum.reduce([of.sum(axis=1) for of in counts.values()]), most)
    columns = [_column(feature, counts[feature.name], kept, chance) for feature in features]
    return np.stack(columns, axis=1).astype(np.float32), np.repeat(np.arange(len(kept)), kept)


def _column(
    feature: Feature, counts: NDArray[np.int64], kept: NDArray[np.int64], chance: np.random.Generator
) -> Floats:
    """Return a value for each row: of a category the number of its bin, of a number one anywhere in its bin."""
    bins = np.arange(counts.shape[1])
    drawn = [chance.permutation(np.repeat(bins, row))[:many] for row, many in zip(counts, kept, strict=True)]
    places = np.concatenate(drawn)
    if not isinstance(feature, Numeric):
        return np.asarray(places.astype(np.float64))
    edges = np.array(feature.edges)
    width = (edges[-1] - edges[0]) / len(edges)
    low = np.array([*edges[:-1], edges[0] - width, edges[-1], 0.0])
    high = np.array([*edges[1:], edges[0], edges[-1] + width, 0.0])
    return np.asarray(chance.uniform(low[places], high[places]))
