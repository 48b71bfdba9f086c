"""Which servers serve the chosen models, in PromQL: what a server says of itself (up, ready, restarts) carries no model.

Used by the parts about servers. Matchers are those of `variables.picked`; the one on the model is told by its label.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards import variables

CLUSTER = variables.LABELS[variables.CLUSTER]
SERVER = (c.SERVER, c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, CLUSTER)
"""What tells one server from another. Its runtime does not: that is unknown until the server has answered once."""
REPLICA = (*c.SERVER_LABELS, CLUSTER)
"""A server and one of the models that it serves."""
NAME = "{{server}} {{host_name}}"
"""The legend of a server: on bare hosts many have the same address."""
_ON_SERVER = f"on ({', '.join(SERVER)})"
_REMEMBERED_SECONDS = 3600.0
"""A server that is down tells no model any more; so long it is still known whose it was."""


def members(timing: Timing, *matchers: str) -> str:
    """Return 1 for each server and model that is chosen, by `REPLICA`; those that are down included."""
    window = timing.window(_REMEMBERED_SECONDS)
    # Every runtime tells at least one of the two.
    running, ended = (
        f"last_over_time({promql.select(signal, *more, *matchers)}[{window}])"
        for signal, more in ((s.REQUESTS_RUNNING, ()), (s.REQUESTS, ('outcome="ok"',)))
    )
    return f"group by ({', '.join(REPLICA)}) ({running} or {ended})"


def with_model(expr: str, timing: Timing, *matchers: str, keeping: tuple[str, ...] = ()) -> str:
    """Return `expr`, which has one series for each `SERVER`, for each chosen model of the server; `keeping` more of its labels."""
    return f"{members(timing, *matchers)} * {_ON_SERVER} group_left ({', '.join(keeping)}) {expr}"


def of_chosen(expr: str, timing: Timing, *matchers: str) -> str:
    """Return `expr` without servers that are known to serve other models only; those whose model nobody knows are kept."""
    others = f"{members(timing, *of_servers(*matchers))} unless {_ON_SERVER} {members(timing, *matchers)}"
    return f"{expr} unless {_ON_SERVER} ({others})"


def told(signal: Signal, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return the value of a signal that a server tells of itself, by `SERVER` and the labels `by`."""
    return f"max by ({', '.join((*SERVER, *by))}) ({promql.select(signal, *of_servers(*matchers))})"


def ready(timing: Timing, *matchers: str) -> str:
    """Return 1 for each server and model that is up and does not say that it is not ready, else 0; by `REPLICA`."""
    labels = ", ".join(REPLICA)
    model = f"max by ({labels}) ({promql.select(s.MODEL_READY, *matchers)}) or {members(timing, *matchers)}"
    says, up = (promql.select(signal, *of_servers(*matchers)) for signal in (s.SERVER_READY, s.SERVER_UP))
    return f"({model}) * {_ON_SERVER} group_left () max by ({', '.join(SERVER)}) ({says} or {up})"


def of_servers(*matchers: str) -> tuple[str, ...]:
    """Return the matchers without the one on the model, which what servers tell of themselves does not have."""
    return tuple(matcher for matcher in matchers if not matcher.startswith(c.MODEL))
