"""Which containers are model servers, of which runtime, and where their pages are: in the order of the reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog.dialect import Dialect, Kubernetes
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.discovery.detect import Detector
from atlas_ops.exporter.discovery.pod import read_pod
from atlas_ops.settings import Server, url_problem
from tests.exporter.discovery.pods import STARTED_AT, VLLM, WEB, container, pod


def _dialect(
    runtime: str, port: int, api_port: int, kubernetes: Kubernetes, path: str = "/metrics", rank: int = 1
) -> Dialect:
    """A dialect of which only what discovery asks for counts."""
    return dataclasses.replace(
        shipped_dialects()[0], runtime=runtime, default_port=port, api_port=api_port, metrics_path=path, rank=rank,
        kubernetes=kubernetes,
    )  # fmt: skip


ENGINE = "llm-d.ai/engine-type"
DIALECTS = (
    _dialect("vllm", 8000, 0, Kubernetes(
        images=("vllm/vllm-openai*", "vllm"), containers=("vllm",), commands=("vllm serve",),
        labels=((ENGINE, "vllm"), ("app.kubernetes.io/name", "vllm")),
    )),
    _dialect("triton", 8002, 8000, Kubernetes(images=("nvidia/tritonserver",), commands=("tritonserver",))),
    _dialect("nim", 8000, 0, Kubernetes(images=("nim/*/*",), commands=("nim-vllm serve",)), rank=5),
    _dialect("kserve", 8080, 0, Kubernetes(
        containers=("kserve-container", "queue-proxy"), labels=(("serving.kserve.io/inferenceservice", "*"),),
    ), path="/aggregate"),
)  # fmt: skip
DETECTOR = Detector(DIALECTS)
SIDECAR = container("istio-proxy", "docker.io/istio/proxyv2:1.24", ports={"http-envoy-prom": 15090})
QUEUE = container("queue-proxy", "gcr.io/knative/queue:1.16", ports={"http-usermetric": 9091, "metrics": 9088})


def servers(found: dict[str, Any]) -> tuple[Server, ...]:
    return DETECTOR.servers(read_pod(found))[0]


def told(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Container, runtime and address of each server."""
    return [
        (server.container, server.runtime, server.url.removeprefix("http://10.0.0.1:")) for server in servers(found)
    ]


def mistakes(found: dict[str, Any]) -> tuple[str, ...]:
    return DETECTOR.servers(read_pod(found))[1]


@pytest.mark.parametrize(
    ("image", "runtime"),
    [
        ("vllm/vllm-openai", "vllm"),
        ("vllm/vllm-openai-cpu:v1", "vllm"),
        ("mirror.example.org:5000/dockerhub/vllm/vllm-openai:v0.9.2", "vllm"),
        ("mirror.example.org/vllm@sha256:0123", "vllm"),
        ("nvcr.io/nvidia/tritonserver:24.08-py3", "triton"),
        ("nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8", "nim"),
        ("vllm/vllm-router:v1", None),
        ("example.org/not-vllm:1", None),
        ("nginx", None),
        ("", None),
    ],
)
def test_the_repository_of_an_image_tells_the_runtime_whatever_the_mirror_and_the_tag(
    image: str, runtime: str | None
) -> None:
    found = told(pod("a", container("main", image)))
    assert [entry[1] for entry in found] == ([runtime] if runtime else [])


def test_a_command_line_tells_the_runtime_where_the_image_does_not() -> None:
    shell = container("main", "own:1", command=["/bin/sh", "-c"], args=["exec vllm serve meta/llama --port 8000"])
    assert told(pod("a", shell)) == [("main", "vllm", "8000")]


def test_the_image_wins_over_the_command_line() -> None:
    both = container("main", "nvcr.io/nvidia/tritonserver:1", args=["vllm serve"])
    assert told(pod("a", both)) == [("main", "triton", "8002")]
    assert told(pod("a", container("other", "own:1", args=["vllm serve"]), both)) == [("main", "triton", "8002")]


def test_a_label_of_the_engine_wins_over_the_image() -> None:
    assert told(pod("a", container("main", "nvcr.io/nvidia/tritonserver:1"), labels={ENGINE: "vllm"})) == [
        ("main", "vllm", "8000")
    ]


def test_the_image_wins_over_a_label_of_the_owner() -> None:
    kserve = {"serving.kserve.io/inferenceservice": "llama"}
    main = container("kserve-container", "vllm/vllm-openai:1", ports={"http1": 8080})
    assert told(pod("a", QUEUE, main, labels=kserve)) == [("kserve-container", "vllm", "8080")]


def test_an_owner_alone_says_where_the_page_is_and_leaves_the_runtime_to_the_page() -> None:
    kserve = {"serving.kserve.io/inferenceservice": "llama"}
    main = container("kserve-container", "own:1")
    assert told(pod("a", QUEUE, main, SIDECAR, labels=kserve)) == [("kserve-container", "", "8080/aggregate")]


