"""Of the pods of a node only model servers are kept, and no more than there may be."""

from __future__ import annotations

import pytest

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.discovery import pod_store
from atlas_ops.exporter.discovery.detect import Detector
from atlas_ops.exporter.discovery.pod_store import PodStore
from tests.exporter.discovery.pods import NAMESPACE, NODE, WEB, pod


def test_more_pods_than_a_node_can_have_are_not_measured_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pod_store, "MAX_PODS", 2)
    store = PodStore(NAMESPACE, NODE, Detector(shipped_dialects()))
    store.replace([[pod(f"llama-{number}", ip=f"10.0.0.{number + 1}") for number in range(4)]])
    assert [server.pod for server in store.servers] == ["llama-0", "llama-1"]
    store.put(pod("llama-9", ip="10.0.0.9"))
    store.put(pod("llama-1", ip="10.0.0.7"))
    assert [server.url for server in store.servers] == ["http://10.0.0.1:8000", "http://10.0.0.7:8000"]
    assert caplog.text.count("more than 2 pods") == 1


def test_pods_that_are_no_model_servers_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_store, "MAX_PODS", 1)
    store = PodStore(NAMESPACE, NODE, Detector(shipped_dialects()))
    store.replace([[pod(f"web-{number}", WEB) for number in range(3)], [pod("llama-0")]])
    assert [server.pod for server in store.servers] == ["llama-0"]
