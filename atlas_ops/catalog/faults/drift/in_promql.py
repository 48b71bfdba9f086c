"""Drift of counted features by recording rules alone, for those who run no watcher (`drift: {promql: true}`). Called by `detected`.

From the counters and gauges of `atlas_ops.instrument.FeatureCounter`, and from why answers end (`finish_reasons`), over an hour and a day: PSI less what chance gives, the KS
distance at the edges of the bins, and the location. A day whose PSI reaches its limit is drift (detector `psi`): a ticket, because
it sees great changes only, but hardly ever what is none (drift reference, section 3). The same numbers as `detect.distances`.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import finish_reasons
from atlas_ops.catalog.model import Recording, Signal
from atlas_ops.catalog.parameters import Parameters, Timing

_BIN, _FEATURE = (c.MODEL, c.FEATURE, c.BIN), (c.MODEL, c.FEATURE)
_ON_BIN, _ON_FEATURE = f"on ({', '.join(_BIN)})", f"on ({', '.join(_FEATURE)})"
_PER_FEATURE = f"{_ON_FEATURE} group_left ()"
_LOOKS = 5
"""Evaluations from one look at the counters to the next: a day of looks is added up, and costs little to read."""
_FEWEST_SCRAPES = 4
_RANKS = 10
"""Bins inside of the range that a number has at most; those with more, such as buckets of a histogram, get no KS distance."""
_CLEAR_SHARE = 0.7
"""Drift lasts until the score is below this, so that one which hovers does not come and go."""
GROWN = "model_feature_bin:atlas_feature_values:increase"
REFERENCE = "model_feature_bin:atlas_feature_reference_share:max"
WEIGHT = "model_feature_bin:atlas_feature_bin_score:max"
NEWEST, OLDEST = "model_feature:atlas_feature_bins_checksum:max", "model_feature:atlas_feature_bins_checksum:min"


@dataclass(frozen=True, slots=True)
class Window:
    """Names of what is recorded over one window."""

    seconds: float
    ending: str

    @property
    def counts(self) -> str:
        """Values in each bin."""
        return self._of_bins("sum")

    @property
    def rows(self) -> str:
        """Values of a feature."""
        return self._of_features("sum")

    @property
    def shares(self) -> str:
        """Share of each bin, half a value added to each, as to those of the reference."""
        return self._of_bins("share")

    @property
    def differences(self) -> str:
        """Share of each bin of a number less the reference's."""
        return self._of_bins("difference")

    @property
    def psi(self) -> str:
        """Population stability index in nats, less what chance alone gives."""
        return self._of_features("psi")

    @property
    def ks(self) -> str:
        """Greatest distance of the cumulated shares."""
        return self._of_features("ks")

    @property
    def location(self) -> str:
        """Mean normal score: by how many standard deviations a number has moved."""
        return self._of_features("location")

    def _of_bins(self, operation: str) -> str:
        return f"model_feature_bin:atlas_feature_values:{operation}{self.ending}"

    def _of_features(self, operation: str) -> str:
        return f"model_feature:atlas_feature_values:{operation}{self.ending}"


HOUR, DAY = Window(3_600.0, "1h"), Window(86_400.0, "1d")


def recordings(parameters: Parameters) -> tuple[Recording, ...]:
    """Return all recordings, each after those that it reads."""
    timing = parameters.timing
    return (
        _grown(timing),
        finish_reasons.past(GROWN, timing),
        _reference(parameters),
        _gathered(WEIGHT, "max", _BIN, s.FEATURE_BIN_SCORE),
        _gathered(NEWEST, "max", _FEATURE, s.FEATURE_BINS_CHECKSUM),
        _gathered(OLDEST, "min", _FEATURE, s.FEATURE_BINS_CHECKSUM),
        *(recording for window in (HOUR, DAY) for recording in _over(window, timing)),
        _score(parameters),
        _detected(),
    )


def _gathered(name: str, of: str, labels: tuple[str, ...], signal: Signal) -> Recording:
    return Recording(name=name, expr=f"{of} by ({', '.join(labels)}) ({signal})")


def _reference(parameters: Parameters) -> Recording:
    """Return the recording of the usual share of each bin: by the reference that servers have loaded, else by the past."""
    loaded = _gathered(REFERENCE, "max", _BIN, s.FEATURE_REFERENCE_SHARE)
    return Recording(name=REFERENCE, expr=f"{loaded.expr}\nor\n{finish_reasons.shares(parameters)}")


