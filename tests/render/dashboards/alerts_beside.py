"""Alerts beside the five servers, for the tests of the boards that begin with alerts.

A hot GPU, a lost cache of a model, a server that is down, a mix that has shifted, and watchers that stand still. One alert is
pending, and two are not to be told: the heartbeat, and one of somebody else.
"""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.blindness.unseen import WATCHED
from atlas_ops.catalog.faults.hardware.throttling import THERMAL_SHARE
from atlas_ops.rehearsal.samples import Series, Values
from tests.render.dashboards.five_servers import CHAT, NOW, SMALL, A, C, D, constant, series


def alert(name: str, severity: str, *, age: float, state: str = "firing", **labels: str) -> dict[Series, Values]:
    """Return an alert as Prometheus tells of it: with its labels, and people's words beside them."""
    words = {word: labels[label] for word, label in c.ALERT_LABELS.items() if labels.get(label)}
    told = {**labels, **words, "alertname": name, c.SEVERITY: severity, c.FAMILY: "of-some-sort"}
    return {
        series("ALERTS", **told, alertstate=state): constant(1),
        series("ALERTS_FOR_STATE", **told): constant(NOW - age),
    }


HOT = {c.GPU: "0", c.UUID: "GPU-n1-0", c.HOST_NAME: "n1", c.K8S_NAMESPACE: "prod", c.K8S_POD: "pod-a"}
ALERTS = {
    **alert("GpuThermalThrottling", "page", age=600, **HOT),
    **alert("GpuClockDeficit", "ticket", age=1200, **HOT),
    **alert("PrefixCacheCollapse", "ticket", age=60, **CHAT, k8s_namespace_name="prod"),
    **alert("ModelServerDown", "page", age=90, **D),
    **alert("WorkloadMixShift", "info", age=30, **SMALL, runtime=C[c.RUNTIME]),
    **alert("WorkloadMixShift", "ticket", age=20, **SMALL, runtime=C[c.RUNTIME]),
    **alert("GaugesFrozen", "ticket", age=5, job="atlas-exporter", instance="n4:9464"),
    **alert("DriftMonitorStale", "ticket", age=10, job="atlas-watch"),
    **alert("QueueBacklog", "page", age=15, state="pending", **A, **CHAT),
    **alert(c.HEARTBEAT, "info", age=86_400),
    series("ALERTS", alertname="Theirs", severity="page", alertstate="firing", host_name="n1"): constant(1),
}  # fmt: skip
GPUS = {
    series(s.GPU_TEMPERATURE, gpu=gpu, uuid=f"GPU-{node}-{gpu}", host_name=node, sensor="gpu"): constant(value)
    for node, gpu, value in (("n1", "0", 90), ("n1", "1", 50), ("n2", "0", 60), ("n3", "0", 70))
}
PLACES = (("n1", ""), ("n1", "chat"), ("n2", ""), ("n2", "chat"), ("n3", ""), ("n3", "small"), ("n4", ""))
BESIDE = {
    **ALERTS, **GPUS,
    **{series(WATCHED, job="atlas-exporter", instance=f"{n}:9464", host_name=n, model=m): constant(1) for n, m in PLACES},
    **{series("up", job="atlas-exporter", instance=f"n{i}:9464"): constant(i != 4) for i in (1, 2, 3, 4)},
    series(s.PAGER_LAST_HEARTBEAT, job="atlas-pager"): constant(NOW - 50),
    series(THERMAL_SHARE, gpu="0", uuid="GPU-n1-0", host_name="n1"): constant(0.4),
}  # fmt: skip
