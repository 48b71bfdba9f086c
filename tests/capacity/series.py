"""Requests as the counters, histograms and gauges that Prometheus would have scraped of their server."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atlas_ops.catalog import signals as s
from atlas_ops.rehearsal.samples import Series
from tests.capacity.worlds import Requests

Floats = NDArray[np.float64]
Columns = dict[Series, Floats]
DURATIONS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0)
FIRST_TOKENS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0)
PROMPT, ANSWER = 100.0, 50.0
"""Tokens of a request."""


def labels(model: str, server: str, **more: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of a server that is a pod of its own."""
    told = {
        "runtime": "vllm",
        "server": f"{server}:8000",
        "model": model,
        "host_name": "node1",
        "k8s_namespace_name": "chat",
    }
    return tuple(sorted({**told, "k8s_pod_name": server, "k8s_container_name": "vllm", **more}.items()))


def server(of: Requests, scrapes: Floats, model: str, name: str, *, slots: float) -> Columns:
    """Return all that a server tells at these times (seconds from the start)."""
    ends = np.argsort(of.ended)
    ended, arrived = of.ended[ends], of.arrived[ends]
    done = np.searchsorted(ended, scrapes, side="right")
    taken = np.searchsorted(np.sort(of.began), scrapes, side="right")
    came = np.searchsorted(of.arrived, scrapes, side="right")
    known = labels(model, name)
    columns: Columns = {
        Series(s.REQUESTS_RUNNING.name, known): (taken - done).astype(np.float64),
        Series(s.REQUESTS_WAITING.name, known): (came - taken).astype(np.float64),
        Series(s.REQUESTS_CAPACITY.name, known): np.full(len(scrapes), slots),
        Series(s.PROMPT_TOKENS.name, known): taken * PROMPT,
        Series(s.GENERATION_TOKENS.name, known): done * ANSWER,
        Series(s.REQUESTS.name, labels(model, name, outcome="ok")): done.astype(np.float64),
        Series(s.REQUESTS.name, labels(model, name, outcome="rejected")): np.zeros(len(scrapes)),
    }
    first = np.argsort(of.began)
    columns |= _histogram(s.REQUEST_DURATION.name, ended, ended - arrived, DURATIONS, scrapes, model, name)
    columns |= _histogram(
        s.TIME_TO_FIRST_TOKEN.name,
        of.began[first],
        (of.began - of.arrived)[first] + 0.2,
        FIRST_TOKENS,
        scrapes,
        model,
        name,
    )
    return columns


def _histogram(
    metric: str, at: Floats, took: Floats, bounds: tuple[float, ...], scrapes: Floats, model: str, name: str
) -> Columns:
    upto = np.searchsorted(at, scrapes, side="right")

    def cumulated(values: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(values)])[upto]

    columns = {
        Series(f"{metric}_bucket", labels(model, name, le=f"{le:g}")): cumulated((took <= le).astype(np.float64))
        for le in bounds
    }
    count = upto.astype(np.float64)
    columns[Series(f"{metric}_bucket", labels(model, name, le="+Inf"))] = count
    columns[Series(f"{metric}_count", labels(model, name))] = count
    columns[Series(f"{metric}_sum", labels(model, name))] = cumulated(took)
    return columns


def gpu(
    pod: str,
    uuid: str,
    scrapes: Floats,
    *,
    watts: float,
    name: str = "NVIDIA H100 80GB HBM3",
    sharing: str = "exclusive",
) -> Columns:
    """Return a GPU that a pod has, and that draws so much."""
    told = (("gpu", "0"), ("host_name", "node1"), ("uuid", uuid))
    ones = np.ones(len(scrapes))
    workload = (
        *told,
        ("k8s_container_name", "vllm"),
        ("k8s_namespace_name", "chat"),
        ("k8s_pod_name", pod),
        ("sharing", sharing),
    )
    return {
        Series(s.GPU_UP.name, told): ones,
        Series(s.GPU_INFO.name, (*told, ("name", name))): ones,
        Series(s.GPU_WORKLOAD_INFO.name, workload): ones,
        Series(s.GPU_ENERGY.name, told): scrapes * watts,
    }
