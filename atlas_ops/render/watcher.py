"""Prints `exporters/deploy/watch.yaml`: one watcher of drift for a cluster, where somebody wants one. `exporters/deploy/README.md` says how."""

from __future__ import annotations

from pathlib import PurePath

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import pods, yamltext
from atlas_ops.settings import DEFAULT_WATCH, Links, Settings, address

PATH = "exporters/deploy/watch.yaml"
NAMESPACE = "atlas-ops-watch"
REFERENCES = "atlas-references"
"""The ConfigMap of the references, which the user makes."""
FOLDER = "/etc/atlas-references"
LOGIN, LOGIN_FOLDER = "atlas-prometheus", "/etc/atlas-prometheus"
"""The Secret of the login at Prometheus, which the user makes, and where it is mounted."""
_OPERATED = "http://prometheus-operated.monitoring.svc:9090"
"""The service that the Prometheus Operator makes."""
_NAMES: yamltext.Value = {"app.kubernetes.io/name": conventions.WATCH_JOB}
_CPU_REQUEST = "50m"
"""Measured: 0.16 s of a core for each model of 20 features, every five minutes; this is for a hundred of them."""
_MEMORY_REQUEST, _MEMORY_LIMIT = "128Mi", "512Mi"
"""Measured: 58 MiB, and 5 for each model of 20 features; 177 at the most with 20 of them."""

_ABOUT_NAMESPACE = """\
A namespace of its own: the watcher needs nothing that the strictest level of Pod Security forbids.
"""
_ABOUT_DEPLOYMENT = """\
Finds drift in what servers count, by the references of a ConfigMap that you make of a folder:
  kubectl --namespace atlas-ops-watch create configmap atlas-references --from-file=references/
No root, no capability, a read-only root filesystem, no access to the Kubernetes API, nothing that is kept: one that starts anew reads the
last eight days from Prometheus. --prometheus is links.prometheus of atlas-ops.yaml; without it the service of the Prometheus Operator.
Where Prometheus wants a login, set prometheus.http_config_file in atlas-ops.yaml and build again: the container then has --http-config and
a Secret with that file and those that it names, which lie beside it (paths are relative to it); tokens and certificates may be rotated:
  kubectl --namespace atlas-ops-watch create secret generic atlas-prometheus --from-file=login.yml --from-file=token --from-file=ca.crt
The image is that of the exporter with numpy (README.md, beside this file).
"""
_ABOUT_POD_MONITOR = """\
For the Prometheus Operator. Where there is none, delete it and scrape the port with the job atlas-watch.
"""
_ABOUT_NETWORK_POLICY = """\
Prometheus comes in, and it is asked: at its port, wherever it is, and DNS for its name. Nothing else.
"""


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return the manifest; it is the same for every catalog."""
    del catalog
    prometheus = settings.links.prometheus if settings.links.prometheus != Links().prometheus else _OPERATED
    login = PurePath(settings.prometheus.http_config_file).name
    documents = (
        (_ABOUT_NAMESPACE, _namespace()),
        (_ABOUT_DEPLOYMENT, _object("apps/v1", "Deployment", spec=_deployment(prometheus, login))),
        (_ABOUT_POD_MONITOR, _pod_monitor(settings.parameters.timing.scrape_seconds)),
        (_ABOUT_NETWORK_POLICY, _network_policy(prometheus)),
    )
    return {PATH: yamltext.dump_all(documents)}


def _object(version: str, kind: str, **parts: yamltext.Value) -> yamltext.Value:
    metadata: yamltext.Value = {"name": conventions.WATCH_JOB, "namespace": NAMESPACE, "labels": _NAMES}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def _namespace() -> yamltext.Value:
    labels: yamltext.Value = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _deployment(prometheus: str, login: str) -> yamltext.Value:
    volumes: list[yamltext.Value] = [{"name": "references", "configMap": {"name": REFERENCES}}]
    volumes += [{"name": "login", "secret": {"secretName": LOGIN}}] if login else []
    return {
        "replicas": 1,
        "selector": {"matchLabels": _NAMES},
        "template": {
            "metadata": {"labels": _NAMES},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "securityContext": pods.SECURITY,
                "containers": [_container(prometheus, login)],
                "volumes": volumes,
            },
        },
    }


def _container(prometheus: str, login: str) -> yamltext.Value:
    port = address(DEFAULT_WATCH)[1]
    args: list[yamltext.Value] = ["watch", FOLDER, "--prometheus", prometheus, "--listen", f"0.0.0.0:{port}"]
    args += ["--http-config", f"{LOGIN_FOLDER}/{login}"] if login else []
    mounts: list[yamltext.Value] = [{"name": "references", "mountPath": FOLDER, "readOnly": True}]
    # A whole folder: a file that is mounted alone (subPath) is not replaced when the Secret is.
    mounts += [{"name": "login", "mountPath": LOGIN_FOLDER, "readOnly": True}] if login else []
    return {
        "name": "watch",
        "image": pods.image("atlas-ops-watch"),
        "args": args,
        "ports": [{"name": pods.PORT, "containerPort": port}],
        # The first round reads eight days of every model; the process answers meanwhile.
        "livenessProbe": pods.probe("/-/healthy", 10, 6),
        "readinessProbe": pods.probe("/-/ready", 10, 3),
        "resources": {
            "requests": {"cpu": _CPU_REQUEST, "memory": _MEMORY_REQUEST},
            "limits": {"memory": _MEMORY_LIMIT},
        },
        "securityContext": pods.CONTAINER_SECURITY,
        "volumeMounts": mounts,
    }


def _pod_monitor(scrape_seconds: float) -> yamltext.Value:
    endpoint: yamltext.Value = {"port": pods.PORT, "path": "/metrics", "interval": promql.duration(scrape_seconds)}
    return _object(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        spec={
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": _NAMES},
            "podMetricsEndpoints": [endpoint],
        },
    )


def _network_policy(prometheus: str) -> yamltext.Value:
    return _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {"matchLabels": _NAMES},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [pods.PROMETHEUS], "ports": [{"protocol": "TCP", "port": pods.PORT}]}],
            "egress": pods.egress(prometheus),
        },
    )
