"""What a server that is gone, or that hangs, drags along: the alerts that its own page holds back.

Used by the other modules of this family. The address of a server alone names none: `127.0.0.1:8000` is on every node.
"""

from __future__ import annotations

from atlas_ops.catalog.model import Inhibition

_OF_ITS_ENGINE = (
    "QueueBacklog",
    "KvCachePressure",
    "PreemptionStorm",
    "LoraThrashing",
    "ReplicaStraggler",
    "ProbeFailing",
)
"""Alerts that name server and model, and that say nothing new of an engine that hangs."""
_OF_ITS_PROCESS = ("EngineStalled", "ModelNotReady")
"""And these of a process that is gone."""
_OF_ITS_MODEL = (
    "TimeToFirstTokenSloBurn",
    "RequestLatencySloBurn",
    "InterTokenLatencySloBurn",
    "AvailabilitySloBurn",
    "P99Regression",
    "MeanLatencyRegression",
    "RequestsRejected",
)
"""Alerts about all servers of a model together, which one that hangs can bring about."""


def of_server(*causes: str) -> Inhibition:
    """Return the inhibition of what the same server shows; `causes` are the alerts of its being down or coming back."""
    return Inhibition(targets=(*causes, *_OF_ITS_PROCESS, *_OF_ITS_ENGINE), equal=("node", "server"))


def of_pod() -> Inhibition:
    """Return the inhibition of what the servers of the same pod show."""
    targets = ("CrashLooping", "ModelServerDown", *_OF_ITS_PROCESS, *_OF_ITS_ENGINE)
    return Inhibition(targets=targets, equal=("node", "namespace", "pod"), source_variant="pod")


def of_engine() -> Inhibition:
    """Return the inhibition of what the same model on the same server shows."""
    return Inhibition(targets=_OF_ITS_ENGINE, equal=("node", "server", "model"))


def of_model() -> Inhibition:
    """Return the inhibition of what users of the same model notice."""
    return Inhibition(targets=_OF_ITS_MODEL, equal=("namespace", "model"))
