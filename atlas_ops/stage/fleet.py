"""The simulated fleet as the stage sees it: over its control address alone. Used by `stage.demo` and `stage.conductor`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.stage.processes import get, post


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetState:
    """What concerns the parts around the fleet."""

    servers: tuple[str, ...]
    """Base addresses."""
    there: tuple[bool, ...]
    """Which of them are not scaled away."""
    tracks: tuple[str, ...]
    memory_kills: tuple[int, ...]
    foreign_memory_kills: int
    """Of processes that are no model servers."""
    exporter_restarts: int
    scrape_lost: bool
    prometheus_away: bool
    pager_failing: bool


class RemoteFleet:
    """The fleet that is steered at `url`, http://HOST:PORT."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> FleetState:
        """Return its state; EnvironmentProblem when it does not answer."""
        status, body = get(f"{self.url}/state")
        if status != 200:
            raise EnvironmentProblem("the simulator does not answer", next_step="read simulate.log in the folder")
        told = json.loads(body)
        return FleetState(
            servers=tuple(told["servers"]),
            there=tuple(answer is not None for answer in told["answers"]),
            tracks=tuple(told["tracks"]),
            memory_kills=tuple(told["memory_kills"]),
            foreign_memory_kills=told["foreign_memory_kills"],
            exporter_restarts=told["exporter_restarts"],
            scrape_lost=told["scrape_lost"],
            prometheus_away=told["prometheus_away"],
            pager_failing=told["pager_failing"],
        )

    def set_fault(self, *, active: bool) -> None:
        """Switch the fault on or off; EnvironmentProblem when that is refused."""
        self._order(f"fault?active={'true' if active else 'false'}")

    def choose(self, scenario: str) -> None:
        """Change the scenario."""
        self._order(f"scenario?name={quote(scenario)}")

    def _order(self, what: str) -> None:
        status, _ = post(f"{self.url}/-/{what}")
        if status != 200:
            raise EnvironmentProblem("the simulator did not take an order", next_step="read simulate.log in the folder")
