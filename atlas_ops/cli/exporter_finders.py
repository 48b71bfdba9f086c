"""Plans what looks for model servers: files, and the pods of this node. Called by `cli.exporter_parts`."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.catalog.dialects import load, runtime_ids
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter.discovery.files import FileFinder
from atlas_ops.exporter.discovery.kubernetes import PodFinder
from atlas_ops.exporter.discovery.pod_api import ApiServer, Selection
from atlas_ops.exporter.lineup import Plan
from atlas_ops.settings import KubernetesDiscovery, Settings

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where Kubernetes mounts the account of a pod."""


def plan_finders(settings: Settings, node: str, kubernetes_url: str) -> Iterator[Plan]:
    """Give a plan for each file pattern and each namespace; EnvironmentProblem where there is no API server to ask.

    `kubernetes_url` is the API server of the cluster in which the exporter runs; empty: none.
    """
    dialects = settings.exporter.dialects
    for pattern in settings.discovery.files:
        yield _files(pattern, dialects)
    kubernetes = settings.discovery.kubernetes
    if kubernetes is None:
        return
    server = _api_server(kubernetes, kubernetes_url)
    for namespace in kubernetes.namespaces:
        selection = Selection(namespace=namespace, node=node, label_selector=kubernetes.label_selector)
        yield _pods(server, selection, dialects)


def _files(pattern: str, dialects: str) -> Plan:
    return Plan(key=("discovery/files", pattern, dialects), make=lambda _: FileFinder(pattern, runtime_ids(dialects)))


def _pods(server: ApiServer, selection: Selection, dialects: str) -> Plan:
    return Plan(
        key=("discovery/kubernetes", server, selection, dialects),
        make=lambda _: PodFinder(server, selection, load(dialects)),
    )


def _api_server(kubernetes: KubernetesDiscovery, cluster_url: str) -> ApiServer:
    if kubernetes.api_url:
        return ApiServer(url=kubernetes.api_url, token_file=kubernetes.bearer_token_file, ca_file=kubernetes.ca_file)
    if not cluster_url:
        raise EnvironmentProblem(
            "discovery.kubernetes is set, and this is no pod: KUBERNETES_SERVICE_HOST is not set",
            next_step="set discovery.kubernetes.api_url (http://127.0.0.1:8001 for `kubectl proxy`), or run it in the cluster",
        )
    return ApiServer(
        url=cluster_url,
        token_file=kubernetes.bearer_token_file or f"{ACCOUNT}/token",
        ca_file=kubernetes.ca_file or f"{ACCOUNT}/ca.crt",
    )
