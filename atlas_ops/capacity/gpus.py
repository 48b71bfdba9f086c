"""Which GPUs the servers of each model held, for how long, and what energy these used. Called by the command.

GPUs are a model's as in CostPerTokenSpike: by the pod that has them for itself, or by the host where a server is in no pod. Shared GPUs
and instances of MIG count for nobody, and those of a pod with several models for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from atlas_ops import promql
from atlas_ops.capacity.observed import WINDOW, Floats, Key
from atlas_ops.capacity.reading import Span
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import completed
from atlas_ops.catalog.faults.cost.tokens import at_places, joules
from atlas_ops.prometheus import Prometheus

UNNAMED = "unknown"
_NAME = "name"
_PLACE = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD)
_GPU = ", ".join(c.GPU_LABELS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a model's servers held in each window; NaN and nothing where it is not known."""

    gpus: Mapping[str, Floats] = field(default_factory=dict)
    """GPUs by their name."""
    joules: Floats | None = None
    """Energy of these GPUs; None where none tells it."""
    measured: Floats | None = None
    """How many of them tell it."""
    strangers: Floats | None = None
    """Pods or hosts with servers of the model of whose GPUs nothing is known."""


def read(prometheus: Prometheus, span: Span) -> dict[Key, Held]:
    """Return what was held in a span, by model; models without known GPUs are not in it."""
    found: dict[Key, dict[str, Floats]] = {}
    names = _names(prometheus, span)
    for name in (*names, UNNAMED):
        for key, values in _by_model(prometheus, span, _one(name, names)):
            if np.nansum(values) > 0:
                found.setdefault(key, {})[name] = values
    energy = dict(_by_model(prometheus, span, joules(WINDOW)))
    measured = dict(_by_model(prometheus, span, f"group by ({_GPU}) ({joules(WINDOW)})"))
    strangers = dict(_strangers(prometheus, span))
    return {
        key: Held(gpus=gpus, joules=energy.get(key), measured=measured.get(key), strangers=strangers.get(key))
        for key, gpus in found.items()
    }


def _names(prometheus: Prometheus, span: Span) -> tuple[str, ...]:
    days = promql.duration(WINDOW * len(span.times))
    expr = f"group by ({_NAME}) (last_over_time({s.GPU_INFO}[{days}]))"
    points = prometheus.query(expr, at=float(span.times[-1]))
    return tuple(sorted(name for point in points if (name := point.labels.get(_NAME, ""))))


def _one(name: str, names: tuple[str, ...]) -> str:
    """Return 1 for each GPU of a name; of those that tell none, for all others that answer."""
    if name in names:
        return f"group by ({_GPU}) ({promql.select(s.GPU_INFO, f'{_NAME}={promql.quote(name)}')})"
    return f"group by ({_GPU}) ({s.GPU_UP}) unless on ({_GPU}) {promql.select(s.GPU_INFO, _NAME + '!=' + promql.quote(''))}"


def _by_model(prometheus: Prometheus, span: Span, of_gpu: str) -> list[tuple[Key, Floats]]:
    """Return a value of each GPU, added up over those that each model's servers hold."""
    expr = f"{_servers()} * on ({', '.join(_PLACE)}) group_left () ({at_places(f'({of_gpu})')})"
    return _summed(prometheus, span, expr)


def _strangers(prometheus: Prometheus, span: Span) -> list[tuple[Key, Floats]]:
    """Return the places of each model's servers for which no GPU is known."""
    known = at_places(f"(group by ({_GPU}) ({s.GPU_UP}))")
    return _summed(prometheus, span, f"{_servers()} unless on ({', '.join(_PLACE)}) ({known})")


def _servers() -> str:
    """Return PromQL that is 1 for each model in each place."""
    counted = completed.rate(promql.duration(WINDOW), "")
    return f"group by ({', '.join(dict.fromkeys((*_PLACE, *c.MODEL_LABELS)))}) ({counted})"


def _summed(prometheus: Prometheus, span: Span, expr: str) -> list[tuple[Key, Floats]]:
    found = []
    for labels, values in span.asked(prometheus, promql.sum_by(c.MODEL_LABELS, expr)):
        runtime, model, namespace = (labels.get(name, "") for name in c.MODEL_LABELS)
        found.append((Key(runtime=runtime, model=model, namespace=namespace), values))
    return found
