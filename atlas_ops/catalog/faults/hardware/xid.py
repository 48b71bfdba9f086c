"""Faults that the driver reports as an XID: of the hardware or the driver itself, and of an application.

The exporter counts the events since its start, of every code that NVIDIA's catalogue knows from 0 on: so the first event is
growth, every repeat is, and an exporter that starts anew repeats nothing. Each GPU has more than a hundred such counters; only
those of the codes that a rule wants are read. A code that nobody knows has a counter from its first event on: there it is news
that the counter is there at all.
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
        ),
        why=(
            "Which codes page follows from what NVIDIA says to do: those that want a reset, a restart of the node or hands on "
            "the board do; others, and codes that NVIDIA's catalogue does not know, are tickets; what it says to ignore is left "
            "out. Events are counted, so repeats count and no clock matters; the alert stays for a quarter of an hour after the last "
            "one, a page for five minutes more. Should a lesser one stop the GPU, GpuRecoveryRequired or GpuLost pages. AMD has no XIDs."
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
    """Return these codes of the catalogue where they came within the window; the value is how often, by and large."""
    return _grown(parameters, f'{c.XID}=~"{"|".join(map(str, codes))}"')


def _strange(parameters: Parameters) -> str:
    """Return the codes that the catalogue does not know where they came within the window.

    The counter of such a code is new when the GPU was told without it at some time of the window. That is so after an
    exporter's restart, too, as soon as the code comes again; a scrape that is lost loses both.
    """
    matcher, window = f'owner="{c.UNKNOWN_OWNER}"', _window(parameters)
    strange = promql.select(s.GPU_XID_ERRORS, matcher)
    told = f"max by ({owner.BY_GPU}) (count_over_time({s.GPU_UP}[{window}]))"
    counted = f"max by ({_BY_EVENT}) (count_over_time({strange}[{window}]))"
    new = f"{counted} < on ({owner.BY_GPU}) group_left () {told} and on ({_BY_EVENT}) {strange}"
    return f"{_grown(parameters, matcher)}\n  or ({new})"


def _grown(parameters: Parameters, matcher: str) -> str:
    return f"max by ({_BY_EVENT}) ({promql.increase(s.GPU_XID_ERRORS, _window(parameters), matcher)}) > 0"


def _window(parameters: Parameters) -> str:
    return parameters.timing.window(parameters.limits.xid_recent_seconds)
