"""Faults of sight at a model server: it serves, and does not tell what the rules need."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import since
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import GAP_SECONDS, Parameters

MUTE, MUTE_SINCE = "server:atlas_metrics_disabled:group", "server:atlas_metrics_disabled:since_seconds"
MISSING, MISSING_SINCE = "server:atlas_signal_missing:group", "server:atlas_signal_missing:since_seconds"
_STATES = 'state=~"disabled|unauthorized|empty"'


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this topic."""
    return (_server_metrics_disabled(parameters), _signal_unresolved(parameters))


def _server_metrics_disabled(parameters: Parameters) -> Fault:
    timing, labels = parameters.timing, (*c.SERVER_IDENTITY, "state")
    states = promql.select(s.SERVER_SCRAPE_STATE, _STATES)
    # From one evaluation to the next: whatever else is told meanwhile is seen, and a lost scrape is not missed.
    mute = f"min_over_time({states}[{promql.duration(timing.unhurried_seconds)}]) == 1"
    return Fault(
        name="ServerMetricsDisabled",
        family=Family.BLINDNESS,
        meaning="The server answers, but its metrics page is switched off, locked, or says nothing that is known.",
        impact="Its users are served, but no fault of this server can be seen: slow, full or failing, it stays silent.",
        recordings=_recordings(MUTE, MUTE_SINCE, labels, mute),
        rules=(
            Rule(
                expr=_lasting(MUTE_SINCE, parameters),
                labels=labels,
                severity=Severity.TICKET,
                summary=(
                    "The metrics page of {{ $labels.server }} ({{ $labels.runtime }}) has been {{ $labels.state }} for "
                    f"{promql.duration(timing.hold(parameters.limits.metrics_missing_seconds))}: none of its faults can be seen."
                ),
                keep_firing_seconds=timing.hold(GAP_SECONDS),
            ),
        ),
        panel=Panel(
            title="Servers that answer and tell nothing",
            description="1: the page is disabled (404), unauthorized (401, 403) or empty (no metric that is known).",
            queries=((f"max by ({c.SERVER}, state) ({states}) > 0", "{{server}} {{state}}"),),
            unit="short",
            empty="while every server that answers tells something",
        ),
        why=(
            "It is nobody's outage, so it can wait for the morning. A quarter of an hour outlasts a rollout, and the first "
            "minutes of a server that has a page before it has metrics. Every runtime has these states."
        ),
        look_alike="A rollout during which the page is locked for some minutes, and a new server that is empty at first.",
        scenario="metrics_disabled",
    )


def _signal_unresolved(parameters: Parameters) -> Fault:
    timing, labels = parameters.timing, (*c.SERVER_IDENTITY, "signal")
    missing = f"max_over_time({s.SIGNAL_RESOLVED}[{promql.duration(timing.unhurried_seconds)}]) == 0"
    return Fault(
        name="SignalUnresolved",
        family=Family.BLINDNESS,
        meaning="A metric that this version of the runtime should have is not on its page: it was renamed or switched off.",
        impact="None for users. The rules that read this signal cannot fire for this server, whatever happens to it.",
        recordings=_recordings(MISSING, MISSING_SINCE, labels, missing),
        rules=(
            Rule(
                expr=_lasting(MISSING_SINCE, parameters),
                labels=labels,
                severity=Severity.TICKET,
                summary=(
                    "{{ $labels.server }} ({{ $labels.runtime }}) does not give {{ $labels.signal }}, which its version "
                    "should have: rules that read it cannot fire for this server."
                ),
                keep_firing_seconds=timing.hold(GAP_SECONDS),
            ),
        ),
        panel=Panel(
            title="Signals that are missing",
            description="Servers on whose page a signal is not found that their version should have, by signal.",
            queries=(
                (f"count by ({c.RUNTIME}, signal) ({s.SIGNAL_RESOLVED} == 0)", "{{runtime}} {{signal}}"),
                (f"count({s.SIGNAL_RESOLVED} == 0) or vector(0)", "all"),
            ),
            unit="short",
            limit=1,
        ),
        why=(
            "Runtimes rename metrics in minor releases, and a rule without its metric is silent for ever. What a version "
            "need not have, or has only after its first request, is not expected of it."
        ),
        look_alike="A server that has had no request yet, and a page that lacks a metric for some minutes in a rollout.",
        scenario="signal_unresolved",
    )


def _recordings(name: str, name_since: str, labels: tuple[str, ...], held: str) -> tuple[Recording, ...]:
    """Return the recordings of where a condition holds, and since when."""
    return Recording(name=name, expr=f"group by ({', '.join(labels)}) ({held})"), since.recording(name_since, name)


def _lasting(name: str, parameters: Parameters) -> str:
    seconds = parameters.timing.hold(parameters.limits.metrics_missing_seconds)
    return f"time() - {name} >= {promql.number(seconds)}"
