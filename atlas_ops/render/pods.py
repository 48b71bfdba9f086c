"""What pods of atlas-ops have in common: no root, no capability, a root filesystem that nothing writes to. Used by `daemon_set` and `watcher`."""

from __future__ import annotations

from urllib.parse import urlsplit

from atlas_ops import __version__
from atlas_ops.render import yamltext

PORT = "metrics"
USER = 65534
"""`nobody`, as in the Dockerfile."""
PROMETHEUS: yamltext.Value = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}
"""Where Prometheus is, until the reader changes both labels."""
SECURITY: yamltext.Value = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: yamltext.Value = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_PORTS = {"https": 443, "http": 80}


def image(name: str = "atlas-ops") -> str:
    """Return the image without a registry: which one holds it is the user's choice."""
    return f"{name}:{__version__}"


def probe(path: str, period_seconds: int, failures: int) -> yamltext.Value:
    """Return a probe of one of the pages."""
    return {
        "httpGet": {"path": path, "port": PORT},
        "timeoutSeconds": 5,
        "periodSeconds": period_seconds,
        "failureThreshold": failures,
    }


def egress(url: str) -> list[yamltext.Value]:
    """Return what lets a pod out to an address, and to DNS for its name; nothing when there is none."""
    if not url:
        return []
    parts = urlsplit(url)
    names: yamltext.Value = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return [{"ports": names}, {"ports": [{"protocol": "TCP", "port": parts.port or _PORTS.get(parts.scheme, 80)}]}]
