"""Faults of the links of a GPU: NVLink to its peers, PCIe to the host."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner
from atlas_ops.catalog.faults.hardware.clock import BUSY, WINDOW_SECONDS
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

NVLINK_RATE = "gpu:atlas_gpu_nvlink_errors:rate4m"
"""Of the worst link, by type. Recorded once: there are 54 counters for each H100."""
PCIE_BANDWIDTH = "gpu:atlas_gpu_pcie_bandwidth:ratio"

_TYPE = "type"
_RETRAINED = "replay|recovery|recovery_failed|link_integrity|uncorrected"
"""The link had to be trained again, or data to be sent again. `uncorrected` is AMD's word, for XGMI."""
_CHECKSUMS = "crc.*|malformed_packet|buffer_overrun|receive"
_REMEMBERED_SECONDS = 1800.0


def nvlink_errors(parameters: Parameters) -> Fault:
    """Return the fault of a bad link between GPUs."""
    limits, timing = parameters.limits, parameters.timing
    # So long that no error falls between two evaluations.
    window, remembered = promql.duration(2 * timing.unhurried_seconds), timing.window(_REMEMBERED_SECONDS)
    worst = f"max by ({owner.BY_GPU}, {_TYPE}) ({promql.rate(s.GPU_NVLINK_ERRORS, window)})"
    retrained = promql.select(NVLINK_RATE, f'{_TYPE}=~"{_RETRAINED}"')
    checksums = promql.select(NVLINK_RATE, f'{_TYPE}=~"{_CHECKSUMS}"')
    return Fault(
        name="NvlinkErrors",
        family=Family.HARDWARE,
        meaning="A link between GPUs had to be trained again or to repeat data, or has a great many checksum errors.",
        impact="Models that are spread over several GPUs wait for the link, and stop when it does not come back.",
        recordings=(Recording(name=NVLINK_RATE, expr=worst),),
        rules=(
            Rule(
                expr=owner.owned(
                    f"sum_over_time({retrained}[{remembered}]) * {promql.number(timing.unhurried_seconds)} "
                    f"> {promql.number(limits.nvlink_retrainings)}"
                ),
                labels=(*owner.OWNED_GPU, _TYPE),
                severity=Severity.TICKET,
                summary="An NVLink of GPU {{ $labels.gpu }} on {{ $labels.host_name }} had errors of the kind {{ $labels.type }}.",
                variant="retrained",
            ),
            Rule(
                expr=owner.owned(f"{checksums} > {promql.number(limits.nvlink_crc_errors_per_second)}"),
                labels=(*owner.OWNED_GPU, _TYPE),
                severity=Severity.TICKET,
                summary=(
                    "An NVLink of GPU {{ $labels.gpu }} on {{ $labels.host_name }} has {{ $value | humanize }} errors a second of "
                    "the kind {{ $labels.type }}."
                ),
                for_seconds=timing.hold(180),
                variant="checksums",
            ),
        ),
        panel=Panel(
            title="NVLink errors of the worst link",
            description="Errors a second of a GPU's worst link, by type. On AMD those of XGMI.",
            queries=((NVLINK_RATE, "{{host_name}} GPU {{gpu}} {{type}}"),),
            unit="short",
            limit=limits.nvlink_crc_errors_per_second,
        ),
        why=(
            "The limits are those of NVIDIA's own health check (DCGM): a single replay or recovery is a sign of a bad link, while "
            "checksum errors are repeated without loss and matter only from 100 a second on. Parts without NVLink tell nothing."
        ),
        look_alike="A few checksum errors an hour on a link at full load.",
        scenario="nvlink_errors",
    )


def pcie_degraded(parameters: Parameters) -> Fault:
    """Return the fault of a bad link to the host."""
    limits, timing = parameters.limits, parameters.timing
    window = timing.window(WINDOW_SECONDS)
    replays = f"max by ({owner.BY_GPU}) ({promql.rate(s.GPU_PCIE_REPLAYS, window)}) * 60"
    return Fault(
        name="PcieDegraded",
        family=Family.HARDWARE,
        meaning="The GPU's PCIe link runs with fewer lanes or at a lower speed than it could, or repeats much of what it carries.",
        impact="Loading a model takes longer, and so does everything that goes through the host; decoding itself hardly suffers.",
        recordings=(Recording(name=PCIE_BANDWIDTH, expr=_bandwidth(window)),),
        rules=(
            Rule(
                expr=owner.owned(
                    f"{PCIE_BANDWIDTH} < {promql.number(limits.pcie_bandwidth_ratio)}\n"
                    f"  and {BUSY} > {promql.number(limits.busy_gpu_ratio)}"
                ),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary=(
                    "The PCIe link of GPU {{ $labels.gpu }} on {{ $labels.host_name }} has only {{ $value | humanizePercentage }} of "
                    "its bandwidth, at work."
                ),
                for_seconds=timing.hold(60),
                variant="bandwidth",
            ),
            Rule(
                expr=owner.owned(f"{replays} > {promql.number(limits.pcie_replays_per_minute)}"),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary=(
                    "The PCIe link of GPU {{ $labels.gpu }} on {{ $labels.host_name }} repeats {{ $value | humanize }} packets a "
                    "minute."
                ),
                for_seconds=timing.hold(60),
                variant="replays",
            ),
        ),
        panel=Panel(
            title="PCIe bandwidth in use against what the link could have",
            description="Lanes and generation of the best moment in a quarter of an hour. Idle GPUs lower theirs: that is no fault.",
            queries=((PCIE_BANDWIDTH, "{{host_name}} GPU {{gpu}}"),),
            unit="percentunit",
            limit=limits.pcie_bandwidth_ratio,
        ),
        why=(
            "An idle GPU lowers its link to save power, so only a busy one counts, and of it the best moment of a quarter of an hour. "
            "Each generation doubles the bandwidth. Replays beyond DCGM's limit say that the link is bad although it keeps its speed. "
            "On NVIDIA the maximum is that of GPU and slot together; on AMD it is the card's, so a small slot is told as well."
        ),
        look_alike="An idle GPU whose link has gone to its lowest speed, and a handful of replays.",
        scenario="pcie_degraded",
    )


def _bandwidth(window: str) -> str:
    """Return lanes against their maximum, halved for every generation below the highest."""
    by_gpu = f"max by ({owner.BY_GPU})"
    lanes = f"{by_gpu} (max_over_time({s.GPU_PCIE_WIDTH}[{window}])) / {by_gpu} ({s.GPU_PCIE_WIDTH_MAX})"
    below = f"{by_gpu} (max_over_time({s.GPU_PCIE_GENERATION}[{window}])) - {by_gpu} ({s.GPU_PCIE_GENERATION_MAX})"
    return f"{lanes}\n* 2 ^ ({below})"
