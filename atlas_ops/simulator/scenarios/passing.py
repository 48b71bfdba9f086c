"""What looks like a fault and is over, or small, or something else: no fault, so nobody may be woken.

Goes on with `look_alikes`, which has the ordinary life of a fleet.
"""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import AutoscalerEffect, Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT, CROWD, LIGHT
from atlas_ops.simulator.traffic import Lengths

_SPECULATING = Effect(traffic=replace(CHAT, requests_per_second=0.5), every_server=ServerEffect(accepted_share=0.7))
_ADAPTERS = replace(CALM, every_server=ServerEffect(adapters_running=2))
_AT_MAXIMUM = replace(CALM, autoscaler=AutoscalerEffect(desired=2, ready=2, maximum=2))
_LUNCH = replace(CHAT, prompt_tokens=Lengths(median=2500, sigma=0.5, maximum=6144))
_RUSH = Effect(traffic=replace(CROWD, requests_per_second=34.0), every_server=ServerEffect(queue_limit=8))
_FLICKERING = replace(LIGHT, drift={"prediction": 1.2, "embedding": 1.2})


def _once(effect: Effect, *, minutes: float, after: Effect = CALM) -> tuple[Phase, ...]:
    """Return the course of what is over after some minutes."""
    return (Phase(effect=effect, minutes=minutes), Phase(effect=after))


SCENARIOS = (
    Scenario(
        name="rejected_for_a_moment",
        description="For half a minute more people come than the short queues take: some are turned away, and then none.",
        look_alike_of=("RequestsRejected",),
        # Whoever was turned away has spent some of the budget.
        companions={"AvailabilitySloBurn": Severity.PAGE},
        calm=CALM,
        course=_once(_RUSH, minutes=0.5),
        active_minutes=10.0,
    ),
    Scenario(
        name="speculation_off",
        description="Speculation is switched off; when it is back hardly anybody asks, and few of the drafts are right.",
        look_alike_of=("SpeculationCollapse",),
        calm=_SPECULATING,
        calm_minutes=180.0,
        course=(
            Phase(effect=replace(_SPECULATING, every_server=ServerEffect()), minutes=35.0),
            Phase(
                effect=Effect(
                    traffic=replace(CHAT, requests_per_second=0.002), every_server=ServerEffect(accepted_share=0.1)
                )
            ),
        ),
        active_minutes=60.0,
    ),
    Scenario(
        name="adapters_take_turns",
        description="Every ten minutes a few more LoRA adapters are asked for than fit, for two minutes.",
        look_alike_of=("LoraThrashing",),
        calm=_ADAPTERS,
        course=(
            Phase(effect=replace(CALM, every_server=ServerEffect(adapters_running=4, adapters_waiting=3)), minutes=2.0),
            Phase(effect=replace(CALM, every_server=ServerEffect(adapters_running=3)), minutes=8.0),
        ),
        active_minutes=30.0,
    ),
    Scenario(
        name="stranger_killed",
        description="The kernel kills processes of the node that are no model servers, while server 0 is deployed anew.",
        look_alike_of=("OutOfMemoryKilled",),
        calm=CALM,
        course=_once(
            replace(CALM, foreign_memory_kills_per_minute=1.0, servers={0: ServerEffect(restart_every_minutes=1440)}),
            minutes=5.0,
        ),
        active_minutes=10.0,
    ),
    Scenario(
        name="uneven_load",
        description="The load balancer sends twice as much to server 0 of four as to the others, and it is slower for it.",
        look_alike_of=("ReplicaStraggler",),
        calm=CALM,
        course=(Phase(effect=replace(CALM, servers={0: ServerEffect(traffic_share=2.0)})),),
        active_minutes=30.0,
        servers=4,
    ),
    Scenario(
        name="recovered_at_once",
        description="The driver wants GPU 0 to be reset, and half a minute later does not any more.",
        look_alike_of=("GpuRecoveryRequired",),
        calm=CALM,
        course=_once(replace(CALM, gpus={0: GpuEffect(recovery_action=1)}), minutes=0.5),
        active_minutes=5.0,
    ),
    Scenario(
        name="nvlink_checksums",
        description="A link of GPU 0 has a checksum error every second, and sends what was broken again.",
        look_alike_of=("NvlinkErrors",),
        calm=CALM,
        course=(Phase(effect=replace(CALM, gpus={0: GpuEffect(nvlink_checksum_errors_per_minute=60.0)})),),
        active_minutes=10.0,
    ),
    Scenario(
        name="drift_flickers",
        description="The detectors find other answers and other topics, take it back, and find them again, every few minutes.",
        look_alike_of=("PredictionDrift", "EmbeddingDrift"),
        calm=CALM,
        course=(Phase(effect=_FLICKERING, minutes=20.0), Phase(effect=LIGHT, minutes=5.0)),
        active_minutes=60.0,
    ),
    Scenario(
        name="detectors_late",
        description="The detectors stop for a quarter of an hour, and then go round again.",
        look_alike_of=("DriftMonitorStale",),
        calm=CALM,
        course=_once(replace(LIGHT, detectors_silent=True), minutes=15.0, after=LIGHT),
        active_minutes=20.0,
    ),
    Scenario(
        name="lunch_break",
        description="For six minutes at noon people send whole documents, and then the usual short questions again.",
        look_alike_of=("WorkloadMixShift",),
        calm=CALM,
        calm_minutes=180.0,
        course=_once(Effect(traffic=_LUNCH), minutes=6.0),
        active_minutes=15.0,
    ),
    Scenario(
        name="at_maximum_and_well",
        description="As many replicas run as the autoscaler may start, and none of them is full.",
        look_alike_of=("AutoscalerAtMaximum",),
        calm=_AT_MAXIMUM,
        course=(Phase(effect=_AT_MAXIMUM),),
        active_minutes=10.0,
    ),
)
