"""Scenarios of the faults of capacity."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.catalog.model import Severity
from atlas_ops.simulator.effects import AutoscalerEffect, Effect, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT, CROWD, DOCUMENTS, LIGHT, REPORTS
from atlas_ops.simulator.traffic import Lengths

# A share is compared with its own past, of which there has to be some; little traffic is enough for that.
_QUIET = replace(CHAT, requests_per_second=0.5)
_PAST_MINUTES = 180.0
# Few requests with answers so long that the cache runs full of them: they throw each other out, and nobody else comes.
_ESSAYS = replace(
    CHAT,
    requests_per_second=0.6,
    prompt_tokens=Lengths(median=100, sigma=0.3, maximum=6144),
    output_tokens=Lengths(median=5000, sigma=0.1, maximum=6000),
    max_tokens=6000,
    patience_seconds=1.0,
)
# Just more than the slots can take, from clients who leave before the wait is long.
_RUSH = replace(CROWD, requests_per_second=28.0, patience_seconds=1.5)
_SCALED = replace(CALM, autoscaler=AutoscalerEffect(desired=2, ready=2, maximum=16))
_LOADING = replace(LIGHT, servers={2: ServerEffect(load_seconds=900.0)})


def _asked_for(desired: int) -> Effect:
    """Return a crowd for which the autoscaler asks for replicas that do not come."""
    return Effect(traffic=CROWD, autoscaler=AutoscalerEffect(desired=desired, ready=2, maximum=16))


def _every(server: ServerEffect) -> Effect:
    return Effect(traffic=_QUIET, every_server=server)


SCENARIOS = (
    Scenario(
        name="kv_pressure",
        description="Long documents fill the KV cache: running requests are thrown out and computed again.",
        expected_fault="KvCachePressure",
        companions={"TimeToFirstTokenSloBurn": Severity.PAGE, "WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=Effect(traffic=DOCUMENTS)),),
    ),
    Scenario(
        name="queue_backlog",
        description="A crowd of short requests takes every slot, and the queue grows faster than it is worked off.",
        expected_fault="QueueBacklog",
        companions={"TimeToFirstTokenSloBurn": Severity.PAGE, "WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=Effect(traffic=CROWD)),),
        active_minutes=10.0,
    ),
    Scenario(
        name="preemption_storm",
        description="A few clients ask for answers of thousands of tokens, which throw each other out of the KV cache.",
        expected_fault="PreemptionStorm",
        companions={
            "KvCachePressure": Severity.PAGE,
            "RequestLatencySloBurn": Severity.PAGE,
            "WorkloadMixShift": Severity.TICKET,
        },
        calm=CALM,
        course=(Phase(effect=Effect(traffic=_ESSAYS)),),
        active_minutes=45.0,
    ),
    Scenario(
        name="prefix_cache_collapse",
        description="A new release puts the date in front of the system prompt, and the prefix cache finds nothing any more.",
        expected_fault="PrefixCacheCollapse",
        calm=_every(ServerEffect(cached_share=0.6)),
        calm_minutes=_PAST_MINUTES,
        course=(Phase(effect=_every(ServerEffect(cached_share=0.02))),),
        active_minutes=45.0,
    ),
    Scenario(
        name="requests_rejected",
        description="A crowd meets servers with a short limit on their queues, which turn every third request away.",
        expected_fault="RequestsRejected",
        companions={"AvailabilitySloBurn": Severity.PAGE, "WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(
            Phase(
                effect=Effect(
                    traffic=replace(CROWD, requests_per_second=40.0), every_server=ServerEffect(queue_limit=8)
                )
            ),
        ),
        active_minutes=10.0,
    ),
    Scenario(
        name="capacity_headroom_low",
        description="Long reports keep the KV cache seven eighths full for more than an hour, and nobody waits yet.",
        expected_fault="CapacityHeadroomLow",
        companions={"PrefixCacheCollapse": Severity.TICKET, "WorkloadMixShift": Severity.TICKET},
        calm=CALM,
        course=(Phase(effect=Effect(traffic=REPORTS)),),
        active_minutes=110.0,
    ),
    Scenario(
        name="autoscaling_cascade",
        description="The autoscaler answers a crowd with more and more replicas, which load for ever while the queue grows.",
        expected_fault="AutoscalingCascade",
        companions={"QueueBacklog": Severity.PAGE, "TimeToFirstTokenSloBurn": Severity.PAGE},
        calm=_SCALED,
        course=(
            Phase(effect=_asked_for(2), minutes=2),
            Phase(effect=_asked_for(4), minutes=4),
            Phase(effect=_asked_for(7), minutes=4),
            Phase(effect=_asked_for(11), minutes=4),
            Phase(effect=_asked_for(16)),
        ),
    ),
    Scenario(
        name="autoscaler_at_maximum",
        description="Every slot of a fleet that may not grow is taken, and a dozen requests wait in front of each server.",
        expected_fault="AutoscalerAtMaximum",
        companions={"WorkloadMixShift": Severity.TICKET},
        calm=replace(CALM, autoscaler=AutoscalerEffect(desired=2, ready=2, maximum=2)),
        course=(Phase(effect=Effect(traffic=_RUSH, autoscaler=AutoscalerEffect(desired=2, ready=2, maximum=2))),),
        active_minutes=20.0,
    ),
    Scenario(
        name="cold_start_slow",
        description="A third server takes a quarter of an hour to load its model, because the registry is slow.",
        expected_fault="ColdStartSlow",
        companions={"ModelNotReady": Severity.PAGE},
        calm=replace(CALM, present=2),
        course=(Phase(effect=replace(CALM, servers={2: ServerEffect(load_seconds=900.0)})),),
        active_minutes=40.0,
        servers=3,
    ),
    Scenario(
        name="cold_start_remembered",
        description="A third server takes a quarter of an hour to load its model; every half hour one scrape gets lost.",
        expected_fault="ColdStartSlow",
        companions={"ModelNotReady": Severity.PAGE},
        calm=replace(LIGHT, present=2),
        # Long enough that a lost scrape is an hour ago when the ticket is over: it must not come again.
        course=(
            Phase(effect=_LOADING, minutes=29.75),
            Phase(effect=replace(_LOADING, scrape_lost=True), minutes=0.25),
        ),
        active_minutes=100.0,
        servers=3,
    ),
    Scenario(
        name="speculation_collapse",
        description="A new release of the model goes out with the old draft model, whose guesses are hardly ever right.",
        expected_fault="SpeculationCollapse",
        calm=_every(ServerEffect(accepted_share=0.7)),
        calm_minutes=_PAST_MINUTES,
        course=(Phase(effect=_every(ServerEffect(accepted_share=0.1))),),
        active_minutes=45.0,
    ),
    Scenario(
        name="lora_thrashing",
        description="More customers than a server has places for LoRA adapters ask at the same time, each for its own.",
        expected_fault="LoraThrashing",
        calm=replace(CALM, every_server=ServerEffect(adapters_running=2)),
        course=(Phase(effect=replace(CALM, every_server=ServerEffect(adapters_running=4, adapters_waiting=3))),),
        active_minutes=40.0,
    ),
)
