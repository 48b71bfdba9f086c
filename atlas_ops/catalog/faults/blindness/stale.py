"""Faults of sight in time: what is shown is no longer of now."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.availability.stall import PRESENT
from atlas_ops.catalog.model import Family, Fault, Panel, Rule, Severity, Signal
from atlas_ops.catalog.parameters import GAP_SECONDS, Parameters

_EXPORTER = ("job", "instance")
_KNOWN_OTHERWISE = 'collector!~"(server|probe|discovery)/.*|page"'
"""Collectors whose failure has a fault of its own."""


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this topic."""
    return (_gauges_frozen(parameters), _drift_monitor_stale(parameters))


def _gauges_frozen(parameters: Parameters) -> Fault:
    return Fault(
        name="GaugesFrozen",
        family=Family.BLINDNESS,
        meaning="What is shown is old: a page, a source of measurements or a driver call stands still.",
        impact="Users may be fine or not: charts and rules look at a picture of the past, so what happens now is not seen.",
        rules=(
            _frozen_page(parameters),
            _failing_collector(parameters),
            _hanging_driver(parameters),
            _failing_discovery(parameters),
        ),
        panel=Panel(
            title="Age of what is shown",
            description="Age of the last round of each collector, and of the oldest driver call that has not returned.",
            queries=(
                (str(s.EXPORTER_SNAPSHOT_AGE), "{{instance}} {{collector}}"),
                (str(s.EXPORTER_CALL_IN_FLIGHT), "{{instance}} call about GPU {{gpu}}"),
            ),
            unit="s",
            limit=parameters.limits.driver_call_seconds,
        ),
        why=(
            "A server that holds requests cannot stand still in everything that it tells. From outside that is a hung "
            "engine or a page that somebody repeats, so EngineStalled comes first; this ticket stays for the second. "
            "Collectors, driver calls and discovery tell their own state."
        ),
        look_alike="An idle server, whose gauges and counters stand still as well, and one collection that failed.",
        scenario="gauges_frozen",
    )


def _frozen_page(parameters: Parameters) -> Rule:
    timing, by_server = parameters.timing, c.SERVER_LABELS
    window = timing.window(parameters.limits.frozen_seconds)
    held = f"{PRESENT} and {PRESENT} offset {window} > 0"
    # One counter is enough where a runtime has no other, and some count requests of the whole server but time them by model.
    finished, timed, tokens = (
        promql.sum_by(by_server, f"changes({counter}[{window}])")
        for counter in (s.REQUESTS, f"{s.REQUEST_DURATION}_count", s.GENERATION_TOKENS)
    )
    standing = "".join(f"\nunless {moved} > 0" for moved in (f"changes({PRESENT}[{window}])", finished, timed, tokens))
    return Rule(
        expr=f"{held}{standing}",
        labels=by_server,
        severity=Severity.TICKET,
        summary=(
            "The page of {{ $labels.server }} has said the same for "
            f"{promql.duration(timing.hold(parameters.limits.frozen_seconds))}, while requests to "
            "{{ $labels.model }} are on it: {{ $value | humanize }}."
        ),
        keep_firing_seconds=timing.hold(GAP_SECONDS),
        variant="page",
    )


def _failing_collector(parameters: Parameters) -> Rule:
    return Rule(
        expr=_lasting_failure(parameters, s.EXPORTER_COLLECTOR_SUCCESS, "collector", _KNOWN_OTHERWISE),
        labels=(*_EXPORTER, "collector"),
        severity=Severity.TICKET,
        summary="{{ $labels.collector }} has brought nothing new on {{ $labels.instance }} for "
        f"{_missing(parameters)}: what it measures is not seen.",
        keep_firing_seconds=parameters.timing.hold(GAP_SECONDS),
        variant="collector",
    )


