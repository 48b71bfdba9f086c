"""Scenarios of the faults of availability."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import Answer, ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

_PROBED = replace(CALM, every_server=ServerEffect(probe="ok"))


def _of_server_0(effect: ServerEffect) -> tuple[Phase, ...]:
    return (Phase(effect=replace(CALM, servers={0: effect})),)


SCENARIOS = (
    Scenario(
        name="engine_stalled",
        description="The engine of server 0 hangs with requests inside, while its HTTP server goes on answering 200.",
        expected_fault="EngineStalled",
        calm=CALM,
        course=_of_server_0(ServerEffect(stalled=True)),
    ),
    Scenario(
        name="server_down",
        description="The process of server 0 is gone, and nothing starts it again.",
        expected_fault="ModelServerDown",
        calm=CALM,
        course=_of_server_0(ServerEffect(answer=Answer.REFUSED)),
    ),
    Scenario(
        name="model_not_ready",
        description="Server 0 answers its metrics page and says for good that it is not ready.",
        expected_fault="ModelNotReady",
        calm=CALM,
        course=_of_server_0(ServerEffect(ready=False)),
        active_minutes=30,
    ),
    Scenario(
        name="crash_looping",
        description="Server 0 crashes every six minutes and comes back each time within a minute.",
        expected_fault="CrashLooping",
        calm=CALM,
        course=_of_server_0(ServerEffect(restart_every_minutes=6)),
        after_minutes=40,
    ),
    Scenario(
        name="out_of_memory",
        description="The kernel kills server 0 because its container has no memory left, once; it comes back.",
        expected_fault="OutOfMemoryKilled",
        calm=CALM,
        course=_of_server_0(ServerEffect(restart_every_minutes=1440, killed_for_memory=True)),
    ),
    Scenario(
        name="replica_straggler",
        description="Server 0 of four takes nearly twice as long for every step as the others, with the same load.",
        expected_fault="ReplicaStraggler",
        calm=CALM,
        course=_of_server_0(ServerEffect(slowness=1.8)),
        active_minutes=40,
        servers=4,
    ),
    Scenario(
        name="probe_failing",
        description="Server 0 is ready and its metrics look well, and every probe of it gets an error inside of HTTP 200.",
        expected_fault="ProbeFailing",
        calm=_PROBED,
        course=(Phase(effect=replace(_PROBED, servers={0: ServerEffect(probe="error_in_answer")})),),
    ),
    Scenario(
        name="failing_requests",
        description="One request in ten ends in an error of the server; the others are answered as ever.",
        expected_fault="AvailabilitySloBurn",
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_server=ServerEffect(failing_share=0.1))),),
    ),
)