def test_a_runtime_that_carries_another_one_is_looked_for_first() -> None:
    assert told(pod("a", container("x", "own:1", command=["nim-vllm", "serve"]))) == [("x", "nim", "8000")]


def test_a_pod_like_any_other_is_none() -> None:
    assert (
        servers(pod("a", WEB, SIDECAR, annotations={"prometheus.io/scrape": "true", "prometheus.io/port": "80"})) == ()
    )


def test_two_engines_in_one_pod_are_two_servers() -> None:
    prefill = container("prefill", "vllm/vllm-openai:1", ports={"http": 8000})
    decode = container("decode", "vllm/vllm-openai:1", ports={"http": 8200})
    assert told(pod("a", prefill, decode, SIDECAR)) == [("prefill", "vllm", "8000"), ("decode", "vllm", "8200")]


def test_containers_that_would_share_an_address_are_one_server() -> None:
    assert len(told(pod("a", VLLM, {**VLLM, "name": "vllm-2"}))) == 1


def test_init_containers_are_no_servers() -> None:
    assert told(pod("a", WEB, initContainers=[VLLM, {**VLLM, "restartPolicy": "Always"}])) == []


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed", "Unknown", ""])
def test_only_what_runs_is_asked(phase: str) -> None:
    assert servers(pod("a", phase=phase)) == ()


def test_what_is_not_ready_yet_or_is_ending_is_asked_so_that_its_cold_start_and_its_end_are_seen() -> None:
    found = pod("a")
    found["metadata"]["deletionTimestamp"] = "2026-02-03T04:05:06Z"
    (server,) = servers(found)
    assert not found["status"]["containerStatuses"][0]["ready"]
    assert server.started_at == STARTED_AT


