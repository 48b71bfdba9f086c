"""How fast a server finishes requests, by model: for the queue in front of it (capacity) and for its progress (availability)."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s


def rate(window: str, outcomes: str) -> str:
    """Return PromQL for the requests per second that ended as the matcher `outcomes` says, over a window.

    TorchServe counts requests of the whole server, whose model is `unnamed` where there are several. What it tells by model, such
    as what waits, would never meet that; it also times requests by model, and these count. No other runtime needs this: what
    MLServer holds is of the whole server as well, and Seldon and TensorFlow Serving count by model.
    """
    counted = promql.sum_by(c.SERVER_LABELS, promql.rate(s.REQUESTS, window, outcomes))
    timed = promql.sum_by(c.SERVER_LABELS, promql.rate(f"{s.REQUEST_DURATION}_count", window))
    return f"{counted}\nor\n{timed}"
