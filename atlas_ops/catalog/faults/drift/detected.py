"""InputDrift, PredictionDrift and EmbeddingDrift: what the detectors have found, by the kind of feature. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import in_promql
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

_LABELS = (c.MODEL, c.FEATURE)
_CALIBRATED = promql.label_in(c.DETECTOR, [c.SEASONAL])
_OTHERS = promql.label_in(c.DETECTOR, [c.SEASONAL], negated=True)
_PREDICTIONS = promql.label_in(c.FEATURE, [f"{prefix}*" for prefix in c.PREDICTION_FEATURES])
_EMBEDDINGS = promql.label_in(c.FEATURE, [f"{prefix}*" for prefix in c.EMBEDDING_FEATURES])
# What is neither is an input, so that no feature falls between the faults.
_INPUTS = promql.label_in(
    c.FEATURE, [f"{prefix}*" for prefix in (*c.PREDICTION_FEATURES, *c.EMBEDDING_FEATURES)], negated=True
)
_WHY = (
    "The detectors decide what drift is: they know the day and the week of each feature, and how often they may be wrong. "
    "The rule only waits until their verdict has stood without a break. While they do not go round, the last verdict stands; "
    "DriftMonitorStale tells that."
)
_PAGES, _WRITES = "calibrated", "other"
_LOOK_ALIKE = "A verdict that is taken back in the next round, and a detector that has just been started."


def input_drift(parameters: Parameters) -> Fault:
    """Return the fault."""
    return _fault(
        parameters,
        "InputDrift",
        _INPUTS,
        meaning="What is sent to the model differs from what the reference holds.",
        impact="The model answers questions that it was not tested for; capacity and cost may have changed as well.",
        noun="inputs",
        recordings=in_promql.recordings(parameters) if parameters.drift.promql else (),
    )


def prediction_drift(parameters: Parameters) -> Fault:
    """Return the fault."""
    return _fault(
        parameters,
        "PredictionDrift",
        _PREDICTIONS,
        meaning="What the model answers differs from what the reference holds: other classes, other lengths, other scores.",
        impact="Whoever acts on the answers acts differently than before; whether they are worse only labels can tell.",
        noun="predictions",
    )


def embedding_drift(parameters: Parameters) -> Fault:
    """Return the fault."""
    return _fault(
        parameters,
        "EmbeddingDrift",
        _EMBEDDINGS,
        meaning="The embeddings of the requests lie elsewhere than those of the reference: other topics, or another encoder.",
        impact="Search and retrieval that were tuned on the old ones find less; after a change of the encoder they find nothing.",
        noun="embeddings",
    )


def _fault(
    parameters: Parameters,
    name: str,
    features: str,
    *,
    meaning: str,
    impact: str,
    noun: str,
    recordings: tuple[Recording, ...] = (),
) -> Fault:
    return Fault(
        name=name,
        family=Family.DRIFT,
        meaning=meaning,
        impact=impact,
        recordings=recordings,
        rules=_rules(parameters, features, noun),
        panel=Panel(
            title=f"Drift of {noun}",
            description="Scores as a share of each detector's own limit: drift is found from 1 on, and is over below 0.7.",
            queries=(
                (promql.select(s.DRIFT_SCORE, features, 'model=~"$model"'), "{{model}} {{feature}} {{detector}}"),
            ),
            unit="short",
            limit=1.0,
        ),
        why=_WHY,
        look_alike=_LOOK_ALIKE,
        inhibits=_inhibits(name) if parameters.drift.page else (),
        scenario=_scenario(name),
    )


def _rules(parameters: Parameters, features: str, noun: str) -> tuple[Rule, ...]:
    """Return one ticket of all detectors; with `drift.page`, a page of the calibrated one and a ticket of the others."""
    if not parameters.drift.page:
        return (_rule(parameters, noun, (features,), Severity.TICKET),)
    return (
        _rule(parameters, noun, (features, _CALIBRATED), Severity.PAGE, _PAGES),
        _rule(parameters, noun, (features, _OTHERS), Severity.TICKET, _WRITES),
    )


def _rule(parameters: Parameters, noun: str, matchers: tuple[str, ...], severity: Severity, variant: str = "") -> Rule:
    seconds = parameters.limits.drift_sustained_seconds
    window = parameters.timing.window(seconds)
    by, found = ", ".join(_LABELS), promql.select(s.DRIFT_DETECTED, *matchers)
    return Rule(
        # By detector first: one that has just begun to find drift is not vouched for by another.
        expr=(
            f"max by ({by}) (\n"
            f"  max by ({by}, {c.DETECTOR}) (min_over_time({found}[{window}])) == 1\n"
            f"  and max by ({by}, {c.DETECTOR}) ({s.DRIFT_DETECTED} offset {window}) == 1\n)"
        ),
        labels=_LABELS,
        severity=severity,
        summary=(
            f"The {noun} of {{{{ $labels.model }}}} have drifted: {{{{ $labels.feature }}}} has differed from its "
            f"reference for {promql.duration(parameters.timing.hold(seconds))}."
        ),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
        variant=variant,
    )


def _inhibits(name: str) -> tuple[Inhibition, ...]:
    equal = ("model", "feature")
    return (Inhibition(targets=(name,), equal=equal, source_variant=_PAGES, target_variant=_WRITES),)


def _scenario(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
