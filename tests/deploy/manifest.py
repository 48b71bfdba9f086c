"""The Kubernetes manifest as objects, and what judges them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.render import kubernetes, watcher
from atlas_ops.settings import Settings

OLDEST = "1.25"
"""The oldest Kubernetes that is supported, and the oldest whose schemas the package has."""
VERSIONS = tuple(dict.fromkeys(kubernetes_validate.utils.all_versions()))
_POD_MONITOR = yaml.safe_load((Path(__file__).parent / "podmonitor.schema.yaml").read_text(encoding="utf-8"))
_CAPABILITIES = {"NET_BIND_SERVICE"}
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@dataclass(frozen=True)
class Manifest:
    """The objects of one manifest: by kind, those in namespaces of others as `Role/NAMESPACE`."""

    objects: dict[str, Any]

    @property
    def template(self) -> Any:
        return self.objects["DaemonSet"]["spec"]["template"]

    @property
    def pod(self) -> Any:
        return self.template["spec"]

    @property
    def container(self) -> Any:
        (container,) = self.pod["containers"]
        return container

    @property
    def config(self) -> str:
        return str(self.objects["ConfigMap"]["data"]["atlas-ops.yaml"])

    @property
    def endpoint(self) -> Any:
        (endpoint,) = self.objects["PodMonitor"]["spec"]["podMetricsEndpoints"]
        return endpoint

    @property
    def host_folders(self) -> dict[str, str]:
        """Folder of the host: where it lies in the container."""
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        return {
            volume["hostPath"]["path"]: mounts[volume["name"]] for volume in self.pod["volumes"] if "hostPath" in volume
        }


def manifest(settings: Settings | None = None) -> Manifest:
    return Manifest(objects(kubernetes.render(build_catalog(), settings or Settings())[kubernetes.PATH]))


def objects(text: str) -> dict[str, Any]:
    """Return the objects of a manifest, by their keys."""
    documents = list(yaml.safe_load_all(text))
    found = {_key(document): document for document in documents}
    assert len(found) == len(documents)
    return found


def _key(document: Any) -> str:
    namespace = document["metadata"].get("namespace", kubernetes.NAMESPACE)
    ours = namespace in (kubernetes.NAMESPACE, watcher.NAMESPACE)
    return str(document["kind"]) + ("" if ours else f"/{namespace}")


def validate(found: Manifest, version: str) -> None:
    """Raise jsonschema.ValidationError for a key or value that this version of Kubernetes does not know."""
    validate_objects(found.objects, version)


def validate_objects(found: dict[str, Any], version: str) -> None:
    """Do the same for objects."""
    for document in found.values():
        if document["kind"] == "PodMonitor":
            jsonschema.validate(document, _POD_MONITOR)
        else:
            kubernetes_validate.validate(document, version, strict=True)


def forbidden(pod: Any) -> Iterator[str]:
    """What the Pod Security level "restricted" forbids about a pod (kubernetes.io, Pod Security Standards)."""
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))
    yield from (f"volume {kind}" for volume in pod["volumes"] for kind in volume if kind not in _VOLUMES | {"name"})
    for container in pod["containers"]:
        context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
        capabilities = context.get("capabilities", {})
        wrong = {
            "privileged": context.get("privileged", False),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation", True),
            "runAsNonRoot": not context.get("runAsNonRoot", False),
            "runAsUser": context.get("runAsUser") == 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": "ALL" not in capabilities.get("drop", ()),
            "capabilities.add": bool(set(capabilities.get("add", ())) - _CAPABILITIES),
            "procMount": context.get("procMount", "Default") != "Default",
            "hostPort": any("hostPort" in port for port in container.get("ports", ())),
        }
        yield from (rule for rule, broken in wrong.items() if broken)
