"""InputDrift, PredictionDrift and EmbeddingDrift: what the detectors have found, by the kind of feature. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

_LABELS = (c.MODEL, c.FEATURE)
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


def _fault(parameters: Parameters, name: str, features: str, *, meaning: str, impact: str, noun: str) -> Fault:
    seconds = parameters.limits.drift_sustained_seconds
    window = parameters.timing.window(seconds)
    by, found = ", ".join(_LABELS), promql.select(s.DRIFT_DETECTED, features)
    return Fault(
        name=name,
        family=Family.DRIFT,
        meaning=meaning,
        impact=impact,
        rules=(
            Rule(
                expr=f"max by ({by}) (min_over_time({found}[{window}])) == 1\nand max by ({by}) ({s.DRIFT_DETECTED} offset {window}) == 1",
                labels=_LABELS,
                severity=Severity.TICKET,
                summary=(
                    f"The {noun} of {{{{ $labels.model }}}} have drifted: {{{{ $labels.feature }}}} has differed from its "
                    f"reference for {promql.duration(parameters.timing.hold(seconds))}."
                ),
                keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title=f"Drift of {noun}",
            description="Evidence of the detectors against `no drift`: log10 of the e-value, by feature.",
            queries=((promql.select(s.DRIFT_EVIDENCE, features, 'model=~"$model"'), "{{model}} {{feature}}"),),
            unit="short",
        ),
        why=_WHY,
        look_alike=_LOOK_ALIKE,
        scenario=_scenario(name),
    )


def _scenario(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
