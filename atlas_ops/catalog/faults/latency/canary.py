"""CanaryRegression: the release that is being tried is slower than the stable servers of the same model, at the same time.

The test is that of `regression`, with what the stable servers do now in place of what was usual: no history is needed, and
days, bursts and seasons are the same for both. Which server is a canary tells `atlas_server_release_info`.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.latency import tail, usual
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters, Timing

WINDOW = "track:atlas_latency_bucket:increase30m"
PROMPT = "track:atlas_request_prompt_tokens:mean30m"
STABLE_SHARE = "model:atlas_latency_slow:stable_ratio"
LEAST = "model:atlas_latency_canary_slow:least_ratio15m"
DEVIATIONS = "model:atlas_latency_canary_slow:deviations30m"
TIMES_STABLE = "model:atlas_latency_canary:times_stable"

_MINUTES5, _MINUTES15, _MINUTES30 = 300.0, 900.0, 1800.0
_STABLE, _CANARY = f'{tail.TRACK}="{c.STABLE}"', f'{tail.TRACK}="{c.CANARY}"'


def fault(parameters: Parameters) -> Fault:
    """Return the fault."""
    return Fault(
        name="CanaryRegression",
        family=Family.LATENCY,
        meaning="The canary of a model answers more requests slowly than the stable servers do in the same minutes.",
        impact="Those who reach the canary wait longer; after the rollout everybody would.",
        recordings=_recordings(parameters),
        rules=(_rule(parameters),),
        panel=Panel(
            title="Slow requests of the canary, times the stable share",
            description=(
                "Share of the canary's requests slower than a bound against that of the stable servers, at the bound where "
                "they differ most; the smallest of the last three times five minutes."
            ),
            queries=((_panel(), "{{model}}"),),
            unit="none",
            limit=parameters.limits.canary_slow_ratio,
        ),
        why=(
            "Both tracks see the same minutes, so load, bursts and time of day cancel out, and half an hour is enough. The "
            "canary has to be worse by the margin in each of three times five minutes, and by more than chance allows for "
            "its few requests. It works on every runtime with buckets of the first token or of the whole request."
        ),
        look_alike="A canary with a handful of slow requests, a canary that gets the longer prompts, and a burst that hits both.",
        inhibits=(Inhibition(targets=("P99Regression",), equal=("namespace", "model", "runtime")),),
        scenario="canary_regression",
        unhurried=True,
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    timing = parameters.timing
    minutes = timing.window(_MINUTES5)
    window = timing.window(_MINUTES15)
    measured = promql.select(usual.COUNTED_BY_TRACK, _CANARY)
    least = tail.least(_of(usual.COUNTED_BY_TRACK, _CANARY), measured, window=window, part=minutes)
    counted = f"sum_over_time({usual.COUNTED_BY_TRACK}[{timing.window(_MINUTES30)}:{minutes}])"
    return (
        Recording(name=WINDOW, expr=f"{counted}\nand {tail.ON} {measured}"),
        Recording(name=PROMPT, expr=_prompt(timing)),
        Recording(name=STABLE_SHARE, expr=tail.in_tail(tail.share(_of(WINDOW, _STABLE)), parameters.limits)),
        Recording(name=LEAST, expr=least),
        Recording(name=DEVIATIONS, expr=_deviations(parameters)),
        Recording(name=TIMES_STABLE, expr=_times_stable(parameters)),
    )


def _of(counted: str, track: str) -> tail.Counted:
    """Return the counts of a track."""
    return lambda bounds: promql.sum_by(tail.BY_BOUND, promql.select(counted, track, bounds))


def _deviations(parameters: Parameters) -> str:
    canary, stable = _of(WINDOW, _CANARY), _of(WINDOW, _STABLE)
    allowed = f"{STABLE_SHARE} * {promql.number(parameters.limits.canary_slow_ratio)}"
    deviations = tail.deviations(canary, allowed=allowed, known=stable(tail.ALL))
    least = promql.number(parameters.limits.canary_least_slow_requests)
    return f"{deviations}\nand {STABLE_SHARE} * {tail.ON} group_left () {canary(tail.ALL)} >= {least}"


def _times_stable(parameters: Parameters) -> str:
    limits = parameters.limits
    ratio, deviations = promql.number(limits.canary_slow_ratio), promql.number(limits.regression_deviations)
    slower = f"{LEAST} / {STABLE_SHARE} > {ratio} and {DEVIATIONS} > {deviations}"
    prompts = (promql.select(PROMPT, track) for track in (_CANARY, _STABLE))
    longer = f"{next(prompts)} / ignoring ({tail.TRACK}) {next(prompts)} > {promql.number(limits.workload_moved_ratio)}"
    return f"max by ({', '.join(tail.BY_LATENCY)}) ({slower})\nunless {tail.ON_MODEL}\n({longer})"


def _rule(parameters: Parameters) -> Rule:
    return Rule(
        expr=TIMES_STABLE,
        labels=tail.BY_LATENCY,
        severity=Severity.PAGE,
        summary=(
            "The canary of {{ $labels.model }} answers slowly at least "
            f'{{{{ $value | printf "%.1f" }}}} times as often as the stable servers do ({tail.WHAT}).'
        ),
        for_seconds=parameters.timing.hold(60),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
    )


def _panel() -> str:
    slow = promql.select(LEAST, 'model=~"$model"')
    return f"max by ({', '.join(tail.BY_LATENCY)}) ({slow} / {STABLE_SHARE})"


def _prompt(timing: Timing) -> str:
    total, number = (
        promql.sum_by(
            (*c.MODEL_LABELS, tail.TRACK),
            tail.with_track(promql.increase(f"{s.REQUEST_PROMPT_TOKENS}_{part}", timing.window(_MINUTES30))),
        )
        for part in ("sum", "count")
    )
    return f"{total} / {number}"