def _hanging_driver(parameters: Parameters) -> Rule:
    labels = (*_EXPORTER, "collector", c.GPU)
    limit = promql.number(parameters.timing.hold(parameters.limits.driver_call_seconds))
    return Rule(
        expr=f"max by ({', '.join(labels)}) ({s.EXPORTER_CALL_IN_FLIGHT}) > {limit}",
        labels=labels,
        severity=Severity.TICKET,
        summary="A driver call about GPU {{ $labels.gpu }} on {{ $labels.instance }} has not returned for "
        "{{ $value | humanizeDuration }}.",
        keep_firing_seconds=parameters.timing.hold(GAP_SECONDS),
        variant="driver",
    )


def _failing_discovery(parameters: Parameters) -> Rule:
    return Rule(
        expr=_lasting_failure(parameters, s.EXPORTER_DISCOVERY_SUCCESS, "source"),
        labels=(*_EXPORTER, "source"),
        severity=Severity.TICKET,
        summary="{{ $labels.instance }} has not been able to look for servers ({{ $labels.source }}) for "
        f"{_missing(parameters)}: new ones are not watched.",
        keep_firing_seconds=parameters.timing.hold(GAP_SECONDS),
        variant="discovery",
    )


def _lasting_failure(parameters: Parameters, success: Signal, label: str, matcher: str = "") -> str:
    window = parameters.timing.window(parameters.limits.metrics_missing_seconds)
    failing = f"max_over_time({promql.select(success, matcher)}[{window}]) == 0 and {success} offset {window} == 0"
    return f"max by ({', '.join((*_EXPORTER, label))}) ({failing})"


def _missing(parameters: Parameters) -> str:
    return promql.duration(parameters.timing.hold(parameters.limits.metrics_missing_seconds))


def _drift_monitor_stale(parameters: Parameters) -> Fault:
    timing, limits = parameters.timing, parameters.limits
    # The last word of a watcher that died counts, too, for a day. By job: a new pod has a new instance.
    last = f"max by (job) (last_over_time({s.WATCH_LAST_SUCCESS}[{timing.window(86_400)}]))"
    return Fault(
        name="DriftMonitorStale",
        family=Family.BLINDNESS,
        meaning="The detectors of drift have not finished a round for a long time, or cannot judge one of the models.",
        impact="None at once. Drift that begins now is not found; the charts of drift show the last verdict, not the present.",
        rules=(
            Rule(
                expr=f"time() - {last} > {promql.number(timing.hold(limits.drift_monitor_age_seconds))}",
                labels=("job",),
                severity=Severity.TICKET,
                summary="The detectors of {{ $labels.job }} finished their last round {{ $value | humanizeDuration }} ago.",
                for_seconds=timing.hold(60),
            ),
            _unwatched_model(parameters),
        ),
        panel=Panel(
            title="Time since the last round of the detectors",
            description="No line: no detectors run here, or none did in the last day.",
            queries=((f"time() - {last}", "{{job}}"),),
            unit="s",
            limit=limits.drift_monitor_age_seconds,
        ),
        why=(
            "A detector that has died finds nothing, which looks like good news. Only where a watcher runs, or ran within "
            "the last day: nobody needs to have one."
        ),
        look_alike="No watcher at all, and a restart of the watcher.",
        scenario="drift_monitor_stale",
    )


def _unwatched_model(parameters: Parameters) -> Rule:
    timing = parameters.timing
    seconds, by = parameters.limits.drift_monitor_age_seconds, f"job, {c.MODEL}"
    window = timing.window(seconds)
    return Rule(
        expr=(
            f"max by ({by}) (max_over_time({s.WATCH_SUCCESS}[{window}])) == 0\n"
            f"and max by ({by}) ({s.WATCH_SUCCESS} offset {window}) == 0"
        ),
        labels=("job", c.MODEL),
        severity=Severity.TICKET,
        summary=(
            "The detectors of {{ $labels.job }} have not been able to judge {{ $labels.model }} for "
            f"{promql.duration(timing.hold(seconds))}: its reference or its counts cannot be had."
        ),
        keep_firing_seconds=timing.hold(GAP_SECONDS),
        variant="model",
    )
