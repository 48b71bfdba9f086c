"""Scenarios of the faults of latency."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import Effect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT
from atlas_ops.simulator.traffic import Lengths

# Prompts that fill most of the context, at so low a rate that they never meet; and prompts of a few words.
_DOCUMENT = replace(
    CHAT,
    requests_per_second=0.1,
    prompt_tokens=Lengths(median=6000, sigma=0.02, maximum=6144),
    output_tokens=Lengths(median=40, sigma=0.3, maximum=128),
    patience_seconds=600.0,
    shared_prefix_tokens=0,
)
_WORDS = replace(
    _DOCUMENT,
    requests_per_second=0.25,
    prompt_tokens=Lengths(median=120, sigma=0.4, maximum=512),
    output_tokens=Lengths(median=150, sigma=0.5, maximum=400),
)
_PATIENT = replace(CHAT, requests_per_second=0.12, patience_seconds=600.0)
_CANARY = ServerEffect(track="canary")
_BESIDE_CANARY = replace(CALM, every_server=ServerEffect(track="stable"), servers={1: _CANARY})
_MEANS = replace(CALM, every_server=ServerEffect(runtime="triton"))

SCENARIOS = (
    Scenario(
        name="p99_regression",
        description="After a day like any other every step takes half as long again, at the same traffic and the same prompts.",
        expected_fault="P99Regression",
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_server=ServerEffect(slowness=1.5))),),
        active_minutes=75.0,
        history_days=1.0,
    ),
    Scenario(
        name="canary_regression",
        description="The new release on server 1 takes twice as long for every step as the stable one on server 0.",
        expected_fault="CanaryRegression",
        companions={"TimeToFirstTokenSloBurn": Severity.PAGE},
        calm=_BESIDE_CANARY,
        course=(Phase(effect=replace(_BESIDE_CANARY, servers={1: replace(_CANARY, slowness=2.0)})),),
        active_minutes=60.0,
    ),
    Scenario(
        name="mean_latency_regression",
        description="Triton servers, which tell only means of their latencies, take twice as long for every step, after a day like any other.",
        expected_fault="MeanLatencyRegression",
        calm=_MEANS,
        course=(Phase(effect=replace(_MEANS, every_server=ServerEffect(runtime="triton", slowness=2.0))),),
        active_minutes=75.0,
        history_days=1.0,
    ),
    Scenario(
        name="late_first_tokens",
        description="Long prompts take twelve times as long to be read as they used to: every first token is late, and nobody waits.",
        expected_fault="TimeToFirstTokenSloBurn",
        calm=Effect(traffic=_DOCUMENT),
        course=(Phase(effect=Effect(traffic=_DOCUMENT, every_server=ServerEffect(slowness=12.0))),),
    ),
    Scenario(
        name="slow_requests",
        description="Answers become twelve times as long, on servers that are slower than they were: many take more than a minute.",
        expected_fault="RequestLatencySloBurn",
        companions={"WorkloadMixShift": Severity.TICKET},
        calm=Effect(traffic=_PATIENT),
        course=(
            Phase(
                effect=Effect(
                    traffic=_PATIENT, every_server=ServerEffect(slowness=4.0, slow_share=0.9, slow_factor=12.0)
                )
            ),
        ),
        active_minutes=30.0,
        after_minutes=25.0,
    ),
    Scenario(
        name="halting_tokens",
        description="Each token takes thirty times as long as it used to: answers come more slowly than people read.",
        expected_fault="InterTokenLatencySloBurn",
        companions={"CostPerTokenSpike": Severity.TICKET},
        calm=Effect(traffic=_WORDS),
        course=(Phase(effect=Effect(traffic=_WORDS, every_server=ServerEffect(slowness=30.0))),),
    ),
)
