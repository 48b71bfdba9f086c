"""The demo: a simulated fleet, a scenario, and the real way of its alert, told step by step.

Called by `atlas_ops.cli.demo`. Every scenario runs: a fault has to raise its alert and to be resolved after it, what only
looks like a fault has to raise nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from atlas_ops import settings as settings_module
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Severity
from atlas_ops.settings import Discovery, Probe, Server, Settings
from atlas_ops.simulator import Scenario
from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.gpu import server_pid
from atlas_ops.simulator.outside import CONTAINER, NAMESPACE, container_id, pod_name
from atlas_ops.simulator.probing import PROBE_API, PROBE_SECONDS
from atlas_ops.stage.conductor import Conductor, FoundServers
from atlas_ops.stage.fleet import RemoteFleet
from atlas_ops.stage.host_tree import HostTree, Pod
from atlas_ops.stage.observer import Observer, Step, is_resolved
from atlas_ops.stage.processes import Process, free_port
from atlas_ops.stage.slack_standin import SlackStandIn
from atlas_ops.stage.stack import Slack, Stack

TOKEN = "xoxb-demo"  # noqa: S105 - the stand-in's own made-up token
CHANNEL = "ml-oncall"
WARM_UP_SECONDS = 20.0
"""Calm before the fault: the rates need some history, or the first burst looks like the whole past."""
USUAL_CALM_MINUTES = 40.0
"""What a scenario has before it unless it says otherwise. Who asks for more has a rule that looks back on it: the demo then
plays what is more, and else spares its watcher the wait."""
DELIVERY_SECONDS = 60.0
"""How much later than in its scenario's time an alert may come: scrapes, Alertmanager's waits for tickets, a busy machine."""
RESOLVE_SECONDS = 180.0
"""The same for its end: tickets are told to be over once in a while only."""
HOLD_SECONDS = 10.0
"""How long the fault goes on after its alert, so that there is something to look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a demo went."""

    passed: bool
    verdict: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long the parts of a scenario take here, in seconds."""

    calm: float
    active: float
    after: float

    @classmethod
    def of(cls, scenario: Scenario, settings: Settings) -> Pace:
        """Return the times of a scenario, shortened as the windows of the rules are."""
        minute = 60 * settings.parameters.timing.scale
        calm = max(WARM_UP_SECONDS, (scenario.calm_minutes - USUAL_CALM_MINUTES) * minute)
        return cls(calm=calm, active=scenario.active_minutes * minute, after=scenario.after_minutes * minute)


class Demo:
    """A running stack with a simulated fleet, ready to have its fault injected."""

    def __init__(self, stack: Stack, fleet: RemoteFleet, scenario: Scenario, observer: Observer) -> None:
        self.stack = stack
        self.scenario = scenario
        self.observer = observer
        self.pace = Pace.of(scenario, stack.settings)
        self._fleet = fleet

    def run(self, *, active_seconds: float | None = None) -> Result:
        """Play the scenario once: a fault until its alert is resolved, anything else for its time, or `active_seconds`."""
        self.observer.note(f"warming up for {self.pace.calm:.0f} s")
        self.observer.wait(lambda: False, seconds=self.pace.calm)
        self.observer.start_clock()
        fault = self.scenario.expected_fault
        if fault is None:
            return self._quiet(self.pace.active if active_seconds is None else active_seconds)
        return self._fault(fault)

    def _fault(self, fault: str) -> Result:
        self._fleet.set_fault(active=True)
        self.observer.note(f"fault injected: {self.scenario.description}")
        patience = self.pace.active + DELIVERY_SECONDS
        if not self.observer.wait(lambda: self._raised(fault), seconds=patience):
            return self._result(passed=False, verdict=f"no alert of {fault} within {patience:.0f} s")
        raised = self.observer.seconds
        self.observer.wait(lambda: False, seconds=HOLD_SECONDS)
        self._fleet.set_fault(active=False)
        self.observer.note("fault mended")
        mended = self.observer.seconds
        patience = self.pace.after + RESOLVE_SECONDS
        if not self.observer.wait(lambda: self._resolved(fault), seconds=patience):
            return self._result(passed=False, verdict=f"{fault} was not resolved within {patience:.0f} s")
        resolved = self.observer.seconds
        return self._result(
            passed=True,
            verdict=f"{fault}: raised {raised:.0f} s after the fault, resolved {resolved - mended:.0f} s after it was mended",
        )

    def _quiet(self, seconds: float) -> Result:
        self._fleet.set_fault(active=True)
        self.observer.note(
            f"{self.scenario.description} Watching for {seconds:.0f} s that nothing comes but the heartbeat"
        )
        self.observer.wait(lambda: bool(self.observer.pages()), seconds=seconds)
        pages = self.observer.pages()
        heartbeat = self.stack.prometheus.query("atlas_pager_last_heartbeat_timestamp_seconds")
        if not heartbeat or time.time() - heartbeat[0].value > seconds + self.pace.calm:
            return self._result(passed=False, verdict="the heartbeat did not reach the pager")
        verdict = f"a message about nothing: {pages[0].text}" if pages else "no message; the heartbeat arrived"
        return self._result(passed=not pages, verdict=verdict)

    def _raised(self, fault: str) -> bool:
        """Say whether people were told; of what is for information nobody is, so there it has to fire."""
        return fault in self.observer.firing if self._silent(fault) else self.observer.page(fault) is not None

    def _resolved(self, fault: str) -> bool:
        if self._silent(fault):
            return fault not in self.observer.firing
        page = self.observer.page(fault)
        return page is not None and is_resolved(page)

    def _silent(self, fault: str) -> bool:
        """Say whether a fault is for information alone."""
        catalog = build_catalog(self.stack.settings.parameters)
        return any(one.name == fault and one.severity is Severity.INFO for one in catalog.faults)

    def _result(self, *, passed: bool, verdict: str) -> Result:
        return Result(passed=passed, verdict=verdict, steps=tuple(self.observer.steps))