def test_a_container_that_waits_to_be_started_again_has_no_start() -> None:
    found = pod("a")
    found["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert [server.started_at for server in servers(found)] == [None]


@pytest.mark.parametrize(
    ("ip", "url"), [("10.0.0.7", "http://10.0.0.7:8000"), ("fd00::7", "http://[fd00::7]:8000"), ("", ""), ("evil/", "")]
)
def test_the_address_is_that_of_the_pod(ip: str, url: str) -> None:
    assert "".join(server.url for server in servers(pod("a", ip=ip, hostNetwork=True))) == url


def triton(**ports: int) -> dict[str, Any]:
    return container("triton", "nvcr.io/nvidia/tritonserver:1", ports=ports)


@pytest.mark.parametrize(
    ("found", "port"),
    [
        (pod("a", triton(http=8000)), "8002"),
        (pod("a", triton(http=9000, metrics=9002)), "9002"),
        (pod("a", triton(**{"http-metrics": 9003})), "9003"),
        (pod("a", triton(), annotations={"prometheus.io/port": "9004"}), "9004"),
        (pod("a", triton(metrics=9002), annotations={"prometheus.io/port": "9004"}), "9002"),
        (pod("a", triton(metrics=9002), annotations={"atlas-ops.dev/port": "9005"}), "9005"),
        (pod("a", triton(), QUEUE, annotations={"prometheus.io/port": "9088", "prometheus.io/path": "/m"}), "8002"),
        (pod("a", triton(), SIDECAR, annotations={"prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"}), "8002"),
        (pod("a", triton(), annotations={"prometheus.io/port": "seven", "prometheus.io/path": "x"}), "8002"),
        (pod("a", container("vllm", "vllm:1", ports={"http": 8080})), "8080"),
        (pod("a", container("vllm", "vllm:1", ports={"grpc": 9000, "http": 8000})), "8000"),
        (pod("a", container("vllm", "vllm:1", ports={"odd": True, "far": 70_000})), "8000"),
        (pod("a", triton(), annotations={"prometheus.io/path": "/m"}), "8002/m"),
        (pod("a", triton(), annotations={"prometheus.io/path": "/m", "atlas-ops.dev/path": "/n?x=1"}), "8002/n?x=1"),
    ],
)  # fmt: skip
def test_the_port_and_path_come_from_what_says_it_best(found: dict[str, Any], port: str) -> None:
    assert [entry[2] for entry in told(found)] == [port]


def ours(**annotations: str) -> dict[str, str]:
    return {f"atlas-ops.dev/{name}": value for name, value in annotations.items()}


def test_annotations_opt_out() -> None:
    assert servers(pod("a", labels={ENGINE: "vllm"}, annotations=ours(scrape="false", runtime="vllm"))) == ()


def test_annotations_opt_in_what_nothing_else_shows() -> None:
    assert told(pod("a", SIDECAR, WEB, annotations=ours(scrape="true"))) == [("web", "", "80")]
    assert told(pod("a", WEB, annotations=ours(runtime="triton"))) == [("web", "triton", "8002")]
    assert told(pod("a", WEB, annotations=ours(port="81", path="/x"))) == [], "where it is does not say that it is one"


def test_annotations_say_everything_else() -> None:
    (server,) = servers(
        pod(
            "a", WEB, container("own", "own:1"), ip="fd00::1",
            annotations=ours(runtime="triton", container="own", scheme="https", port="1", path="/p", model="a model",
                             track="canary", release="v2"),
        )
    )  # fmt: skip
    assert (server.url, server.runtime, server.container, server.model) == (
        "https://[fd00::1]:1/p",
        "triton",
        "own",
        "a model",
    )
    assert (server.track, server.release) == ("canary", "v2")


def test_the_main_container_of_a_pod_is_the_one_that_kubectl_would_take() -> None:
    annotations = ours(scrape="true", port="1") | {"kubectl.kubernetes.io/default-container": "own"}
    assert [entry[0] for entry in told(pod("a", WEB, container("own", "own:1"), annotations=annotations))] == ["own"]


@pytest.mark.parametrize(
    ("labels", "track", "release"),
    [
        ({}, "stable", ""),
        ({"track": "canary", "app.kubernetes.io/version": "1.2"}, "canary", "1.2"),
        ({"track": "stable"}, "stable", ""),
        ({"harness.io/track": "canary"}, "canary", ""),
        ({"role": "canary", "rollouts-pod-template-hash": "7bf84f9696"}, "canary", "7bf84f9696"),
        ({"role": "database", "track": "beta"}, "stable", ""),
        ({"serving.knative.dev/revision": "llama-00002"}, "stable", "llama-00002"),
        (
            {"app.kubernetes.io/version": "x" * 300, "serving.knative.dev/revision": "llama-00002"},
            "stable",
            "llama-00002",
        ),
    ],
)
def test_labels_of_common_tools_tell_a_canary_and_its_release(labels: dict[str, str], track: str, release: str) -> None:
    (server,) = servers(pod("a", labels=labels))
    assert (server.track, server.release) == (track, release)


def test_an_annotation_wins_over_the_labels_of_a_canary() -> None:
    (server,) = servers(pod("a", labels={"track": "canary"}, annotations=ours(track="stable")))
    assert server.track == "stable"


def test_every_mistake_in_annotations_is_told_and_the_rest_is_obeyed() -> None:
    wrong = ours(scrape="yes", runtime="vlm", scheme="ftp", port="0", path="metrics", model="a\nb", track="beta")
    found = pod("a", annotations=wrong)
    assert told(found) == [("vllm", "vllm", "8000")]
    assert mistakes(found) == (
        'atlas-ops.dev/scrape: expected the text "true" or "false", found \'yes\'',
        "atlas-ops.dev/runtime: expected one of kserve, nim, triton, vllm, found 'vlm'",
        "atlas-ops.dev/model: expected the name of a model, found 'a\\nb'",
        "atlas-ops.dev/track: expected one of stable, canary, found 'beta'",
        "atlas-ops.dev/scheme: expected http or https, found 'ftp'",
        "atlas-ops.dev/port: expected a port from 1 to 65535, found '0'",
        "atlas-ops.dev/path: expected a path such as /metrics, found 'metrics'",
    )
    assert mistakes(pod("a", annotations=ours(container="gone"))) == (
        "atlas-ops.dev/container: no container has the name 'gone'",
    )
    assert mistakes(pod("a", container("own", "own:1"), annotations=ours(scrape="true"))) == (
        "atlas-ops.dev/port: is missing; the container own declares no port",
    )


@pytest.mark.parametrize(
    "path", ["//evil.example.org/x", "/a b", "/a#b", "//[", "http://evil.example.org/", "/" + "a" * 300]
)
def test_no_path_leads_anywhere_but_to_the_pod(path: str) -> None:
    assert told(pod("a", annotations=ours(path=path))) == [("vllm", "vllm", "8000")]


def test_every_runtime_that_is_shipped_is_found_by_what_its_dialect_says_of_pods() -> None:
    detector = Detector(shipped_dialects())
    for dialect in shipped_dialects():
        for text in dialect.kubernetes.commands:
            (server,) = detector.servers(read_pod(pod("a", container("x", "own:1", args=text.split()))))[0]
            assert server.runtime == dialect.runtime
        for pattern in dialect.kubernetes.images:
            image = f"registry.example.org/{pattern.replace('*', 'x')}:1"
            found = detector.servers(read_pod(pod("a", container("x", image))))[0]
            assert [server.runtime for server in found] == [dialect.runtime]


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(data=st.data())
def test_whatever_stands_where_in_a_pod_it_is_read_or_left_out(data: st.DataObject) -> None:
    found = pod("a", VLLM, WEB, annotations=ours(port="1", path="/x", model="m"))
    place: Any = found
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(WILD)
            break
        place = place[key]
    for server in servers(found):
        assert url_problem(server.url) == ""
        assert server.url.isprintable()
        assert len(server.url) < 300
