"""Why answers end, live: plain servers whose runtime counts it, a reference out of their own past, and a limit that cuts answers off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.detect.features import Category
from atlas_ops.drift import reference as files
from atlas_ops.drift import words
from atlas_ops.drift.counting import Counting, Table
from atlas_ops.drift.fit import learned
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.samples import Series, Written
from atlas_ops.watch.finding import Finding
from atlas_ops.watch.watcher import LATE_SECONDS, Watcher
from tests.watch.traffic import DAY, HOUR, MONDAY

FEATURE = Category(name="finish_reason", names=("stop", "length", "cancelled"))
REASONS = ("stop", "length", "cancelled", "error", "repetition", "unknown")
USUAL, CUT, NEW = (0.8, 0.18, 0.02, 0, 0, 0), (0.65, 0.33, 0.02, 0, 0, 0), (0.7, 0.18, 0.02, 0, 0.1, 0)
EVERY, EACH = 60, 20
MINUTES, CHANGE = 2 * DAY // EVERY, 2 * DAY // EVERY - 90


def told(model: str, rows: NDArray[np.int64]) -> Iterator[Written]:
    times = ((MONDAY + EVERY * np.arange(len(rows))) * 1_000).astype(np.int64)
    for reason, values in zip(REASONS, np.cumsum(rows, axis=0).T, strict=True):
        labels = (("model", model), ("reason", reason), ("server", "a"))
        yield Written(Series(s.REQUESTS_FINISHED.name, labels), times, values.astype(np.float64))


@pytest.mark.parametrize(("shares", "what"), [(CUT, "length"), (NEW, "that the reference never had")])
def test_a_shift_of_why_answers_end_is_found_and_named(
    prometheus: Prometheus, tmp_path: Path, shares: tuple[float, ...], what: str
) -> None:
    chance, model = np.random.default_rng(5), f"ends {what}"
    rows = np.vstack([chance.multinomial(EACH, of, n) for of, n in ((USUAL, CHANGE), (shares, MINUTES - CHANGE))])
    for body in bodies(told(model, rows)):
        prometheus.write(body)
    history = np.zeros((28 * DAY // 300, len(FEATURE.bins)), dtype=np.int64)
    history[:, :3] = chance.multinomial(5 * EACH, USUAL[:3], len(history))
    table = Table(first=int(MONDAY - 28 * DAY) // 300, counts=history)
    files.write(learned(model, Counting(features=(FEATURE,), time="time"), table), tmp_path / "ends.json")
    now = MONDAY + EVERY * CHANGE
    watcher = Watcher(tmp_path, prometheus, clock=lambda: now + LATE_SECONDS)
    assert found(watcher) == []
    now += 1.5 * HOUR
    (one, *_) = found(watcher)
    assert (one.feature.name, one.detector) == ("finish_reason", "seasonal")
    assert any(what in text for text in words.told(one.feature, one.moves))
    assert one.feature.name.startswith(c.PREDICTION_FEATURES), "it is told as drift of predictions"


def found(watcher: Watcher) -> list[Finding]:
    (outcome,) = watcher.round().outcomes
    assert outcome.judgement is not None, outcome.problem
    return list(outcome.judgement.drifted)
