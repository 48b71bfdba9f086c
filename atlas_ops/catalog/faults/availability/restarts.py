"""CrashLooping and OutOfMemoryKilled: servers that end and begin anew, and the kernel as the cause. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.availability import symptoms
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters, Timing

_KILLED_WINDOW_SECONDS = 600.0
"""How long a kill is remembered: the page outlasts the loading of the model, and so holds back what that brings along."""
_TOGETHER_SECONDS = 180.0
"""How far apart a kill on a host and what it did to a server may be: some scrapes, and a process that is slow to end."""
_IN_POD = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD)
_ON_CHART = "$__rate_interval"
_NAMED, _NAMELESS = f'{c.K8S_POD}!=""', f'{c.K8S_POD}=""'


def crash_looping(parameters: Parameters) -> Fault:
    """Return the fault."""
    timing, limits = parameters.timing, parameters.limits
    window = timing.window(limits.crash_loop_seconds)
    return Fault(
        name="CrashLooping",
        family=Family.AVAILABILITY,
        meaning="The server dies again and again, soon after each start.",
        impact="Every request that it holds is lost at each crash, and while it loads it serves nobody.",
        rules=(
            Rule(
                expr=_restarts(window, f" >= {promql.number(limits.crash_loop_restarts)}"),
                labels=c.SERVER_IDENTITY,
                severity=Severity.PAGE,
                summary=(
                    '{{ $labels.server }} ({{ $labels.runtime }}) has restarted {{ $value | printf "%.0f" }} times in '
                    f"{promql.duration(timing.hold(limits.crash_loop_seconds))}."
                ),
            ),
        ),
        panel=Panel(
            title="Restarts of servers",
            description=(
                "Restarts from one point of the chart to the next, which the exporter saw by start times and by counters that "
                "began anew."
            ),
            queries=((_restarts(_ON_CHART), "{{server}}"),),
            unit="short",
        ),
        why=(
            "One restart is a deployment; several in the window are a loop. The exporter counts a restart when it sees "
            "another start time, or counters that have begun anew, and its own restart adds none. A server that dies before "
            "it ever answers has no page to tell that from: it is ModelServerDown."
        ),
        look_alike="A rolling deployment, whose servers are new ones, one clean restart, and a restart of the exporter.",
        inhibits=(symptoms.of_server("ModelServerDown"),),
        scenario="crash_looping",
    )


def out_of_memory_killed(parameters: Parameters) -> Fault:
    """Return the fault."""
    window = parameters.timing.window(_KILLED_WINDOW_SECONDS)
    return Fault(
        name="OutOfMemoryKilled",
        family=Family.AVAILABILITY,
        meaning="The kernel has killed a process of a model server, because the container or the host had no memory left.",
        impact="What the process was answering is lost, and the server loads its model again; the same load kills it again.",
        rules=(_killed_in_pod(window), _killed_on_host(parameters.timing)),
        panel=Panel(
            title="Processes killed for want of memory",
            description="Kills by the kernel from one point of the chart to the next: in pods, and of any process of the host.",
            queries=(
                (_kills_in_pods(_ON_CHART), "{{k8s_pod_name}}"),
                (promql.increase(s.HOST_OOM_KILLS, _ON_CHART), "host {{host_name}}"),
            ),
            unit="short",
        ),
        why=(
            "A kill is an event: one is enough, if it hit a model server. In a pod that is certain. On a bare host the "
            "kernel's counter names nobody, so there a server must have restarted or gone away within three minutes of it. This is memory of "
            "the container and the host; a GPU that has no memory left is an error of the application, which no signal "
            "tells of."
        ),
        look_alike="A job without a model server that is killed on the same node, and a restart of the exporter or a deployment of the server before that.",
        inhibits=(symptoms.of_pod(),),
        scenario="out_of_memory",
    )


def _restarts(window: str, condition: str = "") -> str:
    return f"max by ({', '.join(c.SERVER_IDENTITY)}) ({promql.increase(s.SERVER_RESTARTS, window)}{condition})"


def _kills_in_pods(window: str, condition: str = "") -> str:
    return f"sum by ({', '.join(_IN_POD)}) ({promql.increase(s.CONTAINER_OOM_KILLS, window, _NAMED)}{condition})"


def _killed_in_pod(window: str) -> Rule:
    # The series of a server is there in every state, also while it is down.
    return Rule(
        expr=f"{_kills_in_pods(window, ' > 0')}\nand on ({c.K8S_NAMESPACE}, {c.K8S_POD}) {s.SERVER_UP}",
        labels=_IN_POD,
        severity=Severity.PAGE,
        summary=(
            'The kernel killed {{ $value | printf "%.0f" }} processes of {{ $labels.k8s_pod_name }} for want of memory in '
            f"{window}."
        ),
        variant="pod",
    )


def _killed_on_host(timing: Timing) -> Rule:
    window = timing.window(_TOGETHER_SECONDS)
    killed = promql.increase(s.HOST_OOM_KILLS, window)
    restarted = promql.increase(s.SERVER_RESTARTS, window, _NAMELESS)
    gone = promql.select(s.SERVER_SCRAPE_STATE, _NAMELESS, 'state="unreachable"')
    hit = f"{restarted} > 0 or ({gone} == 1 unless {gone} offset {window} == 1)"
    return Rule(
        expr=f"max by ({c.HOST_NAME}) ({killed} > 0)\nand on ({c.HOST_NAME}) ({hit})",
        labels=(c.HOST_NAME,),
        severity=Severity.PAGE,
        summary=(
            'The kernel of {{ $labels.host_name }} killed {{ $value | printf "%.0f" }} processes for want of memory in '
            f"{window}, and a model server there has restarted or gone away."
        ),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        variant="host",
    )