@contextmanager
def running(
    folder: Path,
    scenario: Scenario,
    *,
    servers: tuple[Server, ...] = (),
    traces: Path | None = None,
    tell: Callable[[Step], None],
) -> Iterator[Demo]:
    """Start everything that the demo needs, and stop all of it at the end. `traces`: a folder of recorded traffic."""
    settings = settings_module.demo()
    fleet = RemoteFleet(f"http://127.0.0.1:{free_port()}")
    with ExitStack() as running:
        running.enter_context(_simulator(folder, fleet, scenario, settings, traces))
        slack = running.enter_context(SlackStandIn(token=TOKEN, channel=CHANNEL))
        simulated = _servers(fleet, scenario, settings)
        found = FoundServers(folder / "servers.json", simulated)
        found.write(fleet.state())
        tree = HostTree(folder / "host", [host_pod(index) for index in range(len(simulated))])
        tree.create()
        listed = servers if _comes_and_goes(scenario) else (*simulated, *servers)
        files = (str(folder / "servers.json"),) if _comes_and_goes(scenario) else ()
        exporter = replace(settings.exporter, host_root=str(tree.root), expected_gpus=len(simulated))
        stack = Stack(
            folder,
            replace(settings, exporter=exporter, discovery=Discovery(files=files)),
            slack=Slack(url=slack.url, token=TOKEN, channel=CHANNEL, webhook_url=slack.webhook_url),
            servers=listed,
            simulator=fleet.url,
        )
        running.enter_context(stack)
        running.enter_context(Conductor(fleet, stack, slack, tree, found))
        yield Demo(stack, fleet, scenario, Observer(stack.prometheus, slack, tell))


@contextmanager
def _simulator(
    folder: Path, fleet: RemoteFleet, scenario: Scenario, settings: Settings, traces: Path | None
) -> Iterator[None]:
    arguments = {
        "listen": fleet.url.removeprefix("http://"),
        "scenario": scenario.name,
        "replicas": str(scenario.servers),
        "scale": str(settings.parameters.timing.scale),
    } | ({"traces": str(traces)} if traces else {})
    flags = [text for name, value in arguments.items() for text in (f"--{name}", value)]
    command = [sys.executable, "-m", "atlas_ops", "simulate", *flags]
    with Process("simulate", command, log=folder / "simulate.log") as simulator:
        simulator.wait_until_ready(f"{fleet.url}/state")
        yield


def _servers(fleet: RemoteFleet, scenario: Scenario, settings: Settings) -> tuple[Server, ...]:
    """Return the simulated servers; they are probed only where the scenario says how that ends."""
    scale = settings.parameters.timing.scale
    probe = Probe(
        model="llama-3.1-8b-instruct",
        api=PROBE_API,
        interval_seconds=PROBE_SECONDS * scale,
        timeout_seconds=PROBE_SECONDS * scale / 2,
    )
    return tuple(
        Server(
            url=url,
            namespace=NAMESPACE,
            pod=pod_name(index),
            container=CONTAINER,
            probes=(probe,) if any(effect.server(index).probe for effect in _effects(scenario)) else (),
        )
        for index, url in enumerate(fleet.state().servers)
    )


def host_pod(index: int) -> Pod:
    """Return the pod of server `index`."""
    return Pod(
        namespace=NAMESPACE,
        name=pod_name(index),
        container=CONTAINER,
        uid=f"{index + 1:08x}-0000-4000-8000-000000000000",
        container_id=container_id(index),
        pid=server_pid(index),
    )


def _comes_and_goes(scenario: Scenario) -> bool:
    """Say whether servers come, go or change their track: then the exporter finds them in a file."""
    return any(
        effect.present is not None or any(effect.server(index).track for index in range(scenario.servers))
        for effect in _effects(scenario)
    )


def _effects(scenario: Scenario) -> tuple[Effect, ...]:
    return (scenario.calm, *(phase.effect for phase in scenario.course))
