"""What only looks like a fault: the ordinary life of a fleet, in which nobody may be woken."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT, NOBODY
from atlas_ops.simulator.state import LOST

_QUIET = Effect(traffic=replace(CHAT, requests_per_second=0.05, patience_seconds=600.0))

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
                Phase(effect=replace(CALM, gpus={0: GpuEffect(leaked_bytes_per_minute=pace)}), minutes=20.0)
                for pace in (160e6, 80e6, 40e6, 20e6, 10e6, 5e6)
            ),
            Phase(effect=CALM),
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
)
