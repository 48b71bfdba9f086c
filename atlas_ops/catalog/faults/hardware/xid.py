"""Faults that the driver reports as an XID: of the hardware or the driver itself, and of an application.

The rules read when each code came last, not how often: the first event of a code is seen although no counter was there before,
every repeat is, and an exporter that starts anew repeats nothing. A GPU has more than a hundred counters of codes but a time only
for those that came, which is what makes these rules cheap.
"""

from __future__ import annotations

from collections.abc import Iterable

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware import owner
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters
from atlas_ops.catalog.xid import XIDS

OFF_THE_BUS = 79
"""The GPU has fallen off the bus: told by GpuLost."""

_BY_EVENT = ", ".join((*c.GPU_LABELS, c.XID, "owner"))
_LABELS = (*owner.OWNED_GPU, c.XID, "owner")
_APPLICATION = "application"
_GRAVE_ACTIONS = ("RESET_GPU", "RESTART_BM", "CHECK_MECHANICALS", "WORKFLOW_XID_48", "WORKFLOW_NVLINK_ERR")
"""NVIDIA's actions for a GPU that does not work on by itself."""
_PROCESS_REMOVED = 45
"""What the end of a process leaves behind, also that of a healthy one that is killed. After an error, the error has a code."""
_TOLD_ELSEWHERE = (OFF_THE_BUS, 154)
"""154: the recovery action has changed, which GpuRecoveryRequired reads."""
_GOOD_NEWS = 162
"""Power smoothing works again."""

GRAVE = tuple(
    xid.code
    for xid in XIDS
    if xid.owner != _APPLICATION and xid.action in _GRAVE_ACTIONS and xid.code not in _TOLD_ELSEWHERE
)
LESSER = tuple(
    xid.code
    for xid in XIDS
    if xid.owner != _APPLICATION and xid.action != "IGNORE" and xid.code not in (*GRAVE, *_TOLD_ELSEWHERE, _GOOD_NEWS)
)
"""Of hardware and driver, with another action or without one. What NVIDIA says to ignore is left out."""
OF_APPLICATIONS = tuple(xid.code for xid in XIDS if xid.owner == _APPLICATION and xid.code != _PROCESS_REMOVED)


def hardware(parameters: Parameters) -> Fault:
    """Return the fault of XIDs that no application can cause."""
    return Fault(
        name="GpuXidHardware",
        family=Family.HARDWARE,
        meaning="The driver reported an error (XID) of the GPU or of itself, which no application can cause.",
        impact="The process on the GPU is mostly gone or hangs; until the GPU is reset, new ones fail as well.",
        rules=(
            Rule(
                expr=owner.owned(recent(parameters, GRAVE)),
                labels=_LABELS,
                severity=Severity.PAGE,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} reported XID {{ $labels.xid }}: it does not work on "
                    "without help."
                ),
                keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
                variant="grave",
            ),
            Rule(
                expr=owner.owned(f"{recent(parameters, LESSER)}\n  or {_strange(parameters)}"),
                labels=_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "GPU {{ $labels.gpu }} on {{ $labels.host_name }} reported XID {{ $labels.xid }}, which has to be looked at."
                ),
                variant="lesser",
            ),
        ),
        panel=Panel(
            title="Time since the last XID",
            description="By GPU and code; a code that has not come since the exporter's start has no line.",
            queries=((f"time() - {s.GPU_XID_LAST}", "{{host_name}} GPU {{gpu}} XID {{xid}}"),),
            unit="s",
            empty="while no XID has come since the exporter's start",
        ),
        why=(
            "Which codes page follows from what NVIDIA says to do: those that want a reset, a restart of the node or hands on "
            "the board do; others, and codes that NVIDIA's catalogue does not know, are tickets; what it says to ignore is left "
            "out. The alert stays for a quarter of an hour after the last event by the node's clock, a page for five minutes more: "
            "a node whose clock is wrong by as much is not seen. Should a lesser one stop the GPU, GpuRecoveryRequired or GpuLost pages. AMD has no XIDs."
        ),
        look_alike="An XID of an application, a row that mended itself (63), and a restart of the exporter after an old XID.",
        inhibits=(
            owner.hides_on_gpu("GpuRecoveryRequired", "GpuRowRemapPending", variant="grave"),
            owner.hides_symptoms(*STOPPED_BY_GPU, variant="grave"),
        ),
        scenario="xid_hardware",
    )


def application(parameters: Parameters) -> Fault:
    """Return the fault of XIDs that a program causes."""
    made = promql.increase(s.GPU_XID_ERRORS, "$__rate_interval", f'owner="{_APPLICATION}"')
    return Fault(
        name="GpuXidApplication",
        family=Family.HARDWARE,
        meaning="A program made an error on the GPU (XID), such as an access to memory that is not its own.",
        impact="The process that made it is mostly stopped; its requests are lost, and it loads its model again.",
        rules=(
            Rule(
                expr=owner.owned(recent(parameters, OF_APPLICATIONS)),
                labels=_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "A program on GPU {{ $labels.gpu }} of {{ $labels.host_name }} caused XID {{ $labels.xid }}; the GPU itself "
                    "is well."
                ),
            ),
        ),
        panel=Panel(
            title="XIDs of applications",
            description="How often a program made an error on a GPU from one point of the chart to the next, by code.",
            queries=((f"{made} > 0", "{{host_name}} GPU {{gpu}} XID {{xid}}"),),
            unit="short",
            empty="while no program makes an error on a GPU",
        ),
        why=(
            "The driver has stopped the program and goes on, so nobody has to get up: if users suffer, the server's own alerts "
            "say so. A crash loop is one ticket, for each code, until a quarter of an hour after its last error. XID 45 counts "
            "only with another code: alone it is what any killed process leaves behind, as at a deployment."
        ),
        look_alike="A process that is killed while it works (45), as at a deployment, and an XID of the hardware.",
        scenario="xid_application",
    )


STOPPED_BY_GPU = (
    "EngineStalled", "ModelServerDown", "ModelNotReady", "CrashLooping", "ProbeFailing", "QueueBacklog",
    "KvCachePressure",
)  # fmt: skip
"""What a server shows when its GPU does not work any more."""


def recent(parameters: Parameters, codes: Iterable[int]) -> str:
    """Return these codes of the catalogue where they came within the window; the value is how long ago, seconds."""
    return _recent(parameters, f'{c.XID}=~"{"|".join(map(str, codes))}"')


def _strange(parameters: Parameters) -> str:
    """Return the codes that the catalogue does not know where they came within the window."""
    return _recent(parameters, f'owner="{c.UNKNOWN_OWNER}"')


def _recent(parameters: Parameters, matcher: str) -> str:
    # Over the window, so that an exporter that starts anew, and has forgotten, does not end a page.
    timing, seconds = parameters.timing, parameters.limits.xid_recent_seconds
    last = f"max_over_time({promql.select(s.GPU_XID_LAST, matcher)}[{timing.window(seconds)}])"
    return f"time() - max by ({_BY_EVENT}) ({last}) < {promql.number(timing.window_seconds(seconds))}"
