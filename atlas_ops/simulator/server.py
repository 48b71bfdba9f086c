"""The simulated fleet on the network: every model server on its own port, and one port to steer the simulation.

Run by `atlas-ops simulate`; the demo and the end-to-end tests steer it over HTTP.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from atlas_ops.errors import AtlasError, UsageError
from atlas_ops.simulator.exposition import CONTENT_TYPE
from atlas_ops.simulator.fleet import Fleet
from atlas_ops.simulator.listener import Answer, Listener, Respond
from atlas_ops.simulator.remote import gpus_as_json
from atlas_ops.simulator.scenarios import scenario_by_name
from atlas_ops.simulator.vllm_page import VERSION

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
        responders: list[Respond] = [
            self._steer,
            *(partial(self._serve, index) for index in range(len(fleet.replicas))),
        ]
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
        self._driver.start()
        for listener in self._listeners:
            listener.start()

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

    def _serve(self, index: int, method: str, target: str) -> Answer:
        """Answer as model server `index`. Like the real one, it is healthy as long as its HTTP server lives."""
        path = urlsplit(target).path
        model = self._fleet.config.model_name
        if method != "GET":
            return _refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, "the simulated server takes no requests; its clients are simulated"
            )
        if path == "/metrics":
            with self._lock:
                return Answer(body=self._fleet.page(index), content_type=CONTENT_TYPE)
        if path == "/health":
            return Answer(body="")
        if path == "/version":
            return _json({"version": VERSION})
        if path == "/v1/models":
            return _json({"object": "list", "data": [{"id": model, "object": "model", "owned_by": "vllm"}]})
        return _refusal(HTTPStatus.NOT_FOUND, "known: /metrics, /health, /version, /v1/models")

    def _steer(self, method: str, target: str) -> Answer:
        parts = urlsplit(target)
        arguments = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            with self._lock:
                match method, parts.path:
                    case "GET", "/state":
                        return self._state()
                    case "GET", "/gpus":
                        return Answer(body=gpus_as_json(self._fleet.gpus()))
                    case "POST", "/-/fault":
                        self._fleet.set_fault(active=_truth(arguments.get("active", "")))
                        return self._state()
                    case "POST", "/-/scenario":
                        self._fleet.choose(scenario_by_name(arguments.get("name", "")))
                        return self._state()
        except AtlasError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error.message, error.next_step)
        known = "GET /state, GET /gpus, POST /-/fault?active=true|false, POST /-/scenario?name=NAME"
        return _refusal(HTTPStatus.NOT_FOUND, f"known: {known}")

    def _state(self) -> Answer:
        return _json(
            {
                "scenario": self._fleet.scenario.name,
                "fault_active": self._fleet.fault_since is not None,
                "fault_since_seconds": self._fleet.fault_since,
                "simulated_seconds": self._fleet.now,
                "speed": self._speed,
                "servers": self.server_urls,
            }
        )


def _truth(word: str) -> bool:
    if word not in ("true", "false"):
        raise UsageError(f"active={word!r} is neither true nor false", next_step="POST /-/fault?active=true or =false")
    return word == "true"


def _json(content: dict[str, object]) -> Answer:
    return Answer(body=json.dumps(content))


def _refusal(status: HTTPStatus, message: str, next_step: str = "") -> Answer:
    return Answer(body=json.dumps({"error": message, "next_step": next_step}), status=status)
