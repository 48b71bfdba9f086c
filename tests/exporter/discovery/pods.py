"""Pods as the API of Kubernetes tells them, with all that nobody asks for."""

from __future__ import annotations

import copy
from typing import Any

NODE, NAMESPACE = "gpu-node-1", "chat"
STARTED = "2026-02-03T04:05:06Z"
STARTED_AT = 1770091506.0
MANAGED = [{"manager": "kubelet", "operation": "Update", "fieldsV1": {f"f:field-{n}": {} for n in range(30)}}]
"""Who wrote which field: as much as the rest of a small pod."""


def container(name: str, image: str, *, ports: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    declared = [{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in (ports or {}).items()]
    return {"name": name, "image": image, "ports": declared, "resources": {"limits": {"nvidia.com/gpu": "1"}}, **more}


VLLM = container("vllm", "vllm/vllm-openai:v0.11.0", ports={"http": 8000})
WEB = container("web", "nginx:1.27", ports={"http": 80})


def pod(
    name: str,
    *containers: dict[str, Any],
    node: str = NODE,
    namespace: str = NAMESPACE,
    ip: str = "10.0.0.1",
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod; of one vLLM container, unless other containers are given."""
    chosen = copy.deepcopy(containers or (VLLM,))
    statuses = [{"name": c["name"], "ready": False, "state": {"running": {"startedAt": STARTED}}} for c in chosen]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {},
            "annotations": annotations or {}, "managedFields": copy.deepcopy(MANAGED),
        },
        "spec": {"nodeName": node, "containers": list(chosen), **spec},
        "status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": statuses},
    }  # fmt: skip
