"""Files after a change was accepted: the new traffic is what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift import live
from atlas_ops.drift.accept import accept
from atlas_ops.drift.check import check
from atlas_ops.drift.fit import Wish, fit
from atlas_ops.drift.reference import Reference, read, write
from atlas_ops.drift.standing import Standing
from tests.drift import data

AFTER = data.MONDAY + 35 * data.DAY


def fitted(folder: Path, columns: Mapping[str, Any]) -> Reference:
    return fit([data.parquet(folder / "history.parquet", dict(columns))], Wish(model="fraud"), lambda *_: None)


def accepted(folder: Path, reference: Reference, columns: dict[str, Any]) -> Reference:
    """Accept the traffic of these rows, and return what comes back out of the file."""
    rows = live.read(reference, [data.parquet(folder / "new.parquet", columns)], time=None, told=lambda _: None)
    assert rows.table is not None
    file = folder / "accepted.json"
    write(accept(reference, rows.counting.windows(rows.table)), file)
    return read(file)


def standing(folder: Path, reference: Reference, columns: dict[str, Any]) -> Standing:
    rows = live.read(reference, [data.parquet(folder / "live.parquet", columns)], time=None, told=lambda _: None)
    return check(reference, rows).standing


@pytest.mark.parametrize("days", [28, 5])
def test_a_file_of_the_traffic_that_was_accepted_is_no_drift_and_one_of_before_is(tmp_path: Path, days: int) -> None:
    made = fitted(tmp_path, data.timed(40_000, days, seed=1))
    changed = data.timed(2_000, 1, seed=2, start=AFTER, shift=1.5)
    again = data.timed(2_000, 1, seed=3, start=AFTER + data.DAY, shift=1.5)
    before = data.timed(2_000, 1, seed=4, start=AFTER + data.DAY)
    assert standing(tmp_path, made, again) is Standing.DRIFT
    after = accepted(tmp_path, made, changed)
    assert standing(tmp_path, after, again) is not Standing.DRIFT
    assert standing(tmp_path, after, before) is Standing.DRIFT


def test_a_level_of_six_hours_is_not_taken_for_one_of_weeks(tmp_path: Path) -> None:
    made = fitted(tmp_path, data.timed(40_000, 28, seed=1))
    after = accepted(tmp_path, made, data.timed(500, 0.26, seed=2, start=AFTER, shift=1.5))
    assert (of_a_day(after) >= of_a_day(made)).all()
    assert (of_a_day(after) > of_a_day(made)).any()


def of_a_day(reference: Reference) -> Floats:
    """Return the deviation that is allowed to the mean of a day."""
    assert reference.limits is not None
    return reference.limits.spread.deviation(2, np.full(len(reference.watched), 2_000.0))
