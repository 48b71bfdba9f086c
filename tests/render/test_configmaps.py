"""Each dashboard as a ConfigMap that Kubernetes takes and the sidecar of Grafana's charts finds."""

from __future__ import annotations

import bisect
import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import render
from atlas_ops.catalog import build_catalog
from atlas_ops.errors import AtlasError
from atlas_ops.render import configmaps, dashboards
from atlas_ops.settings import Settings
from tests.deploy.manifest import OLDEST, VERSIONS

BOARDS = dashboards.render(build_catalog(), Settings())
MANIFESTS = configmaps.render(BOARDS)
ANNOTATIONS = 262_144
"""Bytes that Kubernetes takes in all annotations of an object."""


def wrapped(model: dict[str, Any]) -> str:
    (text,) = configmaps.render({"dashboards/one.json": json.dumps(model)}).values()
    return text


def kept_by_kubectl(manifest: dict[str, Any]) -> int:
    """Size of the annotations after a client-side `kubectl apply`, which writes JSON as Go does."""
    applied = {**manifest, "metadata": {**manifest["metadata"], "namespace": "monitoring"}}
    text = json.dumps(applied, separators=(",", ":"), ensure_ascii=False)
    text = re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text)
    annotations = {
        **manifest["metadata"]["annotations"],
        "kubectl.kubernetes.io/last-applied-configuration": text + "\n",
    }
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


@pytest.mark.parametrize("path", MANIFESTS)
def test_kubernetes_takes_it_and_it_holds_the_dashboard_as_it_is(path: str) -> None:
    manifest = yaml.safe_load(MANIFESTS[path])
    for version in (OLDEST, VERSIONS[-1]):
        kubernetes_validate.validate(manifest, version, strict=True)
    ((file, held),) = manifest["data"].items()
    assert json.loads(held) == json.loads(BOARDS[path.replace("/configmaps/", "/").replace(".yaml", ".json")])
    assert file == f"{json.loads(held)['uid']}.json", "files of the sidecar lie beside those of others"
    assert re.fullmatch(r"[-._a-zA-Z0-9]+", file)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])


@pytest.mark.parametrize("path", MANIFESTS)
def test_kubectl_apply_takes_it_without_asking_the_server_to(path: str) -> None:
    assert kept_by_kubectl(yaml.safe_load(MANIFESTS[path])) <= ANNOTATIONS
    assert "--server-side" not in MANIFESTS[path]


def test_the_sidecar_finds_it_by_its_label_and_puts_it_into_the_folder() -> None:
    metadata = yaml.safe_load(wrapped({"title": "One"}))["metadata"]
    assert metadata["labels"]["grafana_dashboard"] == "1"
    assert metadata["annotations"] == {"grafana_folder": "atlas-ops"}
    assert "namespace" not in metadata, "it goes where the sidecar looks"


@given(title=st.text(max_size=40))
def test_any_text_comes_through_yaml_as_it_was(title: str) -> None:
    manifest = yaml.safe_load(wrapped({"title": title, "odd": "\x7f\x85\u2028\ufeff\U0001f534 #: '\"\n\t"}))
    model = json.loads(manifest["data"]["atlas-one.json"])
    assert model == {"title": title, "odd": "\x7f\x85\u2028\ufeff\U0001f534 #: '\"\n\t"}


@pytest.mark.parametrize("filling", ["x", "<", '"', "é"])
def test_what_is_too_large_for_kubectls_annotation_says_how_to_apply_it(filling: str) -> None:
    def hinted(count: int) -> bool:
        return "kubectl apply --server-side" in wrapped({"title": filling * count})

    first = bisect.bisect_left(range(300_000), True, key=hinted)
    largest = kept_by_kubectl(yaml.safe_load(wrapped({"title": filling * (first - 1)})))
    assert 0.98 * ANNOTATIONS < largest <= ANNOTATIONS


def test_what_is_too_large_for_a_config_map_is_refused_with_the_limit() -> None:
    most = "x" * (1024 * 1024 - len('{"title":""}\n'))
    assert len(yaml.safe_load(wrapped({"title": most}))["data"]["atlas-one.json"]) == 1024 * 1024
    with pytest.raises(AtlasError, match=r"dashboards/one.json is too large for a ConfigMap: .*1048576 \(1 MiB\)"):
        wrapped({"title": f"{most}x"})


def test_there_is_one_for_each_dashboard_and_none_for_anything_else() -> None:
    printed = {path for path in render.render(build_catalog(), Settings()) if "/configmaps/" in path}
    assert printed == set(MANIFESTS)
    assert len(printed) == len(BOARDS)
