"""The simulated fleet on the network: every model server on its own port, and one port to steer the simulation.

Run by `atlas-ops simulate`; the demo and the end-to-end tests steer it over HTTP.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from atlas_ops.errors import UsageError
from atlas_ops.simulator.fleet import Fleet
from atlas_ops.simulator.listener import Listener, Respond
from atlas_ops.simulator.model_server import ModelServer
from atlas_ops.simulator.steering import Steering

PACE_SECONDS = 0.05
"""Real time between two moves of the fleet."""
SLICE_SECONDS = 0.5
"""Simulated time of which one move consists at most: nobody can read a page during a move."""
LAG_SECONDS = 1.0
"""Real time that is made up for after a pause. The rest is left out: a slow machine falls behind and never chokes."""


class SimulatorServer:
    """A fleet that lives in real time times `speed` (0: it stands still), from `start` to `stop` or inside a `with` block.

    `ports` are those of the model servers in order; the ones not given, and 0, are chosen free. They are bound at once:
    EnvironmentProblem when one is taken, UsageError when there are more ports than servers.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        host: str = "127.0.0.1",
        ports: Sequence[int] = (),
        control_port: int = 0,
        speed: float = 1.0,
    ) -> None:
        surplus = len(ports) - len(fleet.replicas)
        if surplus > 0:
            raise UsageError(
                f"{surplus} ports more than model servers", next_step="give one port for each server, or fewer"
            )
        self._fleet = fleet
        self._speed = speed
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._driver = threading.Thread(target=self._drive, name="simulated time")
        steering = Steering(fleet, self._lock, speed=speed, servers=lambda: self.server_urls)
        self._servers = tuple(
            ModelServer(fleet, index, self._lock, self._stopping) for index in range(len(fleet.replicas))
        )
        responders: list[Respond] = [steering.respond, *(server.respond for server in self._servers)]
        numbers = [control_port, *ports, *[0] * -surplus]
        self._listeners: list[Listener] = []
        with contextlib.ExitStack() as undo:
            for number, respond in zip(numbers, responders, strict=True):
                self._listeners.append(Listener(host, number, respond))
                undo.callback(self._listeners[-1].stop)
            undo.pop_all()

    @property
    def control_url(self) -> str:
        """Where the simulation is steered: `http://HOST:PORT`."""
        return self._listeners[0].url

    @property
    def server_urls(self) -> tuple[str, ...]:
        """The model servers' base addresses, in order."""
        return tuple(listener.url for listener in self._listeners[1:])

    def start(self) -> None:
        """Let time run and answer."""
        for listener in self._listeners:
            listener.start()
        self._driver.start()

    def stop(self) -> None:
        """Stop time, finish the answers under way, and let go of every port and thread."""
        self._stopping.set()
        if self._driver.is_alive():
            self._driver.join()
        for listener in self._listeners:
            listener.stop()

    def __enter__(self) -> SimulatorServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _drive(self) -> None:
        last = time.monotonic()
        while not self._stopping.wait(PACE_SECONDS):
            now = time.monotonic()
            due, last = min(now - last, LAG_SECONDS) * self._speed, now
            while due > 0 and not self._stopping.is_set():
                with self._lock:
                    self._fleet.advance(min(due, SLICE_SECONDS))
                due -= SLICE_SECONDS
            for server, listener in zip(self._servers, self._listeners[1:], strict=True):
                listener.open() if server.listens else listener.close()
