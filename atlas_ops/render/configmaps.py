"""Prints `dashboards/configmaps/*.yaml`: each dashboard for the sidecar that Grafana's Helm charts run beside it.

Called by `render` with the dashboards that it has printed: they are wrapped, not printed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

from atlas_ops.errors import AtlasError
from atlas_ops.render import links, provisioning, yamltext

MOST_BYTES = 1024 * 1024
"""Of all values of a ConfigMap: Kubernetes refuses more."""
MOST_ANNOTATION_BYTES = 256 * 1024
"""Of all annotations of an object. `kubectl apply` keeps the whole object in one, unless the server does the applying."""
LABEL, LABEL_VALUE = "grafana_dashboard", "1"
"""What the sidecar of Grafana's charts looks for (sidecar.dashboards.label and labelValue)."""
ANNOTATION = "grafana_folder"
_ABOUT = f"""\
For the sidecar of Grafana's Helm charts (sidecar.dashboards.enabled), which watches ConfigMaps with this label: apply it
to the namespace that it looks in, Grafana's own unless sidecar.dashboards.searchNamespace says another. The folder is kept
where the chart has sidecar.dashboards.folderAnnotation: {ANNOTATION} and provider.foldersFromFilesStructure: true.
"""
_ABOUT_SIZE = """\
It is too large for kubectl apply, which would keep a copy in an annotation (256 KiB at most): kubectl apply --server-side
"""


def render(files: Mapping[str, str]) -> dict[str, str]:
    """Return a manifest for each dashboard among the files {path: text}; AtlasError when one is too large to be a ConfigMap."""
    boards = {
        PurePosixPath(path): text for path, text in files.items() if PurePosixPath(path).match("dashboards/*.json")
    }
    return {f"dashboards/configmaps/{path.stem}.yaml": _manifest(path.stem, text) for path, text in boards.items()}


def _manifest(name: str, board: str) -> str:
    # On one line it is half as large, and JSON in ASCII has no character that a block of YAML does not take.
    model = json.dumps(json.loads(board), separators=(",", ":"))
    if len(model) >= MOST_BYTES:
        raise AtlasError(
            f"dashboards/{name}.json is too large for a ConfigMap: {len(model)} bytes, and Kubernetes takes less than "
            f"{MOST_BYTES} (1 MiB)",
            next_step="give fewer objectives or models in atlas-ops.yaml: each has panels of its own",
        )
    head: dict[str, yamltext.Value] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name)}
    # Written here, not by the YAML library, which takes seconds for a megabyte.
    data = f"data:\n  {links.uid(name)}.json: |\n    {model}\n"
    return yamltext.dump_all([(_ABOUT + _about_size(head, name, model), head)]) + data


def _metadata(name: str) -> yamltext.Value:
    return {
        "name": f"atlas-ops-dashboard-{name}",
        "labels": {LABEL: LABEL_VALUE, "app.kubernetes.io/part-of": "atlas-ops"},
        "annotations": {ANNOTATION: provisioning.FOLDER},
    }


def _about_size(head: Mapping[str, yamltext.Value], name: str, model: str) -> str:
    kept = json.dumps({**head, "data": {f"{links.uid(name)}.json": model}}, separators=(",", ":"))
    size = len(kept) + 5 * sum(kept.count(sign) for sign in "<>&")  # Go writes each of them as six characters
    return _ABOUT_SIZE if size > MOST_ANNOTATION_BYTES - 1024 else ""
