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
_ON_REPLICA = f"on ({', '.join((*SERVER, c.MODEL))})"
_REMEMBERED_SECONDS = 3600.0
"""A server that is down tells no model any more; so long it is still known whose it was."""


def members(timing: Timing, *matchers: str) -> str:
    """Return 1 for each server and model that is chosen, by `REPLICA`; those that are down included."""
    return f"group by ({', '.join(REPLICA)}) ({' or '.join(_telling(timing, *matchers))})"


def with_model(expr: str, timing: Timing, *matchers: str, keeping: tuple[str, ...] = ()) -> str:
    """Return `expr`, which has one series for each `SERVER`, for each chosen model of the server; `keeping` more of its labels."""
    return f"{members(timing, *matchers)} * {_ON_SERVER} group_left ({', '.join(keeping)}) {expr}"


def of_chosen(expr: str, timing: Timing, *matchers: str) -> str:
    """Return `expr` without servers that are known to serve other models only; those whose model nobody knows are kept."""
    others = tuple(matcher.replace(f"{c.MODEL}=~", f"{c.MODEL}!~", 1) for matcher in matchers)
    if others == matchers:
        return expr
    # While all models are chosen there are no others, and nothing of this costs much.
    mine = "".join(f" unless {_ON_SERVER} {known}" for known in _telling(timing, *matchers))
    return "".join((expr, *(f" unless {_ON_SERVER} ({known}{mine})" for known in _telling(timing, *others))))


def told(signal: Signal, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return the value of a signal that a server tells of itself, by `SERVER` and the labels `by`."""
    return f"max by ({', '.join((*SERVER, *by))}) ({promql.select(signal, *of_servers(*matchers))})"


def known(timing: Timing, *matchers: str) -> str:
    """Return a series, of any value, for each chosen replica that an exporter watches: up, down, or not ready."""
    return f"{_replicas(timing, *matchers)} and {_ON_SERVER} {_up(*matchers)}"


def ready_ones(timing: Timing, *matchers: str) -> str:
    """Return those of `known` whose server answers, and that are not said to be not ready, by it or by their model."""
    server, model = promql.select(s.SERVER_READY, *of_servers(*matchers)), promql.select(s.MODEL_READY, *matchers)
    answering = f"{_replicas(timing, *matchers)} and {_ON_SERVER} ({_up(*matchers)} == 1)"
    return f"{answering} unless {_ON_SERVER} ({server} == 0) unless {_ON_REPLICA} ({model} == 0)"


def ready(timing: Timing, *matchers: str) -> str:
    """Return 1 for each of `ready_ones`, 0 for the others that are `known`; by `REPLICA`."""
    ones, every = ready_ones(timing, *matchers), known(timing, *matchers)
    return f"max by ({', '.join(REPLICA)}) (({ones}) * 0 + 1 or ({every}) * 0)"


def of_servers(*matchers: str) -> tuple[str, ...]:
    """Return the matchers without the one on the model, which what servers tell of themselves does not have."""
    return tuple(matcher for matcher in matchers if not matcher.startswith(c.MODEL))


def _telling(timing: Timing, *matchers: str) -> tuple[str, ...]:
    """Return what tells of a server and a model for an hour; every runtime tells at least one of the two."""
    window = timing.window(_REMEMBERED_SECONDS)
    return tuple(
        f"last_over_time({promql.select(signal, *more, *matchers)}[{window}])"
        for signal, more in ((s.REQUESTS, ('outcome="ok"',)), (s.REQUESTS_RUNNING, ()))
    )


def _replicas(timing: Timing, *matchers: str) -> str:
    # Sets alone: over time, a join or an aggregation of a thousand servers costs ten times as much.
    return f"({f' or {_ON_REPLICA} '.join(_telling(timing, *matchers))})"


def _up(*matchers: str) -> str:
    return promql.select(s.SERVER_UP, *of_servers(*matchers))
