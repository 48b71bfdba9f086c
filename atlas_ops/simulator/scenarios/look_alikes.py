"""What only looks like a fault: the ordinary life of a fleet, in which nobody may be woken.

What is over, or small, goes on in `passing`.
"""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import Answer, AutoscalerEffect, Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT, LIGHT, NOBODY, REPORTS
from atlas_ops.simulator.state import LOST
from atlas_ops.simulator.traffic import Traffic

_QUIET = Effect(traffic=replace(CHAT, requests_per_second=0.05, patience_seconds=600.0))
# Of ten requests in six hours, which the burn rates ask for, about half.
_RARE = Effect(traffic=replace(CHAT, requests_per_second=0.00015, patience_seconds=600.0))
_RESTARTED = ServerEffect(restart_every_minutes=1440)
_DOUBLE = replace(CHAT, requests_per_second=8.0)
_LONGER = replace(CHAT, prompt_tokens=replace(CHAT.prompt_tokens, median=1680))
_CANARY = replace(CALM, every_server=ServerEffect(track="stable"), servers={1: ServerEffect(track="canary")})


def _scaled(desired: int, *, ready: int, present: int | None = None, traffic: Traffic = CHAT) -> Effect:
    """Return a fleet under an autoscaler; servers that are not ready have no page, unless as many are `present`."""
    scaler = AutoscalerEffect(desired=desired, ready=ready, maximum=16)
    return Effect(traffic=traffic, present=ready if present is None else present, autoscaler=scaler)


def _hour(share: float) -> Effect:
    return Effect(traffic=replace(CHAT, requests_per_second=0.2 * share))


