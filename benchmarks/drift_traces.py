"""Weeks of traffic out of an hour of a real service: lengths of prompts and answers. Used by `benchmarks.drift_quality`.

A trace is a file of requests in their order: Azure's CSV (`ContextTokens`, `GeneratedTokens`) or Mooncake's JSON lines (`input_length`,
`output_length`). An hour is made into weeks so: traffic has the rhythm of a day and a week; each hour of it replays one stretch of five minutes
of the trace, drawn anew, in blocks of consecutive requests out of that stretch. So hours differ as parts of the real hour do, and what belongs
together stays together. What days and weeks of the real service differ by, an hour cannot tell.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Feature, numeric
from atlas_ops.detect.windows import STEP, Windows
from benchmarks.drift_worlds import A_DAY, MONDAY, volume

LENGTHS = ("prompt_tokens", "generation_tokens")
BLOCK = 20
"""Consecutive requests that stay together."""
_STRETCHES = 12
"""Stretches of five minutes in an hour."""
_AN_HOUR = 12
"""Windows."""


@dataclass(frozen=True, slots=True)
class Trace:
    """`lengths[n, 2]`: tokens of the prompt and of the answer of each request, in the order of their arrival."""

    name: str
    lengths: NDArray[np.int64]

    @property
    def features(self) -> tuple[Feature, ...]:
        """The two lengths, in bins of equal shares."""
        made = [numeric(name, column) for name, column in zip(LENGTHS, self.lengths.T, strict=True)]
        return tuple(feature for feature in made if feature is not None)


@dataclass(frozen=True, slots=True)
class Switch:
    """What becomes different: a share of the requests is another trace's, or prompts are longer by a factor."""

    name: str
    other: Trace | None = None
    share: float = 0.0
    longer: float = 1.0


def read(folder: Path) -> list[Trace]:
    """Return the traces of a folder, by the names of their files; that with the most requests first."""
    found = [Trace(path.stem, _azure(path)) for path in sorted(folder.glob("*.csv"))]
    found += [Trace(path.stem, _mooncake(path)) for path in sorted(folder.glob("*.jsonl"))]
    return sorted(found, key=lambda trace: -len(trace.lengths))


def _azure(path: Path) -> NDArray[np.int64]:
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)])


def _mooncake(path: Path) -> NDArray[np.int64]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return np.array([(row["input_length"], row["output_length"]) for row in rows])


def replayed(
    trace: Trace, rate: float, days: int, seed: int, switch: Switch | None = None, begins: int = 1 << 60
) -> Windows:
    """Return so many days of a trace at so many requests a second; the switch happens at window `begins`."""
    chance = np.random.default_rng(seed)
    rows = chance.poisson(volume(rate, np.arange(days * A_DAY), rhythm=True, week=True))
    window = np.repeat(np.arange(len(rows)), rows)
    lengths = trace.lengths[_drawn(chance, window, len(rows), len(trace.lengths))]
    if switch is not None:
        after = window >= begins
        lengths[after, 0] = np.round(lengths[after, 0] * switch.longer)
        if switch.other is not None:
            guests = after & (chance.random(len(window)) < switch.share)
            lengths[guests] = switch.other.lengths[chance.integers(0, len(switch.other.lengths), guests.sum())]
    counts = {
        feature.name: _counted(feature, column, window, len(rows))
        for feature, column in zip(trace.features, lengths.T, strict=True)
    }
    return Windows(MONDAY + (np.arange(len(rows)) + 1) * STEP, counts)


def _drawn(chance: np.random.Generator, window: NDArray[np.int64], windows: int, size: int) -> NDArray[np.int64]:
    """Return for each request the place in the trace that it replays."""
    stretch = chance.integers(0, _STRETCHES, windows // _AN_HOUR + 1)
    long = size // _STRETCHES
    blocks = -(-len(window) // BLOCK)
    within = np.repeat(chance.integers(0, long - BLOCK, blocks), BLOCK)[: len(window)]
    place = within + np.arange(len(window)) % BLOCK
    return np.asarray(stretch[window // _AN_HOUR] * long + place)


def _counted(feature: Feature, column: NDArray[np.int64], window: NDArray[np.int64], windows: int) -> NDArray[np.int64]:
    bins = len(feature.bins)
    places = feature.places(column)  # type: ignore[arg-type]  # a length is a number
    return np.bincount(window * bins + places, minlength=windows * bins).reshape(windows, bins)
