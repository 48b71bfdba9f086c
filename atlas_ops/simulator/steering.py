"""What can be said to a running simulation over HTTP. Called by `simulator.server` for its control address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from atlas_ops.errors import AtlasError, UsageError
from atlas_ops.simulator.exposition import PLAIN_TEXT, plain_page
from atlas_ops.simulator.fleet import Fleet
from atlas_ops.simulator.listener import Answer, json_answer, refusal
from atlas_ops.simulator.outside import REAL_IN_THE_DEMO
from atlas_ops.simulator.remote import gpus_as_json
from atlas_ops.simulator.scenarios import scenario_by_name
from atlas_ops.simulator.state import CONDITIONS, EVENTS_KEPT

_KNOWN = (
    "GET /state, GET /gpus, GET /outside, POST /-/fault?active=true|false, POST /-/scenario?name=NAME, "
    f"POST /-/gpu?index=N&condition={'|'.join(CONDITIONS)}, POST /-/xid?index=N&code=XID&count=N"
)

Arguments = Mapping[str, str]


class Steering:
    """Steers `fleet`, which `lock` guards. `speed` and `servers` are told in the state."""

    def __init__(
        self, fleet: Fleet, lock: threading.Lock, *, speed: float, servers: Callable[[], Sequence[str]]
    ) -> None:
        self._fleet, self._lock, self._speed, self._servers = fleet, lock, speed, servers
        self._orders: dict[tuple[str, str], Callable[[Arguments], None]] = {
            ("GET", "/state"): lambda _arguments: None,
            ("POST", "/-/fault"): lambda arguments: fleet.set_fault(active=_truth(arguments.get("active", ""))),
            ("POST", "/-/scenario"): lambda arguments: fleet.choose(scenario_by_name(arguments.get("name", ""))),
            ("POST", "/-/gpu"): self._set_condition,
            ("POST", "/-/xid"): self._report_xid,
        }

    def respond(self, method: str, target: str) -> Answer:
        """Carry out an order and answer with the state, or say what is wrong with it."""
        parts = urlsplit(target)
        arguments = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            if (method, parts.path) == ("GET", "/gpus"):
                return Answer(body=gpus_as_json(self._fleet.gpus()))
            if (method, parts.path) == ("GET", "/outside"):
                return Answer(body=self._outside(), content_type=PLAIN_TEXT)
            order = self._orders.get((method, parts.path))
            if order is None:
                return refusal(HTTPStatus.NOT_FOUND, f"known: {_KNOWN}")
            try:
                order(arguments)
            except AtlasError as error:
                return refusal(HTTPStatus.BAD_REQUEST, error.message, error.next_step)
            return self._state()

    def _set_condition(self, arguments: Arguments) -> None:
        index = _whole(arguments, "index", least=0, most=len(self._fleet.replicas) - 1)
        self._fleet.replicas[index].gpu.set_condition(arguments.get("condition", ""))

    def _report_xid(self, arguments: Arguments) -> None:
        index = _whole(arguments, "index", least=0, most=len(self._fleet.replicas) - 1)
        code = _whole(arguments, "code", least=0, most=2**32 - 1)
        count = _whole({"count": "1", **arguments}, "count", least=1, most=EVENTS_KEPT)
        self._fleet.replicas[index].gpu.xid(code, count)

    def _outside(self) -> str:
        told = (sample for sample in self._fleet.outside() if not sample.name.startswith(REAL_IN_THE_DEMO))
        return plain_page((sample.name, sample.labels, sample.value) for sample in told)

    def _state(self) -> Answer:
        effect = self._fleet.effect
        return json_answer(
            {
                "scenario": self._fleet.scenario.name,
                "fault_active": self._fleet.fault_since is not None,
                "fault_since_seconds": self._fleet.fault_since,
                "simulated_seconds": self._fleet.now,
                "speed": self._speed,
                "servers": self._servers(),
                "gpus": [gpu.condition for gpu in self._fleet.gpus()],
                "answers": [self._answer(index) for index in range(len(self._fleet.replicas))],
                "tracks": [effect.server(index).track for index in range(len(self._fleet.replicas))],
                "memory_kills": [replica.life.memory_kills for replica in self._fleet.replicas],
                "foreign_memory_kills": self._fleet.foreign_memory_kills,
                "exporter_restarts": self._fleet.exporter_restarts,
                "scrape_lost": effect.scrape_lost,
                "prometheus_away": effect.prometheus_away,
                "pager_failing": effect.pager_failing,
            }
        )

    def _answer(self, index: int) -> str | None:
        answer = self._fleet.answer(index)
        return answer.value if answer else None


def _truth(word: str) -> bool:
    if word not in ("true", "false"):
        raise UsageError(f"active={word!r} is neither true nor false", next_step="POST /-/fault?active=true or =false")
    return word == "true"


def _whole(arguments: Arguments, name: str, *, least: int, most: int) -> int:
    text = arguments.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise UsageError(f"{name}={text!r} is no whole number from {least} to {most}", next_step=f"known: {_KNOWN}")
    return int(text)
