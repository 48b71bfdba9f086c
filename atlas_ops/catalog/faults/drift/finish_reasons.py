"""Why answers end, as a feature of the recording rules of drift: no server has to count it, and no reference holds it. Called by `in_promql`.

What is usual is the week that ended a day ago, so that a day is not compared with itself. A change that stays is the usual after a week.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Recording
from atlas_ops.catalog.parameters import Parameters, Timing

_FEATURE = (c.MODEL, c.FEATURE)
_ON_FEATURE = f"on ({', '.join(_FEATURE)})"
_DAY, _WEEK = 86_400.0, 7 * 86_400.0
PAST = "model_feature_bin:atlas_feature_values:sum1w_offset1d"


def grown(look: str) -> str:
    """Return PromQL for the requests that ended for each reason within a look, of models whose servers do not count this feature themselves.

    A server is left out whose counters fell: a new exporter knows the server's own alone, which hold what was counted before.
    """
    series = f"{s.REQUESTS_FINISHED}[{look}]"
    alive = f"increase({series}) unless ignoring (reason) (resets({series}) > 0)"
    named = promql.label_replace(promql.label_replace(alive, c.BIN, "$1", "reason", "(.*)"), c.FEATURE, c.FINISH_REASON)
    counted = promql.select(s.FEATURE_VALUES, f"{c.FEATURE}={promql.quote(c.FINISH_REASON)}")
    return f"{promql.sum_by((*_FEATURE, c.BIN), named)}\nunless {_ON_FEATURE} {counted}"


def past(grown_name: str, timing: Timing) -> Recording:
    """Return the recording of the requests that ended for each reason in the week before the last day, once there was one."""
    looks = promql.select(grown_name, f"{c.FEATURE}={promql.quote(c.FINISH_REASON)}")
    day, week = timing.window(_DAY), timing.window_seconds(_WEEK)
    # Half an evaluation less: Prometheus 2 takes both ends of a range, and would count one look too many.
    whole = promql.duration(max(week - timing.unhurried_seconds / 2, week / 2))
    began = f"count_over_time({looks}[{day}] offset {promql.duration(week)})"
    return Recording(name=PAST, expr=f"sum_over_time({looks}[{whole}] offset {day})\nand {began}")


def shares(parameters: Parameters) -> str:
    """Return PromQL for the usual share of each reason, half a request added to each; nothing of weeks with few requests."""
    rows, bins = promql.sum_by(_FEATURE, PAST), f"count by ({', '.join(_FEATURE)}) ({PAST})"
    enough = f"{promql.number(parameters.limits.drift_psi_values)} * {bins}"
    return (
        f"({PAST} + 0.5) / {_ON_FEATURE} group_left () ({rows} + 0.5 * {bins})\nand {_ON_FEATURE} ({rows} >= {enough})"
    )
