"""Faults of GPU memory: errors that cannot be corrected, and a row that waits to be replaced."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner, xid
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

_WINDOW_SECONDS = 900.0
"""As long as an XID counts: most of these errors come with one."""
_LOCATION = "location"
_UNCORRECTED = 'type="uncorrected"'


def memory_errors(parameters: Parameters) -> Fault:
    """Return the fault of memory that loses data."""
    window = parameters.timing.window(_WINDOW_SECONDS)
    by_place = f"sum by ({owner.BY_GPU}, {_LOCATION})"
    keep = parameters.timing.hold(OUTLAST_SECONDS)
    return Fault(
        name="GpuMemoryErrors",
        family=Family.HARDWARE,
        meaning="The GPU's memory lost data that could not be corrected, or has a broken row that it cannot replace.",
        impact="The process that read the data was stopped, and its requests are lost; the next one may meet the same row.",
        rules=(
            Rule(
                expr=owner.owned(f"{by_place} ({promql.increase(s.GPU_ECC_ERRORS, window, _UNCORRECTED)} > 0)"),
                labels=(*owner.OWNED_GPU, _LOCATION),
                severity=Severity.PAGE,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} had a memory error that could not be corrected, in "
                    "{{ $labels.location }}."
                ),
                keep_firing_seconds=keep,
                variant="uncorrected",
            ),
            Rule(
                expr=owner.owned(f"max by ({owner.BY_GPU}) ({s.GPU_ROW_REMAP_FAILURE} == 1)"),
                labels=owner.OWNED_GPU,
                severity=Severity.PAGE,
                summary="GPU {{ $labels.gpu }} on {{ $labels.host_name }} could not replace a broken row of its memory.",
                for_seconds=parameters.timing.hold(60),
                keep_firing_seconds=keep,
                variant="unrepairable",
            ),
        ),
        panel=Panel(
            title="Memory errors that could not be corrected",
            description="Since the board was made, by where they happened. Only growth is news.",
            queries=(
                (promql.select(s.GPU_ECC_ERRORS, _UNCORRECTED), "{{host_name}} GPU {{gpu}} {{location}}"),
                (str(s.GPU_ROW_REMAP_FAILURE), "{{host_name}} GPU {{gpu}} cannot replace a row"),
            ),
            unit="short",
        ),
        why=(
            "One error that is not corrected has stopped a process, so the first one pages. The counters live on the board and "
            "outlast reboots: old errors do not page again. Corrected errors are how ECC is meant to work. Whether SRAM passed "
            "NVIDIA's threshold for a replacement is not measured; the runbook asks for it. Parts without ECC tell nothing."
        ),
        look_alike="Corrected errors, the errors of past years on a board that is new here, and a restart of the exporter.",
        inhibits=(
            # The same error, told three times. Not by a row that cannot be replaced: that is so until the board is changed.
            owner.hides_on_gpu("GpuXidHardware", "GpuRecoveryRequired", "GpuRowRemapPending", variant="uncorrected"),
            owner.hides_symptoms(*xid.STOPPED_BY_GPU, variant="uncorrected"),
        ),
        scenario="memory_errors",
        unhurried=True,
    )


def row_remap_pending(parameters: Parameters) -> Fault:
    """Return the fault of a row that is replaced at the next reset."""
    return Fault(
        name="GpuRowRemapPending",
        family=Family.HARDWARE,
        meaning="A broken row of the GPU's memory will be replaced at its next reset, and until then it is only avoided.",
        impact="Nobody feels it: what runs goes on, with a little less memory. It is the sign of a memory that wears out.",
        rules=(
            Rule(
                expr=owner.owned(f"max by ({owner.BY_GPU}) ({s.GPU_ROW_REMAP_PENDING} == 1)"),
                labels=owner.OWNED_GPU,
                severity=Severity.TICKET,
                summary="GPU {{ $labels.gpu }} on {{ $labels.host_name }} has to be reset for a broken memory row to be replaced.",
                for_seconds=parameters.timing.hold(60),
            ),
        ),
        panel=Panel(
            title="Rows that wait for a reset",
            description="1: a row of this GPU's memory is replaced at the next reset.",
            queries=((str(s.GPU_ROW_REMAP_PENDING), "{{host_name}} GPU {{gpu}}"),),
            unit="short",
        ),
        why=(
            "The driver avoids the row until the reset, so the reset can wait for the next quiet hour. Ampere and later; a GPU "
            "that is cut into MIG instances does not tell it, and older parts retire pages instead."
        ),
        look_alike="A GPU whose rows were replaced long ago, and one that is being reset just now.",
        scenario="row_remap_pending",
    )
