"""The demo: a simulated fleet, a fault, and the real way of its page, told step by step.

Called by `atlas_ops.cli.demo`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import settings as settings_module
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.settings import Server
from atlas_ops.simulator import Scenario
from atlas_ops.stage.observer import Observer, Step, is_resolved
from atlas_ops.stage.processes import Process, free_port, get, post
from atlas_ops.stage.slack_standin import SlackStandIn
from atlas_ops.stage.stack import Slack, Stack

TOKEN = "xoxb-demo"  # noqa: S105 - the stand-in's own made-up token
CHANNEL = "ml-oncall"
WARM_UP_SECONDS = 20.0
"""Calm before the fault: the rates need some history, or the first burst looks like the whole past."""
PAGE_SECONDS = 120.0
"""A page that has not come by then is not coming: the windows of the demo profile are seconds long."""
RESOLVE_SECONDS = 240.0
HOLD_SECONDS = 10.0
"""How long the fault goes on after its page, so that there is something to look at."""
CALM_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a demo went."""

    passed: bool
    verdict: str
    steps: tuple[Step, ...]


class Demo:
    """A running stack with a simulated fleet, ready to have its fault injected."""

    def __init__(self, stack: Stack, control: str, scenario: Scenario, observer: Observer) -> None:
        self.stack = stack
        self.scenario = scenario
        self.observer = observer
        self._control = control

    def run(self, *, calm_seconds: float = CALM_SECONDS) -> Result:
        """Play the scenario once: inject the fault, wait for its page, mend it, wait for the resolve."""
        self.observer.note(f"warming up for {WARM_UP_SECONDS:.0f} s")
        self.observer.wait(lambda: False, seconds=WARM_UP_SECONDS)
        self.observer.start_clock()
        fault = self.scenario.expected_fault
        return self._calm(calm_seconds) if fault is None else self._fault(fault)

    def _fault(self, fault: str) -> Result:
        self._inject(active=True)
        self.observer.note(f"fault injected: {self.scenario.description}")
        if not self.observer.wait(lambda: self.observer.page(fault) is not None, seconds=PAGE_SECONDS):
            return self._result(passed=False, verdict=f"no page for {fault} within {PAGE_SECONDS:.0f} s")
        paged = self.observer.steps[-1].seconds
        self.observer.wait(lambda: False, seconds=HOLD_SECONDS)
        self._inject(active=False)
        self.observer.note("fault mended")
        mended = self.observer.steps[-1].seconds
        if not self.observer.wait(lambda: self._resolved(fault), seconds=RESOLVE_SECONDS):
            return self._result(passed=False, verdict=f"{fault} was not resolved within {RESOLVE_SECONDS:.0f} s")
        resolved = self.observer.steps[-1].seconds
        return self._result(
            passed=True,
            verdict=f"{fault}: paged {paged:.0f} s after the fault, resolved {resolved - mended:.0f} s after it was mended",
        )

    def _calm(self, seconds: float) -> Result:
        self.observer.note(f"calm: watching for {seconds:.0f} s that nothing pages but the heartbeat")
        self.observer.wait(lambda: bool(self.observer.pages()), seconds=seconds)
        pages = self.observer.pages()
        heartbeat = self.stack.prometheus.query("atlas_pager_last_heartbeat_timestamp_seconds")
        if not heartbeat or time.time() - heartbeat[0].value > seconds + WARM_UP_SECONDS:
            return self._result(passed=False, verdict="the heartbeat did not reach the pager")
        verdict = f"a page in calm: {pages[0].text}" if pages else "no page; the heartbeat arrived"
        return self._result(passed=not pages, verdict=verdict)

    def _resolved(self, fault: str) -> bool:
        page = self.observer.page(fault)
        return page is not None and is_resolved(page)

    def _inject(self, *, active: bool) -> None:
        status, _ = post(f"{self._control}/-/fault?active={'true' if active else 'false'}")
        if status != 200:
            raise EnvironmentProblem(
                "the simulator did not take the fault", next_step="read simulate.log in the folder"
            )

    def _result(self, *, passed: bool, verdict: str) -> Result:
        return Result(passed=passed, verdict=verdict, steps=tuple(self.observer.steps))


@contextmanager
def running(
    folder: Path, scenario: Scenario, *, servers: tuple[Server, ...] = (), tell: Callable[[Step], None]
) -> Iterator[Demo]:
    """Start everything that the demo needs, and stop all of it at the end."""
    control = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "atlas_ops", "simulate", "--listen", control.removeprefix("http://")]
    with (
        Process("simulate", [*command, "--scenario", scenario.name], log=folder / "simulate.log") as simulator,
        SlackStandIn(token=TOKEN, channel=CHANNEL) as slack,
    ):
        simulator.wait_until_ready(f"{control}/state")
        stack = Stack(
            folder,
            settings_module.demo(),
            slack=Slack(url=slack.url, token=TOKEN, channel=CHANNEL),
            servers=(*_simulated(control), *servers),
            simulated_gpus=control,
        )
        with stack:
            yield Demo(stack, control, scenario, Observer(stack.prometheus, slack, tell))


def _simulated(control: str) -> tuple[Server, ...]:
    state = json.loads(get(f"{control}/state")[1])
    return tuple(
        Server(url=url, namespace="demo", pod=f"llama-{number}") for number, url in enumerate(state["servers"])
    )