def _grown(timing: Timing) -> Recording:
    """Return the recording of the growth of each bin since the last look: looks meet, and do not overlap."""
    look = promql.duration(_look_seconds(timing))
    counted = promql.sum_by(_BIN, promql.increase(s.FEATURE_VALUES, look))
    grown = f"(\n{counted}\nor\n{finish_reasons.grown(look)}\n)"
    return Recording(name=GROWN, expr=promql.thinned(grown, timing.unhurried_seconds, of=_LOOKS))


def _look_seconds(timing: Timing) -> float:
    return max(_LOOKS * timing.unhurried_seconds, _FEWEST_SCRAPES * timing.scrape_seconds)


def _over(window: Window, timing: Timing) -> tuple[Recording, ...]:
    # Half an evaluation less: Prometheus 2 takes both ends of a range, and would count one look too many.
    seconds = max(timing.window_seconds(window.seconds), _look_seconds(timing)) - timing.unhurried_seconds / 2
    some = f"({window.rows} > 0)"
    chance = f"(count by ({', '.join(_FEATURE)}) ({window.shares}) - 1) / {_ON_FEATURE} {some}"
    apart = f"({window.shares} - {_ON_BIN} {REFERENCE}) * ln({window.shares} / {_ON_BIN} {REFERENCE})"
    halves = f"0.5 * count by ({', '.join(_FEATURE)}) ({window.counts})"
    return (
        Recording(name=window.counts, expr=f"sum_over_time({GROWN}[{promql.duration(seconds)}])"),
        Recording(name=window.rows, expr=promql.sum_by(_FEATURE, window.counts)),
        Recording(name=window.shares, expr=f"({window.counts} + 0.5)\n/ {_PER_FEATURE}\n({window.rows} + {halves})"),
        Recording(name=window.psi, expr=f"clamp_min(\n{promql.sum_by(_FEATURE, apart)}\n- {_ON_FEATURE} {chance},\n0)"),
        Recording(
            name=window.differences,
            expr=f"{window.counts} / {_PER_FEATURE} {some} - {_ON_BIN} {REFERENCE}\nand {_ON_BIN} {WEIGHT}",
        ),
        Recording(name=window.ks, expr=_ks(window)),
        Recording(
            name=window.location,
            expr=f"{promql.sum_by(_FEATURE, f'{window.counts} * {_ON_BIN} {WEIGHT}')}\n/ {_ON_FEATURE} {some}",
        ),
    )


def _ks(window: Window) -> str:
    """Return PromQL for the greatest sum of the differences up to a bin, in the order of the bins."""
    inside = [f"0[0-{rank}]" for rank in range(_RANKS)]
    orders = [*inside, f"{inside[-1]}|below", f"{inside[-1]}|below|above"]
    sums = [promql.sum_by(_FEATURE, promql.select(window.differences, f'{c.BIN}=~"{bins}"')) for bins in orders]
    more = promql.select(window.differences, f'{c.BIN}=~"[1-9][0-9]+"')
    return f"max by ({', '.join(_FEATURE)}) (abs(\n{promql.together(*sums)}\n))\nunless {_ON_FEATURE} {more}"


def _score(parameters: Parameters) -> Recording:
    """Return the recording of PSI as a share of its limit, where there was a day of enough values, all in the same bins."""
    limits, day = parameters.limits, parameters.timing.window(DAY.seconds)
    enough = f"{promql.number(limits.drift_psi_values)} * count by ({', '.join(_FEATURE)}) ({DAY.shares})"
    renewed = f"max_over_time({NEWEST}[{day}]) != min_over_time({OLDEST}[{day}])"
    score = (
        f"{DAY.psi} / {promql.number(limits.drift_psi)}\n"
        f"and {_ON_FEATURE} ({DAY.rows} >= {enough})\n"
        f"and {_ON_FEATURE} count_over_time({DAY.rows}[{day}] offset {day})\n"
        f"unless {_ON_FEATURE} ({renewed})"
    )
    return Recording(name=s.DRIFT_SCORE.name, expr=promql.label_replace(f"\n{score}\n", c.DETECTOR, c.PSI))


def _detected() -> Recording:
    score, before = (promql.select(signal, f'{c.DETECTOR}="{c.PSI}"') for signal in (s.DRIFT_SCORE, s.DRIFT_DETECTED))
    same = f"on ({', '.join((*_FEATURE, c.DETECTOR))})"
    still = f"({score} >= {promql.number(_CLEAR_SHARE)} and {same} {before} == 1)"
    return Recording(name=s.DRIFT_DETECTED.name, expr=f"0 * ({score} >= 1 or {still}) + 1\nor 0 * {score}")
