"""One recording rule of native mode, and the names that its rules share: labels, and the few series that are read back.

Prometheus evaluates a group in order, so a rule may read what the ones before it have recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions as c

INSTANCE = "instance"
"""The label by which native series are of one server, until they get the labels of the contract. No server can set it."""
NAME = "atlas_model"
"""The label that holds the model until then. A native label `model` stays what it is: to write over it could make two series
of a server alike, and then Prometheus refuses the whole rule."""

TARGET = "server:atlas_native_target:info"
"""Who each target of the job is: the labels of a server, without its runtime."""
KNOWN = "server:atlas_native_known:group"
"""Servers with a series that only this runtime has."""
MODEL = "server:atlas_native_model:group"
"""The models that the page of each server is about."""
ONLY = "server:atlas_native_model:only"
"""The same, for servers of one model."""
WHOLE = "server:atlas_native_model:whole"
"""The model to which belongs what is told of a server as a whole: its only one, or `unnamed`."""
ENDED = "server:atlas_native_requests:zero"
"""0 for each model of which it is told how any request ended: every outcome is there from the start."""
UNFINISHED = "server:atlas_native_unfinished:difference"
"""Requests begun and not finished, by server, model and native name."""
SETTLED = "server:atlas_native_unfinished:settled"
"""Those of them that have been left for a minute; never falls while the server lives."""

TARGET_LABELS = (c.HOST_NAME, c.K8S_NAMESPACE, c.K8S_POD, c.K8S_CONTAINER)
"""What is known of a target besides its address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What is recorded, with its constant labels."""

    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)


def enclosed(expr: str) -> str:
    """Return an expression that an operator can be put beside."""
    return f"({expr})"


def either(vectors: Iterable[str]) -> str:
    """Return the union of vectors whose labels differ."""
    return "\nor ".join(dict.fromkeys(vectors))
