"""How many labels have arrived, by the age of their predictions. Called by the command and the reports.

The age counts from the latest prediction, not from now: files may be old. Labels that come late may differ from those that come
early (only what went wrong is complained about at once), so a young time with few labels is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.drift.labels.quality import Quality
from atlas_ops.drift.labels.tally import Tally

_AGES = (HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY)
_FEWER = 0.9
"""A share below this part of the usual one is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """Predictions of one age: from `least` on, below `most` seconds (None: any)."""

    least: float
    most: float | None
    predictions: int
    labels: int

    @property
    def words(self) -> str:
        """The age for people."""
        if self.most is None:
            return f"{_length(self.least)} and more"
        return f"{_length(self.least)} to {_length(self.most)}" if self.least else f"below {_length(self.most)}"


def by_age(tally: Tally) -> tuple[Age, ...]:
    """Return predictions and labels by age; nothing without times."""
    if not tally.slots.seconds:
        return ()
    ages = tally.slots.last - (tally.slots.starts + tally.slots.seconds / 2)
    place = np.searchsorted(_AGES, ages, side="right")
    bounds = (0.0, *_AGES, None)
    found = (
        Age(
            least=bounds[one] or 0.0,
            most=bounds[one + 1],
            predictions=round(float(tally.predicted[place == one].sum())),
            labels=round(float(tally.labelled[place == one].sum())),
        )
        for one in range(len(_AGES) + 1)
    )
    return tuple(age for age in found if age.predictions)


def warning(baseline: Quality | None, live: Quality, ages: Sequence[Age]) -> str:
    """Return a sentence when the live time has fewer labels than older predictions have; "" otherwise."""
    old = max((age.labels / age.predictions for age in ages), default=0.0)
    usual, whose = (baseline.arrived, "the baseline's") if baseline is not None else (old, "older")
    if live.arrived >= _FEWER * usual:
        return ""
    return (
        f"{live.arrived:.0%} of these predictions have a label, and {usual:.0%} of {whose}: labels that come late may differ from those "
        "that came early; --settled leaves out predictions that are too young"
    )


def _length(seconds: float) -> str:
    number, unit = (seconds / DAY, "day") if seconds >= DAY else (seconds / HOUR, "hour")
    return f"{number:.0f} {unit}{'' if number == 1 else 's'}"
