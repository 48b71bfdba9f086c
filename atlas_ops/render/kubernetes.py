"""Prints `exporters/deploy/kubernetes.yaml`: the exporter on each GPU node, with as few rights as it can have.

To be applied as it is, or patched by kustomize; `exporters/deploy/README.md` shows both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from atlas_ops import promql
from atlas_ops.catalog import conventions
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import daemon_set, pods, yamltext
from atlas_ops.settings import DEFAULT_EXPORTER, Exporter, KubernetesDiscovery, Settings, address

PATH = "exporters/deploy/kubernetes.yaml"
NAMESPACE = "atlas-ops"

_ABOUT_NAMESPACE = """\
The exporter's own namespace. Pod Security "privileged" is for one reason: it is the only level that allows hostPath
volumes. The pod below keeps every other rule of the level "restricted".
"""
_ABOUT_CONFIG = """\
Settings of the exporter on every node: those of atlas-ops.yaml, when this file was built, that make sense in a pod.
No model server is among them: every node would scrape it. No file or folder of yours either (web_config_file, dialects):
README.md, beside this file, says how to add them.
"""
_ABOUT_ACCOUNT = """\
Who asks the Kubernetes API for pods. What it may do is said in each namespace of its own, below, and nowhere else.
"""
_ABOUT_ROLE = """\
Lets the exporter see the pods of this namespace, to find the model servers among those of its node. A role cannot be
narrowed to a node: the exporter asks for its own alone.
"""
_ABOUT_DAEMON_SET = """\
One exporter for each GPU node: no root, no capability, no privilege, a read-only root filesystem, {api}
Kubernetes API. It asks for no nvidia.com/gpu, which would take a GPU away from the models.

Off, because it needs more rights; README.md has a patch for each:
- Which pod was given which GPU (runAsUser: 0, still without any capability). The kubelet keeps the folder pod-resources
  closed to everybody but root, and lets only root write to its socket, so `nobody` cannot ask.
- GPU memory of each process (hostPID: true). The driver names processes by their pid in the namespace of the caller.
- The whole GPU above its MIG instances (NVIDIA_MIG_MONITOR_DEVICES=all and the capability SYS_ADMIN).

Where NVIDIA's container runtime is not the default one of a node, add runtimeClassName: nvidia to the pod's spec.
For nodes without GPUs, of which the exporter tells out-of-memory kills, take the affinity out.
There is no CPU limit: an exporter that is held back would miss the short GPU throttles that it is there to see.
"""
_ABOUT_POD_MONITOR = f"""\
For the Prometheus Operator. Where there is none, delete it and scrape the port with the job {conventions.EXPORTER_JOB}.
The job comes from the pod's label: the alert rules ask for it. The instance is the node, so that the alert of a lost
exporter names it. Pods that have ended are no targets: the one of a node that an autoscaler took away stays in the API
until it is collected, and would page. A pod that is only not ready stays a target, or a dead exporter would not page.
honorLabels is not needed: no label of a signal has the name of one that Prometheus attaches.
Some Prometheus objects choose monitors by a label such as release: add it under metadata.labels.
"""
_ABOUT_NETWORK_POLICY = """\
The port is open on the pod's address without TLS or password, so only Prometheus may reach it: change both labels when
yours has others. The kubelet's probes come from the node, which every network policy lets through.
Nothing goes out, except to a receiver of OTLP, when one is set, and to DNS for its name.
"""
_ABOUT_MORE_EGRESS = """\
Model servers are looked for, so the Kubernetes API and the pods of their namespaces can be reached as well. Pods with
hostNetwork have the address of their node, which many network plugins count as no pod: add an ipBlock for those.
"""
_API_PORTS = (443, 6443)
"""Of the service, and where most clusters have the API server behind it: some network plugins look at the one, some at the
other."""


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return the manifest: namespace, configuration, pods, what scrapes them, and who else may reach them (nobody)."""
    del catalog
    # Port 0 means a free one: nobody could scrape it.
    port = address(settings.exporter.listen)[1] or address(DEFAULT_EXPORTER)[1]
    exporter = dataclasses.replace(
        settings.exporter, listen=f"0.0.0.0:{port}", host_root=daemon_set.HOST_ROOT, web_config_file="", dialects=""
    )
    discovery = settings.discovery.kubernetes
    about_api = "no access to the" if discovery is None else "and pods alone of the"
    spec = daemon_set.spec(exporter, account=None if discovery is None else conventions.EXPORTER_JOB)
    documents = (
        (_ABOUT_NAMESPACE, _namespace()),
        (_ABOUT_CONFIG, _config_map(exporter, discovery)),
        *(_permissions(discovery) if discovery else ()),
        (_ABOUT_DAEMON_SET.format(api=about_api), _object("apps/v1", "DaemonSet", spec=spec)),
        (_ABOUT_POD_MONITOR, _pod_monitor(settings.parameters.timing.scrape_seconds)),
        (_ABOUT_NETWORK_POLICY + (_ABOUT_MORE_EGRESS if discovery else ""), _network_policy(exporter, discovery)),
    )
    return {PATH: yamltext.dump_all(documents)}