SCENARIOS = (
    Scenario(
        name="calm",
        description="Two servers answer a moderate chat load with its normal bursts, and nothing is wrong.",
        calm=CALM,
        course=(Phase(effect=CALM),),
    ),
    Scenario(
        name="power_capped",
        description="Somebody saves power: the limit of every GPU is set to 60 % of the usual one, and their clocks follow.",
        look_alike_of=("GpuPowerBrake", "GpuClockDeficit", "GpuThermalThrottling"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_gpu=GpuEffect(power_limit_ratio=0.6))),),
        active_minutes=30.0,
    ),
    Scenario(
        name="hot_not_throttling",
        description="A summer's day: the air that the GPUs get is 15 degrees warmer, and they keep their clock.",
        look_alike_of=("GpuThermalThrottling", "GpuClockDeficit"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_gpu=GpuEffect(inlet_celsius=45.0))),),
        active_minutes=30.0,
    ),
    Scenario(
        name="idle_gpu",
        description="Hardly anybody asks: the GPUs lower their clocks, and their PCIe links go to the lowest speed.",
        look_alike_of=("GpuClockDeficit", "PcieDegraded", "GpuThermalThrottling"),
        calm=CALM,
        course=(
            Phase(
                effect=replace(
                    CALM,
                    traffic=replace(CALM.traffic, requests_per_second=0.02),
                    every_gpu=GpuEffect(clock_limit_ratio=0.2, pcie_generation=1),
                )
            ),
        ),
        active_minutes=30.0,
    ),
    Scenario(
        name="driver_reload",
        description="The driver of the GPUs is loaded again: for a minute none of them answers.",
        look_alike_of=("GpuLost",),
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_gpu=GpuEffect(condition=LOST)), minutes=1.0), Phase(effect=CALM)),
    ),
    Scenario(
        name="worn_memory",
        description="GPU 0 has a memory error now and then, and each is corrected.",
        look_alike_of=("GpuMemoryErrors", "GpuRowRemapPending"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, gpus={0: GpuEffect(corrected_errors_per_minute=0.2)})),),
    ),
    Scenario(
        name="killed_on_gpu",
        description="A process on GPU 0 is killed while it works, as at a deployment, and leaves its XID 45.",
        look_alike_of=("GpuXidApplication", "GpuXidHardware"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, gpus={0: GpuEffect(xid=45)}), minutes=2.0), Phase(effect=CALM)),
    ),
    Scenario(
        name="filling_cache",
        description="A cache of the server on GPU 0 fills: its memory grows ever more slowly, and stays.",
        look_alike_of=("GpuMemoryLeak",),
        calm=CALM,
        course=(
            *(
                Phase(effect=replace(LIGHT, gpus={0: GpuEffect(leaked_bytes_per_minute=pace)}), minutes=20.0)
                for pace in (160e6, 80e6, 40e6, 20e6, 10e6, 5e6)
            ),
            Phase(effect=LIGHT),
        ),
        active_minutes=210.0,
    ),
    Scenario(
        name="clean_restart",
        description="Server 0 is restarted once, loads its model, and takes its share again.",
        look_alike_of=("CrashLooping", "ModelServerDown", "ModelNotReady"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, servers={0: ServerEffect(restart_every_minutes=1440)})),),
    ),
    Scenario(
        name="long_prefill",
        description="A very long prompt is computed on quiet servers: for more than a minute nothing comes out, and then all goes on.",
        look_alike_of=("EngineStalled", "ProbeFailing"),
        calm=_QUIET,
        course=(
            Phase(effect=replace(_QUIET, every_server=ServerEffect(stalled=True)), minutes=1.2),
            Phase(effect=_QUIET),
        ),
    ),
    Scenario(
        name="idle_night",
        description="For eight hours of the night nobody asks, and the servers keep their GPUs.",
        look_alike_of=("GpuIdleAllocated",),
        calm=CALM,
        course=(Phase(effect=NOBODY),),
        active_minutes=480,
    ),
    Scenario(
        name="overnight_batch",
        description="Nobody asks for sixteen hours; for eight of them somebody's batch job fills the GPUs.",
        look_alike_of=("GpuIdleAllocated", "CostPerTokenSpike"),
        calm=CALM,
        course=(
            Phase(effect=NOBODY, minutes=240),
            Phase(effect=replace(NOBODY, every_gpu=GpuEffect(foreign_load=0.95)), minutes=480),
            Phase(effect=NOBODY, minutes=240),
        ),
        active_minutes=960,
    ),
    Scenario(
        name="drift_taken_back",
        description="The detectors find drift in the prompts, and take it back after ten minutes.",
        look_alike_of=("InputDrift",),
        calm=CALM,
        course=(Phase(effect=replace(CALM, drift={"prompt_tokens": 1.2}), minutes=10), Phase(effect=CALM)),
        active_minutes=60,
    ),
    Scenario(
        name="scale_to_zero",
        description="Nobody asks for half an hour: the autoscaler takes every server away, and brings one back for the next user.",
        look_alike_of=("AutoscalingCascade", "ColdStartSlow", "ModelServerDown", "QueueBacklog"),
        calm=_scaled(2, ready=2),
        course=(
            Phase(effect=replace(_scaled(0, ready=0), traffic=NOBODY.traffic), minutes=30),
            Phase(effect=replace(_scaled(1, ready=0), traffic=NOBODY.traffic), minutes=1),
            Phase(effect=_scaled(1, ready=1)),
        ),
        active_minutes=50.0,
    ),
    Scenario(
        name="rolling_deploy",
        description="A new release goes out: one server after the other is restarted and loads its model.",
        look_alike_of=("AutoscalingCascade", "PrefixCacheCollapse", "ColdStartSlow", "CrashLooping", "ModelServerDown"),
        calm=_scaled(2, ready=2),
        course=(
            Phase(effect=replace(_scaled(2, ready=1, present=2), servers={0: _RESTARTED}), minutes=3),
            Phase(effect=replace(_scaled(2, ready=1, present=2), servers={1: _RESTARTED}), minutes=3),
            Phase(effect=_scaled(2, ready=2)),
        ),
    ),
    Scenario(
        name="scale_up",
        description="Traffic doubles: the autoscaler asks for two more servers, one after the other, and they take their share.",
        look_alike_of=("AutoscalingCascade",),
        calm=_scaled(2, ready=2),
        course=(
            Phase(effect=_scaled(3, ready=2, traffic=_DOUBLE), minutes=1),
            Phase(effect=_scaled(4, ready=2, traffic=_DOUBLE), minutes=4),
            Phase(effect=_scaled(4, ready=4)),
        ),
        servers=4,
        active_minutes=30.0,
    ),
    Scenario(
        name="day_and_night",
        description="A whole day: traffic falls to a tenth at night and doubles at noon.",
        look_alike_of=("PrefixCacheCollapse", "CapacityHeadroomLow", "QueueBacklog"),
        calm=_hour(1.0),
        course=tuple(
            Phase(effect=_hour(share), minutes=120)
            for share in (0.6, 0.3, 0.1, 0.1, 0.3, 0.8, 1.4, 2.0, 1.8, 1.6, 1.4, 1.0)
        ),
        active_minutes=1440.0,
    ),
    Scenario(
        name="full_cache",
        description="Steady heavy load of long reports: the KV cache is seven eighths full for fifty minutes, and nobody waits.",
        look_alike_of=("KvCachePressure", "PreemptionStorm", "CapacityHeadroomLow"),
        # Prompts are five times as long as they were, and first tokens later.
        companions={"WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=Effect(traffic=REPORTS)),),
        active_minutes=50.0,
    ),
    Scenario(
        name="longer_prompts",
        description="After a day like any other a client sends prompts twice as long: first tokens come later, and nothing is wrong.",
        look_alike_of=("P99Regression", "MeanLatencyRegression", "TimeToFirstTokenSloBurn"),
        # That they are longer, and wait for it, is true.
        companions={"WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=replace(CALM, traffic=_LONGER)),),
        active_minutes=75.0,
        history_days=1.0,
    ),
    Scenario(
        name="canary_like_stable",
        description="A new release on server 1 is as fast as the stable one on server 0, and traffic comes in bursts for both.",
        look_alike_of=("CanaryRegression",),
        calm=_CANARY,
        course=(
            Phase(effect=replace(_CANARY, traffic=_DOUBLE), minutes=8),
            Phase(effect=_CANARY, minutes=12),
        ),
        active_minutes=60.0,
    ),
    Scenario(
        name="exporter_restart",
        description="The exporter is restarted every ten minutes: what it counts itself begins at 0.",
        look_alike_of=("ExporterDown", "GpuXidHardware", "CrashLooping"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, exporter_restarts=True), minutes=5.0), Phase(effect=CALM, minutes=5.0)),
        active_minutes=40.0,
    ),
    Scenario(
        name="lost_scrape",
        description="Every five minutes one scrape of the exporter gets lost.",
        look_alike_of=("ExporterDown", "ModelServerDown", "ServerMetricsDisabled"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, scrape_lost=True), minutes=0.25), Phase(effect=CALM, minutes=4.75)),
        active_minutes=40.0,
    ),
    Scenario(
        name="prometheus_restart",
        description="Prometheus is away for a minute, and then reads its log and goes on.",
        look_alike_of=("ExporterDown", "PagerDeliveryFailing"),
        calm=CALM,
        course=(Phase(effect=replace(CALM, prometheus_away=True), minutes=1.0), Phase(effect=CALM)),
    ),
    Scenario(
        name="locked_rollout",
        description="A rollout changes the token of server 0, and the exporter gets it eight minutes later.",
        look_alike_of=("ServerMetricsDisabled", "SignalUnresolved", "ModelServerDown"),
        calm=CALM,
        course=(
            Phase(effect=replace(CALM, servers={0: ServerEffect(answer=Answer.UNAUTHORIZED)}), minutes=8.0),
            Phase(effect=CALM),
        ),
        active_minutes=40.0,
    ),
    Scenario(
        name="nobody_asks",
        description="For three quarters of an hour nobody asks anything: every gauge and every counter stands still.",
        look_alike_of=("GaugesFrozen", "EngineStalled"),
        calm=CALM,
        course=(Phase(effect=NOBODY),),
        active_minutes=45.0,
    ),
    Scenario(
        name="low_traffic_slow",
        description="For hours a model that is asked once an hour answers all of it slowly, and half of it not at all.",
        look_alike_of=(
            "TimeToFirstTokenSloBurn",
            "RequestLatencySloBurn",
            "InterTokenLatencySloBurn",
            "AvailabilitySloBurn",
        ),
        calm=_RARE,
        course=(Phase(effect=replace(_RARE, every_server=ServerEffect(slowness=30.0, failing_share=0.5))),),
        active_minutes=240.0,
    ),
    Scenario(
        name="bursts_within_objective",
        description="Every ten minutes three times as many people come for a minute and a half, and are all served in time.",
        look_alike_of=("TimeToFirstTokenSloBurn", "RequestLatencySloBurn", "InterTokenLatencySloBurn", "QueueBacklog"),
        calm=CALM,
        course=(
            Phase(effect=replace(CALM, traffic=replace(CHAT, requests_per_second=12.0)), minutes=1.5),
            Phase(effect=CALM, minutes=8.5),
        ),
        active_minutes=30.0,
    ),
)
