from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.rebase import LEAST_HOURS, rebased
from atlas_ops.detect.score import score
from atlas_ops.detect.windows import Observed, observe
from tests.detect.test_score import DAY, fitted, world


def cut(observed: Observed, first: int, last: int) -> Observed:
    return Observed(observed.times[first:last], observed.values[first:last], observed.rows[first:last])


def greatest(observed: Observed, calibration: Calibration) -> float:
    return float(score(observed, calibration).score.max() / calibration.page)


@pytest.mark.parametrize("days", [0.25, 1, 3])
def test_what_was_accepted_is_usual_from_then_on_and_what_was_usual_is_drift(days: float) -> None:
    calibration, seen = fitted(rhythm=0)
    shifted = observe(world(9, seed=3, shift_from=0, rhythm=0), seen)
    accepted = rebased(calibration, cut(shifted, 0, int(days * DAY)), seen)
    assert greatest(shifted, calibration) > 1
    assert greatest(cut(shifted, int(days * DAY), 9 * DAY), accepted) < 1
    assert greatest(observe(world(2, seed=4, rhythm=0), seen), accepted) > 1


@pytest.mark.parametrize("days", [1, 3])
def test_a_rhythm_that_is_another_one_since_the_change_is_no_drift_either(days: int) -> None:
    calibration, seen = fitted()
    shifted = observe(world(9, seed=3, shift_from=0), seen)
    accepted = rebased(calibration, cut(shifted, 0, days * DAY), seen)
    assert greatest(shifted, accepted) < 1
    assert greatest(observe(world(2, seed=4), seen), accepted) > 1


def test_a_category_that_is_new_and_accepted_does_not_drift_by_what_it_never_did_before() -> None:
    calibration, seen = fitted()
    live = world(9, seed=6)
    live.counts["kind"][:, 3] += np.random.default_rng(1).poisson(0.1 * live.counts["kind"].sum(axis=1))
    observed = observe(live, seen)
    accepted = rebased(calibration, cut(observed, 0, DAY), seen)
    assert greatest(cut(observed, DAY, 9 * DAY), accepted) < 1


def test_a_level_of_longer_traffic_replaces_a_short_one_and_is_surer() -> None:
    calibration, seen = fitted()
    observed = observe(world(8, seed=3, shift_from=0), seen)
    short = rebased(calibration, cut(observed, 0, 100), seen)
    again, once = rebased(short, observed, seen), rebased(calibration, observed, seen)
    assert short.spread.level is not None
    assert again.spread.level is not None
    assert (again.spread.level < short.spread.level).all()
    assert np.allclose(again.season.table, once.season.table)


def test_too_little_traffic_is_refused_and_a_feature_without_rows_keeps_its_level() -> None:
    calibration, seen = fitted()
    observed = observe(world(1, seed=3, shift_from=0), seen)
    with pytest.raises(ValueError, match=r"needs 6 hours with traffic at the least, found 5\.0"):
        rebased(calibration, cut(observed, 0, 60), seen)
    assert LEAST_HOURS == 6
    rows = observed.rows.copy()
    rows[:, [place for place, one in enumerate(seen) if one.feature == "kind"]] = 0
    kept = rebased(calibration, replace(observed, rows=rows), seen).season.table == calibration.season.table
    location = next(place for place, one in enumerate(seen) if one.name == "location")
    assert not kept[:, :, location].any()
    assert kept[:, :, [place for place, one in enumerate(seen) if one.feature == "kind"]].all()
