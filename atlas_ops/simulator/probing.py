"""What the exporter's black-box probe would have counted of the simulated servers. Kept by `simulator.outside`.

Only where nobody really asks: the demo's exporter sends real requests, which `simulator.completions` answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.simulator.effects import Answer, Effect
from atlas_ops.simulator.replica import Replica

PROBE_SECONDS = 60.0
"""How often each server is asked."""
PROBE_API = "openai-chat"


class Probing:
    """The probes of every server that an effect names a result for. Times are simulated seconds."""

    def __init__(self, *, scale: float) -> None:
        self._period = PROBE_SECONDS * scale
        self._counts: dict[int, dict[str, int]] = {}
        self._last: dict[int, tuple[str, float]] = {}

    def advance(self, start: float, end: float, effect: Effect, replicas: Sequence[Replica]) -> None:
        """Let time pass, and ask when it is time to."""
        if math.floor(end / self._period) == math.floor(start / self._period):
            return
        for index, replica in enumerate(replicas):
            result = _result(effect.server(index).probe, replica)
            if result:
                counts = self._counts.setdefault(index, dict.fromkeys(c.PROBE_RESULTS, 0))
                counts[result] += 1
                self._last[index] = (result, end)

    def told(self, *, epoch: float) -> Iterator[tuple[int, Signal, dict[str, str], float]]:
        """Yield (server, signal, labels besides the server's, value); `epoch` is the Unix time of second 0."""
        api = {c.API: PROBE_API}
        for index, (result, at) in self._last.items():
            yield index, s.PROBE_SUCCESS, api, float(result == "ok")
            yield index, s.PROBE_LAST, api, epoch + at
            for name, count in self._counts[index].items():
                yield index, s.PROBES, {**api, "result": name}, count


def _result(probe: str, replica: Replica) -> str:
    """Return how a probe ends; empty where nobody asks."""
    if not probe or replica.answer is None:
        return ""
    if replica.answer is Answer.REFUSED:
        return "refused"
    return "error_status" if replica.answer is Answer.LOADING else probe
