"""Scenarios of the faults of drift. Detectors are not simulated: the effects say what they find."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT
from atlas_ops.simulator.traffic import Lengths

_RETRIEVAL = replace(CHAT, prompt_tokens=Lengths(median=2500, sigma=0.5, maximum=6144))


def _found(name: str, fault: str, feature: str, description: str) -> Scenario:
    return Scenario(
        name=name,
        description=description,
        expected_fault=fault,
        calm=CALM,
        course=(Phase(effect=replace(CALM, drift={feature: 2.5})),),
        active_minutes=45,
    )


SCENARIOS: tuple[Scenario, ...] = (
    _found("input_drift", "InputDrift", "prompt_tokens", "The detectors find that prompts are not what they were."),
    _found("prediction_drift", "PredictionDrift", "prediction", "The detectors find that the answers have changed."),
    _found(
        "embedding_drift", "EmbeddingDrift", "embedding", "The detectors find requests about other topics than before."
    ),
    Scenario(
        name="workload_mix_shift",
        description="A client begins to send whole documents with its questions: prompts are three times as long.",
        expected_fault="WorkloadMixShift",
        # Documents share no beginning with anything in the cache.
        companions={"PrefixCacheCollapse": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=Effect(traffic=_RETRIEVAL)),),
        calm_minutes=180,
        active_minutes=60,
    ),
)
