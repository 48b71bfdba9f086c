"""What the detectors have found: verdicts and scores by feature, and what they compare with.

They run beside the exporters, and nobody needs to have them; the mix of the workload is watched without (`mix_*`).
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import in_promql, workload
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Number, Palette, Query, States, Table

_FAULTS = ("InputDrift", "PredictionDrift", "EmbeddingDrift")
_NO_DETECTOR = "where no detectors run"
_FEATURE = "{{model}} {{feature}}"


def drifted(*matchers: str) -> Number:
    """Return how many features have drifted."""
    return Number(
        key="features-drifted",
        title="Features that have drifted",
        shows="Features of all chosen models for which a detector has found drift.",
        worry="one stays: the alert waits until the verdict has stood without a break.",
        faults=_FAULTS,
        empty=_NO_DETECTOR,
        query=Query(expr=f"sum({_by_feature(s.DRIFT_DETECTED, *matchers)})", legend="drifted"),
        unit="short",
        limit=Limit(value=1),
        width=8,
    )


def watched(*matchers: str) -> Number:
    """Return how many features are watched."""
    return Number(
        key="features-watched",
        title="Features that are watched",
        shows="Features of all chosen models that detectors judge.",
        worry="it falls.",
        faults=("DriftMonitorStale",),
        empty=_NO_DETECTOR,
        query=Query(expr=f"count({_by_feature(s.DRIFT_DETECTED, *matchers)})", legend="watched"),
        unit="short",
        width=8,
    )


def last_round(parameters: Parameters, *, width: int = 8) -> Number:
    """Return the time since the detectors finished a round."""
    return Number(
        key="detectors-last-round",
        title="Last detector round",
        shows="Time since the detectors of each job last finished a round.",
        worry="it is red: what is shown of drift is the last verdict, not the present.",
        faults=("DriftMonitorStale",),
        empty=_NO_DETECTOR,
        query=Query(expr=f"time() - max by (job) ({s.WATCH_LAST_SUCCESS})", legend="{{job}}"),
        unit="s",
        limit=Limit(value=parameters.timing.hold(parameters.limits.drift_monitor_age_seconds)),
        width=width,
    )


def verdicts(*matchers: str) -> States:
    """Return what the detectors said of each feature, over time."""
    return States(
        key="drift-verdicts",
        title="Verdicts by feature",
        shows="Whether what comes in and goes out is like the reference, feature by feature.",
        worry="a band stays red.",
        faults=_FAULTS,
        empty=_NO_DETECTOR,
        queries=(Query(expr=_by_feature(s.DRIFT_DETECTED, *matchers), legend=_FEATURE),),
        states={0.0: ("as usual", Palette.GOOD), 1.0: ("drifted", Palette.BAD)},
        width=24,
    )


def scores(*matchers: str) -> Chart:
    """Return the score of each detector, as a share of its limit."""
    return Chart(
        key="drift-scores",
        title="Scores by feature and detector",
        shows="How far each detector finds a feature from its reference, as a share of the detector's own limit.",
        worry="it is above the line: drift is found from 1 on, and is over below 0.7. A gap: nothing can be told, for want of requests.",
        faults=_FAULTS,
        empty=_NO_DETECTOR,
        queries=(Query(expr=_by_detector(s.DRIFT_SCORE, *matchers), legend=f"{_FEATURE} {{{{detector}}}}"),),
        unit="short",
        limit=Limit(value=1),
        width=24,
    )


def features(*matchers: str) -> Table:
    """Return one row for each feature and detector: verdict and score now."""
    figures = (s.DRIFT_DETECTED, s.DRIFT_SCORE)
    return Table(
        key="drift-features",
        title="Features now",
        shows="Each feature with the verdict of each detector, and its score as a share of the limit.",
        worry="a verdict is 1.",
        faults=_FAULTS,
        empty=_NO_DETECTOR,
        queries=tuple(Query(expr=_by_detector(signal, *matchers), legend="") for signal in figures),
        columns=(
            Column(source=c.MODEL, title="Model"),
            Column(source=c.FEATURE, title="Feature"),
            Column(source=c.DETECTOR, title="Detector"),
            Column(source="Value #A", title="Drifted", unit="bool_yes_no", limit=Limit(value=1)),
            Column(source="Value #B", title="Share of the limit", unit="percentunit", limit=Limit(value=1)),
        ),
        width=24,
    )


def bins(parameters: Parameters, *matchers: str) -> Table:
    """Return one row for each bin of the features that servers count: its share now, and in the reference."""
    by_bin, by_feature = (c.MODEL, c.FEATURE, c.BIN), (c.MODEL, c.FEATURE)
    grown = promql.increase(s.FEATURE_VALUES, "$__rate_interval", *matchers)
    share, window = (
        (
            f"{promql.sum_by(by_bin, grown)} / on ({', '.join(by_feature)}) group_left () "
            f"({promql.sum_by(by_feature, grown)} > 0)"
        ),
        "minutes",
    )
    reference = f"max by ({', '.join(by_bin)}) ({promql.select(s.FEATURE_REFERENCE_SHARE, *matchers)})"
    if parameters.drift.promql:
        share, window = promql.select(in_promql.HOUR.shares, *matchers), "hour"
        reference = promql.select(in_promql.REFERENCE, *matchers)
    return Table(
        key="drift-bins",
        title="Bins now and in the reference",
        shows=f"Share of each bin in the last {window}, and in the reference. Bins of numbers go by rank, `00` is the lowest.",
        worry="a feature has drifted: the bins that differ say how.",
        faults=_FAULTS,
        empty="where no server counts its features",
        queries=(Query(expr=share, legend=""), Query(expr=reference, legend="")),
        columns=(
            Column(source=c.MODEL, title="Model"),
            Column(source=c.FEATURE, title="Feature"),
            Column(source=c.BIN, title="Bin"),
            Column(source="Value #A", title="Now", unit="percentunit"),
            Column(source="Value #B", title="Reference", unit="percentunit"),
        ),
        width=24,
    )


def references(*matchers: str) -> Table:
    """Return which reference the detectors compare each model with."""
    told = promql.select(s.DRIFT_REFERENCE_INFO, *matchers)
    return Table(
        key="drift-references",
        title="References",
        shows="What each model is compared with.",
        worry="a reference is older than the release of its model.",
        faults=_FAULTS,
        empty=_NO_DETECTOR,
        queries=(Query(expr=f"count by ({c.MODEL}, reference) ({told})", legend=""),),
        columns=(Column(source=c.MODEL, title="Model"), Column(source="reference", title="Reference")),
    )


def models(*matchers: str) -> Table:
    """Return one row for each model: whether it can be judged, and how old its last counts are."""
    by_model = f"max by ({c.MODEL})"
    return Table(
        key="drift-models",
        title="Models",
        shows="Whether each model could be asked about in the last round, and how long ago requests were counted.",
        worry="a model could not, or its counts are old although it has traffic.",
        faults=("DriftMonitorStale",),
        empty=_NO_DETECTOR,
        queries=(
            Query(expr=f"{by_model} ({promql.select(s.WATCH_SUCCESS, *matchers)})", legend=""),
            Query(expr=f"time() - {by_model} ({promql.select(s.WATCH_COUNTED_UNTIL, *matchers)})", legend=""),
        ),
        columns=(
            Column(source=c.MODEL, title="Model"),
            Column(source="Value #A", title="Can be judged", unit="bool_yes_no"),
            Column(source="Value #B", title="Since requests were counted", unit="s"),
        ),
    )


def mix_shift(parameters: Parameters, *matchers: str) -> Chart:
    """Return how many times longer prompts and answers are than the day before."""
    return Chart(
        key="mix-shift",
        title="Length against the day before",
        shows="Tokens per request over half an hour, as a multiple of the day before; 1 is as usual.",
        worry="it stays above the line, or as far below one (at its inverse): capacity was planned for other requests.",
        faults=("WorkloadMixShift",),
        empty="of a model with few requests, or without a day before",
        queries=(Query(expr=_against(workload.LENGTH, workload.USUAL_LENGTH, *matchers), legend=_FEATURE),),
        unit="short",
        limit=Limit(value=parameters.limits.workload_shift_ratio),
    )


def mix_slowdown(parameters: Parameters, *matchers: str) -> Chart:
    """Return how many times slower the first token is than the day before."""
    return Chart(
        key="mix-slowdown",
        title="Mean first token against the day before",
        shows="Mean time to the first token over half an hour, as a multiple of the day before; 1 is as usual.",
        worry="it is above the line while requests are longer, too: what a replica carries has changed.",
        faults=("WorkloadMixShift",),
        empty="without requests, or without a day before",
        queries=(Query(expr=_against(workload.TTFT_MEAN, workload.USUAL_TTFT, *matchers), legend="{{model}}"),),
        unit="short",
        limit=Limit(value=parameters.limits.workload_slowdown_ratio),
    )


def _against(now: str, usual: str, *matchers: str) -> str:
    return f"{promql.select(now, *matchers)} / {promql.select(usual, *matchers)}"


def _by_feature(signal: object, *matchers: str) -> str:
    return f"max by ({c.MODEL}, {c.FEATURE}) ({promql.select(signal, *matchers)})"


def _by_detector(signal: object, *matchers: str) -> str:
    return f"max by ({c.MODEL}, {c.FEATURE}, {c.DETECTOR}) ({promql.select(signal, *matchers)})"
