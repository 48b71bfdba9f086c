"""Made-up predictions with labels for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.drift import data

DAY = 86_400.0
START = data.MONDAY


@dataclass(frozen=True, kw_only=True)
class Made:
    """Columns of both sides, in the same order."""

    predictions: dict[str, Any]
    labels: dict[str, Any]

    def written(self, folder: Path) -> list[str]:
        """Write both, and return the first arguments of the command."""
        one = data.parquet(folder / "predictions.parquet", self.predictions)
        other = data.csv(folder / "labels.csv", self.labels)
        return [str(one), str(other), "--key", "id", "--prediction", "said", "--label", "truth"]


def classes(count: int = 20_000, days: float = 28.0, *, right: float = 0.9, worse_from: float = 99.0, then: float = 0.7,
            arrived: float = 1.0, seed: int = 1) -> Made:  # fmt: skip
    """Return predictions of three classes: right with the chance `right`, from the day `worse_from` on with `then`."""
    chance = np.random.default_rng(seed)
    at = np.sort(chance.uniform(START, START + days * DAY, count))
    truth = chance.choice(["no", "yes", "odd"], p=[0.6, 0.35, 0.05], size=count)
    hit = chance.random(count) < np.where(at < START + worse_from * DAY, right, then)
    said = np.where(hit, truth, np.roll(truth, 1))
    ids = np.array([f"request-{place:07d}" for place in range(count)])
    known = np.flatnonzero(chance.random(count) < arrived)
    shuffled = chance.permutation(known)
    return Made(
        predictions={"id": ids, "said": said, "at": times(at)}, labels={"id": ids[shuffled], "truth": truth[shuffled]}
    )


def numbers(
    count: int = 20_000, days: float = 28.0, *, grown: float = 1.0, grown_from: float = 99.0, seed: int = 1
) -> Made:
    """Return predictions of minutes, whose errors grow by the factor `grown` from a day on."""
    chance = np.random.default_rng(seed)
    at = np.sort(chance.uniform(START, START + days * DAY, count))
    truth = chance.lognormal(2, 0.5, count)
    error = chance.laplace(0, 1, count) * np.where(at < START + grown_from * DAY, 1.0, grown)
    ids = np.arange(count, dtype=np.int64) + 2**60
    return Made(predictions={"id": ids, "said": truth + error, "at": times(at)}, labels={"id": ids, "truth": truth})


def times(at: Any) -> pa.Array:
    """Return Unix seconds as timestamps."""
    return pa.array((at * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC"))
