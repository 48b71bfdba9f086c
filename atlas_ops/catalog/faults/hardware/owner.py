"""Whose a GPU is: the pod that has it for itself, found once for all rules of the family.

An alert about a GPU then says whom it hurts, and can hold back the symptoms of that pod alone. `recording` has exactly one
series for each GPU, with or without a pod on it, so that a join can neither fail nor lose an alert.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Inhibition, Recording
from atlas_ops.catalog.parameters import Timing

OWNER = "gpu:atlas_gpu_owner:info"
OWNER_LABELS = (c.K8S_NAMESPACE, c.K8S_POD, c.K8S_CONTAINER)
OWNED_GPU = (*c.GPU_LABELS, *OWNER_LABELS)
"""The labels of an alert about a GPU."""
BY_GPU = ", ".join(c.GPU_LABELS)

_REMEMBERED_SECONDS = 1800.0
"""A GPU that does not answer has no workload any more; so long it is still known whose it was."""


def recording(timing: Timing) -> Recording:
    """Return the recording; it has to come before the rules that use it."""
    exclusive = promql.select(s.GPU_WORKLOAD_INFO, 'sharing="exclusive"', f'{c.K8S_POD}!=""')
    now = _alone(exclusive)
    before = _alone(f"last_over_time({exclusive}[{timing.window(_REMEMBERED_SECONDS)}])")
    gpu = f"on ({BY_GPU})"
    return Recording(
        name=OWNER,
        unhurried=True,
        expr=(
            f"({now})\nor {gpu}\n({before} unless {gpu} {s.GPU_WORKLOAD_INFO})\n"
            f"or {gpu}\ngroup by ({BY_GPU}) ({s.GPU_UP})"
        ),
    )


def _alone(workloads: str) -> str:
    """Return the workloads of GPUs that have one only."""
    each = f"group by ({', '.join(OWNED_GPU)}) ({workloads})"
    return f"{each} unless on ({BY_GPU}) count by ({BY_GPU}) ({each}) > 1"


def owned(expr: str) -> str:
    """Return `expr`, which leaves the labels of a GPU (and others), with those of its owner. Its value stays."""
    return f"(\n  {expr}\n)\n* on ({BY_GPU}) group_left ({', '.join(OWNER_LABELS)})\n{OWNER}"


def hides_symptoms(*targets: str, variant: str = "") -> Inhibition:
    """Hold back symptoms of the pod that has the GPU for itself; of nobody, when it is not known whose the GPU is."""
    return Inhibition(targets=targets, equal=("namespace", "pod"), named=("pod",), source_variant=variant)


def hides_on_gpu(*targets: str, variant: str = "") -> Inhibition:
    """Hold back other faults of the same GPU."""
    return Inhibition(targets=targets, equal=("node", "uuid"), named=("uuid",), source_variant=variant)
