"""Faults of a GPU that is gone, or that has to be recovered before it can be used again."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner, xid
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

OTHER_FAULTS = (
    "GpuThermalThrottling", "GpuPowerBrake", "GpuClockDeficit", "GpuXidHardware", "GpuXidApplication", "GpuMemoryErrors",
    "GpuRowRemapPending", "GpuRecoveryRequired", "NvlinkErrors", "PcieDegraded", "GpuMemoryLeak",
)  # fmt: skip
_DRAIN_AND_RESET = 4
"""NVML_GPU_RECOVERY_ACTION_DRAIN_AND_RESET: the GPU goes on with less of its capacity until it is reset."""


def lost(parameters: Parameters) -> Fault:
    """Return the fault of a GPU that does not answer, or is not listed."""
    return Fault(
        name="GpuLost",
        family=Family.HARDWARE,
        meaning="The driver gets no answer from a GPU, or lists fewer GPUs than the node has.",
        impact="Whatever ran on the GPU hangs or is gone, and the node has a GPU less until it is reset or rebooted.",
        rules=(_silent(parameters), _missing(parameters)),
        panel=Panel(
            title="GPUs that answer",
            description="1: the driver answers for this GPU. Beside it, how many the node should have.",
            queries=((str(s.GPU_UP), "{{host_name}} GPU {{gpu}}"), (str(s.GPU_EXPECTED), "expected on {{host_name}}")),
            unit="short",
        ),
        why=(
            "Two minutes without any answer outlast a driver that is loaded again; XID 79 (fallen off the bus) needs no waiting. "
            "A lost GPU is told as down until the exporter starts anew, and then it is missing from the list. How many there "
            "should be is a setting, or what the device plugin offered; where neither is known, only silence is seen."
        ),
        look_alike="A driver that is loaded again, an exporter that is down or starts anew, and a node without GPUs.",
        inhibits=(
            owner.hides_on_gpu(*OTHER_FAULTS, variant="gpu"),
            owner.hides_symptoms(*xid.STOPPED_BY_GPU, variant="gpu"),
        ),
        scenario="gpu_lost",
    )


def _silent(parameters: Parameters) -> Rule:
    timing = parameters.timing
    window = timing.window(parameters.limits.gpu_silent_seconds)
    by_gpu = f"max by ({owner.BY_GPU})"
    fallen = xid.recent(parameters, (xid.OFF_THE_BUS,))
    # Seen for the whole window: an exporter that has just started knows nothing yet.
    silent = f"{by_gpu} (max_over_time({s.GPU_UP}[{window}])) == 0 and {by_gpu} ({s.GPU_UP} offset {window} == 0)"
    return Rule(
        expr=owner.owned(f"{silent}\n  or {by_gpu} ({fallen})"),
        labels=owner.OWNED_GPU,
        severity=Severity.PAGE,
        summary="GPU {{ $labels.gpu }} on {{ $labels.host_name }} does not answer its driver any more.",
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        variant="gpu",
    )


def _missing(parameters: Parameters) -> Rule:
    timing = parameters.timing
    expected = f"max by ({c.HOST_NAME}) ({s.GPU_EXPECTED})"
    listed = f"count by ({c.HOST_NAME}) (group by ({owner.BY_GPU}) ({s.GPU_UP}))"
    return Rule(
        expr=f"{expected} - ({listed} or 0 * {expected}) > 0",
        labels=(c.HOST_NAME,),
        severity=Severity.PAGE,
        summary="{{ $labels.host_name }} lists {{ $value }} GPU(s) fewer than it has.",
        for_seconds=timing.hold(120),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        variant="node",
    )


def recovery_required(parameters: Parameters) -> Fault:
    """Return the fault of a GPU that its driver wants to have reset."""
    action = f"max by ({owner.BY_GPU}) ({s.GPU_RECOVERY_ACTION} > 0)"
    hold, keep = parameters.timing.hold(60), parameters.timing.hold(OUTLAST_SECONDS)
    return Fault(
        name="GpuRecoveryRequired",
        family=Family.HARDWARE,
        meaning="The driver says that the GPU has to be recovered: by a reset, by a reboot of the node, or by ending its peers' work.",
        impact="New processes on the GPU fail, and what still runs on it cannot be relied on.",
        rules=(
            Rule(
                expr=owner.owned(f"{action} != {_DRAIN_AND_RESET}"),
                labels=owner.OWNED_GPU,
                severity=Severity.PAGE,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} needs {{ if eq $value 1.0 }}a reset"
                    "{{ else if eq $value 2.0 }}a reboot of its node{{ else if eq $value 3.0 }}an end of its peer-to-peer traffic"
                    "{{ else }}recovery action {{ $value }}{{ end }}."
                ),
                for_seconds=hold,
                keep_firing_seconds=keep,
                variant="now",
            ),
            Rule(
                expr=owner.owned(f"{action} == {_DRAIN_AND_RESET}"),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} works with less of its capacity and has to be drained and "
                    "reset."
                ),
                for_seconds=hold,
                variant="later",
            ),
        ),
        panel=Panel(
            title="What a GPU needs to recover",
            description=f"{s.GPU_RECOVERY_ACTION.help} Drivers before 570 and AMD do not tell it.",
            queries=((str(s.GPU_RECOVERY_ACTION), "{{host_name}} GPU {{gpu}}"),),
            unit="short",
        ),
        why=(
            "This is the driver's own verdict (570 and later), and it stays until the GPU has been recovered; a minute passes "
            "over the moments of a reset that is under way. A GPU that may be drained first (4) goes on working: a ticket."
        ),
        look_alike="A GPU that is being reset and says so for some seconds, and a driver that does not tell the action.",
        inhibits=(owner.hides_symptoms(*xid.STOPPED_BY_GPU, variant="now"),),
        scenario="recovery_required",
    )
