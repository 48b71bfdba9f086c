"""One simulated model server as its clients see it over HTTP: the addresses of its runtime, in the state that the fleet says.

Made by `simulator.server`, one for each server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from atlas_ops.simulator import effects, triton_page
from atlas_ops.simulator.completions import HANGING, PATHS, completion
from atlas_ops.simulator.exposition import CONTENT_TYPE
from atlas_ops.simulator.fleet import Fleet
from atlas_ops.simulator.listener import Answer, json_answer, refusal

_LOOK_SECONDS = 0.05
"""How often somebody who waits looks whether the wait is over."""
_CONTENT_TYPES: Mapping[effects.Runtime, str] = {"vllm": CONTENT_TYPE, "triton": triton_page.CONTENT_TYPE}
_GARBAGE = "<!doctype html>\n<html><body>Sign in to continue</body></html>\n"
_REFUSALS = {
    effects.Answer.UNAUTHORIZED: refusal(HTTPStatus.UNAUTHORIZED, "a token is missing"),
    effects.Answer.DISABLED: refusal(HTTPStatus.NOT_FOUND, "metrics are switched off"),
    effects.Answer.GARBAGE: Answer(body=_GARBAGE, content_type="text/html"),
}


class ModelServer:
    """Server number `index` of `fleet`, which `lock` guards. Who waits for an answer is let go when `stopping` is set."""

    def __init__(self, fleet: Fleet, index: int, lock: threading.Lock, stopping: threading.Event) -> None:
        self._fleet, self._index, self._lock, self._stopping = fleet, index, lock, stopping

    @property
    def listens(self) -> bool:
        """Whether there is a process at its address."""
        with self._lock:
            return self._fleet.answer(self._index) not in (None, effects.Answer.REFUSED)

    def respond(self, method: str, target: str) -> Answer | None:
        """Answer a request; None: the connection ends without an answer."""
        path = urlsplit(target).path
        with self._lock:
            state = self._fleet.answer(self._index)
        if state in (None, effects.Answer.REFUSED):
            return None
        if state is effects.Answer.LOADING:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the model is being loaded")
        if method == "POST":
            return self._complete(path)
        return self._metrics(state) if path == "/metrics" else self._about(path)

    def _metrics(self, state: effects.Answer | None) -> Answer | None:
        if state in _REFUSALS:
            return _REFUSALS[state]
        if state is effects.Answer.HANGS:
            self._wait(lambda: self._fleet.answer(self._index) is effects.Answer.HANGS)
            return None
        with self._lock:
            runtime = self._fleet.replicas[self._index].runtime
            return Answer(body=self._fleet.page(self._index), content_type=_CONTENT_TYPES[runtime])

    def _about(self, path: str) -> Answer:
        with self._lock:
            replica = self._fleet.replicas[self._index]
            ready, version, model = replica.ready, replica.version, self._fleet.config.model_name
            runtime = replica.runtime
        health = Answer(body="", status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
        known = _of_triton(model, health) if runtime == "triton" else _of_vllm(model, version, health)
        return known.get(path) or refusal(HTTPStatus.NOT_FOUND, f"known: {', '.join(('/metrics', *known, *PATHS))}")

    def _complete(self, path: str) -> Answer | None:
        """Answer the probe. It is no part of the simulated load, but a hung engine hangs for it, too."""
        if path not in PATHS:
            return refusal(HTTPStatus.NOT_FOUND, f"known: {', '.join(PATHS)}")
        self._wait(self._is_stuck)
        with self._lock:
            result = self._fleet.effect.server(self._index).probe
        return None if self._stopping.is_set() else completion(result)

    def _is_stuck(self) -> bool:
        effect = self._fleet.effect.server(self._index)
        return self._fleet.replicas[self._index].life.serves and (effect.stalled or effect.probe == HANGING)

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Return when a condition of the fleet does not hold any more, or the server stops."""
        while not self._stopping.wait(_LOOK_SECONDS):
            with self._lock:
                if not condition():
                    return


def _of_vllm(model: str, version: str, health: Answer) -> Mapping[str, Answer]:
    models: dict[str, object] = {"object": "list", "data": [{"id": model, "object": "model", "owned_by": "vllm"}]}
    return {"/health": health, "/version": json_answer({"version": version}), "/v1/models": json_answer(models)}


def _of_triton(model: str, health: Answer) -> Mapping[str, Answer]:
    return {
        "/v2/health/live": Answer(body=""),
        "/v2/health/ready": health,
        f"/v2/models/{model}/ready": health,
        # Without dynamic batching there is no limit to its queue.
        f"/v2/models/{model}/config": json_answer({"name": model, "max_batch_size": 0}),
    }
