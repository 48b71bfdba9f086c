"""What autoscalers say of the models that they scale, as recording rules on what Prometheus scrapes of them already.

Three sources: kube-state-metrics (any HorizontalPodAutoscaler, KEDA's too), Knative's autoscaler from 1.19 on (KServe), and
Ray Serve's controller. Printed by `render.autoscalers`; read by AutoscalingCascade, AutoscalerAtMaximum and CapacityHeadroomLow.
An autoscaler knows no models, so its target is joined with the servers that run in it, by the name of their pods.

Names and labels: kube-state-metrics 2 (docs, horizontalpodautoscaler-metrics), Knative serving 1.19 (its table of renamed
metrics), Ray 2.53 (`serve/_private/autoscaling_state.py`: `desired` is before, `target` after the bounds).
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Recording
from atlas_ops.catalog.parameters import Timing

FOREIGN = {
    "kube_horizontalpodautoscaler_info": ("namespace", "horizontalpodautoscaler", "scaletargetref_name"),
    "kube_horizontalpodautoscaler_status_desired_replicas": ("namespace", "horizontalpodautoscaler"),
    "kube_horizontalpodautoscaler_spec_max_replicas": ("namespace", "horizontalpodautoscaler"),
    "kube_deployment_status_replicas_ready": ("namespace", "deployment"),
    "kube_statefulset_status_replicas_ready": ("namespace", "statefulset"),
    "kn_revision_pods_desired": ("k8s_namespace_name", "kn_revision_name"),
    "kn_revision_pods_count": ("k8s_namespace_name", "kn_revision_name"),
    "ray_serve_autoscaling_target_replicas": ("application", "deployment"),
    "ray_serve_autoscaling_desired_replicas": ("application", "deployment"),
    "ray_serve_deployment_replica_healthy": ("application", "deployment", "replica"),
}
"""The metrics of others that are read here, with the labels that matter."""

MODELS = "workload:atlas_models:group"
_WORKLOAD = "workload"
_BY_WORKLOAD = (c.K8S_NAMESPACE, _WORKLOAD)
_BY_MODEL = (c.RUNTIME, c.MODEL, c.K8S_NAMESPACE)
_REMEMBERED_SECONDS = 86_400.0
"""A workload that is scaled to zero keeps its models for a day."""
_STATEFUL_SET, _DEPLOYMENT = "(.+)-[0-9]+", "(.+)-[a-z0-9]+-[a-z0-9]{5}"
"""Names of pods: an ordinal behind the name of a stateful set; a hash and five letters behind that of a deployment."""


def recordings(timing: Timing) -> tuple[Recording, ...]:
    """Return the rules, in the order in which they need each other."""
    window = timing.window(_REMEMBERED_SECONDS)
    desired, maximum, ready = (
        f"workload:{signal}:max" for signal in (s.REPLICAS_DESIRED, s.REPLICAS_MAXIMUM, s.REPLICAS_READY)
    )
    return (
        Recording(name=MODELS, expr=_models(), unhurried=True),
        Recording(name=desired, expr=f"{_of_target('status_desired_replicas')}\nor\n{_knative('desired')}"),
        Recording(name=maximum, expr=_of_target("spec_max_replicas")),
        Recording(name=ready, expr=f"({_ready()})\nand on ({', '.join(_BY_WORKLOAD)}) {desired}"),
        *(
            Recording(name=signal.name, expr=f"{_of_models(recording, window)}\nor\n{_ray(of_ray)}")
            for signal, recording, of_ray in (
                (s.REPLICAS_DESIRED, desired, "ray_serve_autoscaling_target_replicas"),
                (s.REPLICAS_MAXIMUM, maximum, _RAY_AT_MAXIMUM),
                (s.REPLICAS_READY, ready, _RAY_HEALTHY),
            )
        ),
    )


_RAY_AT_MAXIMUM = "(ray_serve_autoscaling_target_replicas < ray_serve_autoscaling_desired_replicas)"
"""Ray does not tell its bound, but when it wants more than it may have, what it may have is the bound."""
_RAY_HEALTHY = (
    "(sum by (application, deployment) (ray_serve_deployment_replica_healthy)\n"
    "  and on (application, deployment) ray_serve_autoscaling_target_replicas)"
)


def _models() -> str:
    told = " or ".join(str(signal) for signal in (s.REQUESTS_RUNNING, s.REQUESTS_WAITING, s.REQUESTS))
    pods = f"group by ({', '.join((*_BY_MODEL, c.K8S_POD))}) ({told})"
    stateful = promql.label_replace(pods, _WORKLOAD, "$1", c.K8S_POD, _STATEFUL_SET)
    named = promql.label_replace(stateful, _WORKLOAD, "$1", c.K8S_POD, _DEPLOYMENT)
    return f"group by ({', '.join((*_BY_MODEL, _WORKLOAD))}) ({named})"


def _of_target(metric: str) -> str:
    """Return a figure of each HorizontalPodAutoscaler, by what it scales."""
    by = ("namespace", "horizontalpodautoscaler")
    value = f"max by ({', '.join(by)}) (kube_horizontalpodautoscaler_{metric})"
    info = f"max by ({', '.join((*by, 'scaletargetref_name'))}) (kube_horizontalpodautoscaler_info)"
    joined = f"{info} * on ({', '.join(by)}) group_left () {value}"
    return _by_workload(joined, "scaletargetref_name", "(.+)")


def _by_workload(expr: str, label: str, regex: str, value: str = "$1", namespace: str = "namespace") -> str:
    named = promql.label_replace(expr, _WORKLOAD, value, label, regex)
    placed = promql.label_replace(named, c.K8S_NAMESPACE, "$1", namespace, "(.+)")
    return f"max by ({', '.join(_BY_WORKLOAD)}) ({placed})"


def _knative(what: str) -> str:
    """Return a figure of each revision; its pods belong to a deployment that is called after it."""
    return _by_workload(f"kn_revision_pods_{what}", "kn_revision_name", "(.+)", "$1-deployment", c.K8S_NAMESPACE)


def _ready() -> str:
    sets = (
        ("kube_deployment_status_replicas_ready", "deployment"),
        ("kube_statefulset_status_replicas_ready", "statefulset"),
    )
    return "\nor\n".join([*(_by_workload(metric, label, "(.+)") for metric, label in sets), _knative("count")])


def _of_models(recording: str, window: str) -> str:
    models = f"last_over_time({MODELS}[{window}])"
    return promql.sum_by(_BY_MODEL, f"{models} * on ({', '.join(_BY_WORKLOAD)}) group_left () {recording}")


def _ray(expr: str) -> str:
    named = promql.label_replace(expr, c.MODEL, "$1", "application", "(.+)")
    return promql.sum_by((c.RUNTIME, c.MODEL), promql.label_replace(named, c.RUNTIME, "ray_serve"))
