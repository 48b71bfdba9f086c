"""Scenarios of the faults of blindness."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import Answer, Effect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

_UPGRADED = ServerEffect(
    version="0.33.0", lost_metrics=("vllm:num_requests_waiting",), restart_every_minutes=1440.0
)  # it begins with the restart


def _server(effect: ServerEffect) -> Effect:
    return replace(CALM, servers={0: effect})


SCENARIOS = (
    Scenario(
        name="exporter_down",
        description="The exporter hangs: Prometheus gets nothing from it, and servers and GPUs go on unseen.",
        expected_fault="ExporterDown",
        calm=CALM,
        course=(Phase(effect=replace(CALM, scrape_lost=True)),),
    ),
    Scenario(
        name="metrics_disabled",
        description="Server 0 comes back from a rollout with its metrics page switched off, and serves on.",
        expected_fault="ServerMetricsDisabled",
        calm=CALM,
        course=(Phase(effect=_server(ServerEffect(answer=Answer.DISABLED))),),
        active_minutes=25.0,
    ),
    Scenario(
        name="signal_unresolved",
        description="An upgrade of server 0, the first of the fleet, renames the gauge of waiting requests.",
        expected_fault="SignalUnresolved",
        calm=CALM,
        course=(Phase(effect=_server(_UPGRADED)),),
        active_minutes=25.0,
    ),
    Scenario(
        name="gauges_frozen",
        description="A proxy before server 0 gives out the metrics page of one moment again and again.",
        expected_fault="GaugesFrozen",
        # From outside it cannot be told from a hung engine, which is worth a page.
        companions={"EngineStalled": Severity.PAGE},
        calm=CALM,
        course=(Phase(effect=_server(ServerEffect(answer=Answer.FROZEN))),),
        active_minutes=40.0,
    ),
    Scenario(
        name="drift_monitor_stale",
        description="The detectors of drift stop going round.",
        expected_fault="DriftMonitorStale",
        calm=CALM,
        course=(Phase(effect=replace(CALM, detectors_silent=True)),),
        active_minutes=75.0,
    ),
    Scenario(
        name="pager_failing",
        description="The engine of server 0 hangs, and Slack refuses the page.",
        expected_fault="PagerDeliveryFailing",
        companions={"EngineStalled": Severity.PAGE},
        calm=CALM,
        course=(Phase(effect=replace(_server(ServerEffect(stalled=True)), pager_failing=True)),),
    ),
)