def _object(version: str, kind: str, namespace: str = NAMESPACE, **parts: yamltext.Value) -> yamltext.Value:
    metadata: yamltext.Value = {"name": conventions.EXPORTER_JOB, "namespace": namespace, "labels": daemon_set.NAMES}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def _namespace() -> yamltext.Value:
    labels: yamltext.Value = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _config_map(exporter: Exporter, discovery: KubernetesDiscovery | None) -> yamltext.Value:
    default = Exporter()
    given: dict[str, yamltext.Value] = {
        entry.name: value
        for entry in dataclasses.fields(Exporter)
        if (value := getattr(exporter, entry.name)) != getattr(default, entry.name)
    }
    settings: dict[str, yamltext.Value] = {"exporter": given}
    if discovery is not None:  # in a pod the API server and the account are those of the cluster
        pods: dict[str, yamltext.Value] = {"namespaces": list(discovery.namespaces)}
        if discovery.label_selector:
            pods["label_selector"] = discovery.label_selector
        settings["discovery"] = {"kubernetes": pods}
    return _object("v1", "ConfigMap", data={daemon_set.CONFIG_FILE: yamltext.body(settings)})


def _permissions(discovery: KubernetesDiscovery) -> Iterator[tuple[str, yamltext.Value]]:
    """Give the account of the exporter, and a role for it in each namespace: no right counts in the whole cluster."""
    yield _ABOUT_ACCOUNT, _object("v1", "ServiceAccount", automountServiceAccountToken=False)
    name, api = conventions.EXPORTER_JOB, "rbac.authorization.k8s.io"
    for namespace in discovery.namespaces:
        rules: yamltext.Value = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
        yield _ABOUT_ROLE, _object(f"{api}/v1", "Role", namespace, rules=rules)
        role: yamltext.Value = {"apiGroup": api, "kind": "Role", "name": name}
        subjects: yamltext.Value = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
        yield "", _object(f"{api}/v1", "RoleBinding", namespace, roleRef=role, subjects=subjects)


def _pod_monitor(scrape_seconds: float) -> yamltext.Value:
    endpoint: yamltext.Value = {
        "port": pods.PORT,
        "path": "/metrics",
        "interval": promql.duration(scrape_seconds),
        "scrapeTimeout": promql.duration(min(scrape_seconds, 10)),
        "relabelings": [
            {"sourceLabels": ["__meta_kubernetes_pod_phase"], "regex": "Succeeded|Failed", "action": "drop"},
            {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"},
        ],
    }
    return _object(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        spec={
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": daemon_set.NAMES},
            "podMetricsEndpoints": [endpoint],
        },
    )


def _network_policy(exporter: Exporter, discovery: KubernetesDiscovery | None) -> yamltext.Value:
    return _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {"matchLabels": daemon_set.NAMES},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [pods.PROMETHEUS], "ports": [{"protocol": "TCP", "port": pods.PORT}]}],
            "egress": [*pods.egress(exporter.otlp_endpoint), *(_to_servers(discovery) if discovery else ())],
        },
    )


def _to_servers(discovery: KubernetesDiscovery) -> Iterator[yamltext.Value]:
    """Let it out to the Kubernetes API, and to the pods of some namespaces, whose ports their annotations may say."""
    yield {"ports": [{"protocol": "TCP", "port": port} for port in _API_PORTS]}
    wanted: yamltext.Value = {
        "key": "kubernetes.io/metadata.name", "operator": "In", "values": list(discovery.namespaces)
    }  # fmt: skip
    yield {"to": [{"namespaceSelector": {"matchExpressions": [wanted]}}]}
