"""Faults of sight: the watchers themselves do not see. They never hide another page."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.blindness import unseen
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

_JOB = f'job="{c.EXPORTER_JOB}"'


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family."""
    return (_exporter_down(parameters), _watchdog())


def _exporter_down(parameters: Parameters) -> Fault:
    # Where nothing is to be measured by an exporter, none is missed.
    rules = (_down(parameters), _hollow(parameters), *([_absent(parameters)] if parameters.exporters else []))
    return Fault(
        name="ExporterDown",
        family=Family.BLINDNESS,
        meaning="Prometheus gets nothing from an atlas-ops exporter, so nothing is known of its node.",
        impact="Users may be fine, but no fault of the GPUs and model servers on this node can be seen or paged.",
        recordings=unseen.recordings(parameters),
        rules=rules,
        panel=Panel(
            title="Exporters that answer",
            description="1: Prometheus's last scrape of the exporter worked.",
            queries=((f"up{{{_JOB}}}", "{{instance}}"), (str(s.EXPORTER_SNAPSHOT_AGE), "age of {{collector}}")),
            unit="short",
        ),
        why=(
            "A node that cannot be seen is as bad as its worst fault; two minutes outlast a restart of the exporter. Pages "
            "about the node that were firing go on meanwhile."
        ),
        look_alike="One lost scrape, and a rolling update of the exporter.",
        scenario="exporter_down",
    )


def _down(parameters: Parameters) -> Rule:
    return Rule(
        expr=f"max by (job, instance) (up{{{_JOB}}}) == 0",
        labels=("job", "instance"),
        severity=Severity.PAGE,
        summary="The exporter {{ $labels.instance }} does not answer Prometheus.",
        for_seconds=parameters.timing.hold(120),
        variant="down",
    )


def _hollow(parameters: Parameters) -> Rule:
    return Rule(
        expr=f"min by (job, instance) ({unseen.PAGE_MADE}) == 0",
        labels=("job", "instance"),
        severity=Severity.PAGE,
        summary="The exporter {{ $labels.instance }} answers, but it hangs: its page holds no measurement any more.",
        for_seconds=parameters.timing.hold(120),
        variant="hollow",
    )


def _absent(parameters: Parameters) -> Rule:
    return Rule(
        expr=f"absent(up{{{_JOB}}})",
        labels=("job",),
        severity=Severity.PAGE,
        summary="Prometheus knows no atlas-ops exporter: the scrape job {{ $labels.job }} has no target.",
        for_seconds=parameters.timing.hold(120),
        variant="absent",
    )


def _watchdog() -> Fault:
    return Fault(
        name=c.HEARTBEAT,
        family=Family.BLINDNESS,
        meaning="Always fires. While it arrives, the way from Prometheus through Alertmanager to the pager works.",
        impact="None. When it stops arriving, no other page can be trusted to arrive.",
        rules=(
            Rule(
                expr="vector(1)",
                labels=(),
                severity=Severity.INFO,
                summary="Heartbeat of the way from Prometheus to the pager.",
            ),
        ),
        panel=Panel(
            title="Age of the last heartbeat",
            description="Time since the heartbeat last reached the pager.",
            queries=((f"time() - {s.PAGER_LAST_HEARTBEAT}", "{{instance}}"),),
            unit="s",
        ),
        why="Silence looks the same whether all is well or the alerting is broken; a signal that never stops tells them apart.",
        look_alike="None: it has to fire always.",
    )
