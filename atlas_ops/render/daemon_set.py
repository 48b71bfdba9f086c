"""The pod of the exporter in Kubernetes: what it may do, what it sees of its node, what it may use. Used by `kubernetes`.

Whatever needs more rights than these is off; the comment above the DaemonSet says what that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath

from atlas_ops.catalog import conventions
from atlas_ops.render import pods, yamltext
from atlas_ops.settings import Exporter, address

NAMES: yamltext.Value = {"app.kubernetes.io/name": conventions.EXPORTER_JOB}
CONFIG_FILE = "atlas-ops.yaml"
HOST_ROOT = "/host"
"""Where the folders of the host lie in the container."""
CPU_REQUEST = "50m"
"""Measured by `benchmarks/exporter.py`: 3.0 % of a core with 8 GPUs, 5.3 % with 16; a scrape takes less than a millisecond."""
MEMORY_REQUEST = "64Mi"
"""Measured there: 39 MiB with 8 GPUs, 46 MiB with 16. NVIDIA's own library takes 18 MiB besides (driver 580.159, an H100)."""
MEMORY_LIMIT = "192Mi"
"""Three times what 8 GPUs take, for a node with many model servers: a leak ends before it takes memory from a model."""
STARTUP_SECONDS = 60
"""A guess, to be generous: NVML starts slowly where the driver has no persistence mode."""

_CONFIG_FOLDER = "/etc/atlas-ops"
_STARTUP_PERIOD_SECONDS = 2
# One of them is enough: set by NVIDIA's GPU feature discovery, AMD's GPU operator, AMD's node labeller, or by hand.
_NODE_LABELS: tuple[yamltext.Value, ...] = (
    {"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]},
    {"key": "feature.node.kubernetes.io/amd-gpu", "operator": "In", "values": ["true"]},
    {"key": "amd.com/gpu.family", "operator": "Exists"},
    {"key": "atlas-ops/exporter", "operator": "In", "values": ["true"]},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _HostFolder:
    """A folder of the host that the exporter reads."""

    name: str
    path: str
    mounted_at: str


def spec(exporter: Exporter, *, account: str | None) -> yamltext.Value:
    """Return the spec of the DaemonSet. `account` is that with which it asks the Kubernetes API; None: it asks nothing."""
    return {
        "selector": {"matchLabels": NAMES},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
        "template": {"metadata": {"labels": NAMES}, "spec": _pod(exporter, account)},
    }


def _pod(exporter: Exporter, account: str | None) -> yamltext.Value:
    folders = _host_folders(exporter)
    terms: yamltext.Value = [{"matchExpressions": [label]} for label in _NODE_LABELS]
    return {
        **({"serviceAccountName": account} if account else {}),
        "automountServiceAccountToken": account is not None,
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}},
        "tolerations": [{"key": key, "operator": "Exists"} for key in ("nvidia.com/gpu", "amd.com/gpu")],
        "securityContext": pods.SECURITY,
        "containers": [_container(exporter, folders)],
        "volumes": [
            {"name": "config", "configMap": {"name": conventions.EXPORTER_JOB}},
            *({"name": folder.name, "hostPath": {"path": folder.path, "type": "Directory"}} for folder in folders),
        ],
    }


def _container(exporter: Exporter, folders: tuple[_HostFolder, ...]) -> yamltext.Value:
    return {
        "name": "exporter",
        "image": pods.image(),
        "args": ["exporter", "--config", f"{_CONFIG_FOLDER}/{CONFIG_FILE}"],
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"},
            {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "utility"},
        ],
        "ports": [{"name": pods.PORT, "containerPort": address(exporter.listen)[1]}],
        **_probes(exporter),
        "resources": {
            "requests": {"cpu": CPU_REQUEST, "memory": MEMORY_REQUEST},
            "limits": {"memory": MEMORY_LIMIT},
        },
        "securityContext": pods.CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True},
            *({"name": folder.name, "mountPath": folder.mounted_at, "readOnly": True} for folder in folders),
        ],
    }


def _probes(exporter: Exporter) -> dict[str, yamltext.Value]:
    """Return the probes. A wedged driver makes the pod not ready; killing it for that would leave nothing to tell of it."""
    # The page is first served when the first round is over, or has taken the whole timeout.
    tries = math.ceil((STARTUP_SECONDS + exporter.timeout_seconds) / _STARTUP_PERIOD_SECONDS)
    return {
        "startupProbe": pods.probe("/-/healthy", _STARTUP_PERIOD_SECONDS, tries),
        "livenessProbe": pods.probe("/-/healthy", 10, 6),
        "readinessProbe": pods.probe("/-/ready", 10, 3),
    }


def _host_folders(exporter: Exporter) -> tuple[_HostFolder, ...]:
    # Of the last one the exporter reads the names alone, which say whose a container is. They are links to the logs in
    # /var/log/pods, which is not mounted: rotated ones could be read by everybody.
    named = {"proc": "/proc", "sys": "/sys", "log-names": "/var/log/containers"}
    folders = tuple(_HostFolder(name=name, path=path, mounted_at=f"{HOST_ROOT}{path}") for name, path in named.items())
    socket = PurePosixPath(exporter.pod_resources_socket)
    if not socket.is_absolute() or socket.parent == PurePosixPath("/"):
        return folders  # No socket to ask, or one for which the whole host would have to be mounted.
    # The folder, not the socket: the kubelet makes a new socket whenever it starts.
    at = str(socket.parent)
    return (*folders, _HostFolder(name="pod-resources", path=at, mounted_at=at))
