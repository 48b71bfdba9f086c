"""How fast a server finishes requests, by model: for the queue in front of it (capacity) and for its progress (availability)."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects

_COUNTS_WHOLE_SERVER = "torchserve"


def rate(window: str, outcomes: str) -> str:
    """Return PromQL for the requests per second that ended as the matcher `outcomes` says, over a window.

    TorchServe counts requests of the whole server, whose model is `unnamed` where there are several. What it tells by model, such
    as what waits, would never meet that; it also times requests by model, and these count. No other runtime needs this: what
    MLServer holds is of the whole server as well, and Seldon and TensorFlow Serving count by model. So those are not read twice.
    """
    counted = promql.sum_by(c.SERVER_LABELS, promql.rate(s.REQUESTS, window, outcomes))
    others = promql.label_not_in(c.RUNTIME, _counting_by_model())
    timed = promql.sum_by(c.SERVER_LABELS, promql.rate(f"{s.REQUEST_DURATION}_count", window, others))
    return f"{counted}\nor\n{timed}"


def _counting_by_model() -> tuple[str, ...]:
    entries = ((dialect.runtime, dialect.entry(s.REQUESTS)) for dialect in shipped_dialects())
    return tuple(runtime for runtime, entry in entries if entry and entry.readings and runtime != _COUNTS_WHOLE_SERVER)
