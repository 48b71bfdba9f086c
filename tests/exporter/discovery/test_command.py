"""`atlas-ops exporter` with discovery: what appears is on the page, what is gone is not, what is named is measured once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from atlas_ops import cli
from atlas_ops.catalog import signals as s
from tests.exporter.collectors import await_that
from tests.exporter.command import Exporter, running, states
from tests.exporter.discovery.api_standin import ApiStandIn, api_server
from tests.exporter.discovery.finders import token_file
from tests.exporter.discovery.pods import NAMESPACE, NODE, VLLM, WEB, pod
from tests.exporter.fake_server import FakeServer, answer, hang, serving
from tests.exporter.pages import text_of

ON_THE_NODE = ("--node", NODE)


@pytest.fixture
def model() -> Iterator[FakeServer]:
    with serving(answer(text_of("vllm/kv-pressure-1"))) as server:
        yield server


@pytest.fixture
def api() -> Iterator[ApiStandIn]:
    with api_server() as server:
        yield server


def settings(
    folder: Path, api: ApiStandIn | None = None, *lines: str, files: str = "", interval_seconds: float = 5
) -> list[str]:
    """Write a settings file with discovery; return the flags of a command that uses it."""
    kubernetes = (
        f"  kubernetes: {{namespaces: [{NAMESPACE}], api_url: '{api.url}', bearer_token_file: '{token_file(folder)}'}}"
        if api else ""
    )  # fmt: skip
    text = [
        f"exporter: {{gpus: false, interval_seconds: {interval_seconds}}}",
        "discovery:",
        f"  files: ['{files}']" if files else "",
        kubernetes,
        *lines,
    ]
    path = folder / "atlas-ops.yaml"
    path.write_text("\n".join([*text, ""]))
    return ["--config", str(path), *ON_THE_NODE]


def llama(name: str, server: FakeServer) -> dict[str, Any]:
    port = str(urlsplit(server.url).port)
    return pod(name, WEB, VLLM, ip="127.0.0.1", annotations={"atlas-ops.dev/port": port})


def await_servers(exporter: Exporter, *wanted: FakeServer) -> None:
    await_that(lambda: set(states(exporter.page())) == {server.address for server in wanted})


def test_a_pod_that_appears_is_on_the_page_and_one_that_is_gone_is_not(
    api: ApiStandIn, model: FakeServer, tmp_path: Path
) -> None:
    with running(*settings(tmp_path, api)) as exporter:
        assert states(exporter.page()) == {}
        api.put(llama("llama-0", model))
        await_servers(exporter, model)
        page = exporter.page()
        (requests,) = page.of(s.REQUESTS_RUNNING.name)
        labels = {"k8s_namespace_name": NAMESPACE, "k8s_pod_name": "llama-0", "k8s_container_name": "vllm"}
        assert labels.items() <= dict(requests.labels).items()
        assert [dict(x.labels) for x in page.of(s.EXPORTER_DISCOVERY_SUCCESS.name)] == [
            {"source": f"kubernetes/{NAMESPACE}"}
        ]
        api.delete("llama-0")
        await_servers(exporter)
        assert not exporter.page().of(s.REQUESTS_RUNNING.name)
        said = exporter.stop()
    assert f"found {model.url} (pod {NAMESPACE}/llama-0)" in said
    assert f"gone: {model.url}" in said


def test_secrets_in_the_address_of_a_server_that_was_found_are_not_logged(model: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(f"- targets: ['{model.url}/metrics?auth=s3cret']\n")
    with running(*settings(tmp_path, files=str(file))) as exporter:
        await_that(lambda: bool(model.requests))
        file.write_text(f"- targets: ['{model.url}/metrics?auth=0th3r']\n")
        await_that(lambda: "0th3r" in model.requests[-1])
        said = exporter.stop()
    assert f"found {model.url}/metrics?auth=***" in said
    assert f"gone: {model.url}/metrics?auth=***" in said
    assert "s3cret" not in said
    assert "0th3r" not in said


def test_a_container_that_is_started_anew_keeps_what_was_counted_of_its_server(api: ApiStandIn, tmp_path: Path) -> None:
    """A line that is none is counted as dropped; a new collector would know nothing of it."""
    clean = text_of("vllm/kv-pressure-1")
    with (
        serving(answer(clean + "this is no line of a metrics page\n")) as model,
        serving(answer(clean)) as second,
        running(*settings(tmp_path, api, interval_seconds=0.1)) as exporter,
    ):

        def dropped() -> float:
            samples = [x for x in exporter.page().of(s.EXPORTER_DROPPED.name) if ("reason", "bad_line") in x.labels]
            return max((x.value for x in samples), default=0)

        found = llama("llama-0", model)
        api.put(found)
        await_that(lambda: dropped() > 0)
        model.behaviours["*"] = answer(clean)
        found["status"]["containerStatuses"][1]["state"] = {"running": {"startedAt": "2026-02-03T05:00:00Z"}}
        api.put(found, llama("llama-1", second))
        await_servers(exporter, model, second)
        assert dropped() > 0


def test_of_5000_pods_those_of_this_node_are_measured_and_memory_does_not_follow_the_others(
    api: ApiStandIn, model: FakeServer, tmp_path: Path
) -> None:
    api.put(*(pod(f"llama-{n}", node=f"gpu-node-{n // 100 + 2}") for n in range(5000)))
    api.put(llama("llama-5000", model))
    with running(*settings(tmp_path, api)) as exporter:
        await_servers(exporter, model)
        before = exporter.value(s.EXPORTER_MEMORY.name)
        # From now on it is told of all of them, as by an API server that knows no selectors.
        with api.changed:
            api.faults.ignores_selectors = True
            api.compact()
            api.cut()
        await_that(lambda: api.verbs().count("list") > 50)
        api.put(pod("web-0", WEB), llama("llama-5001", model))
        api.delete("llama-5000")
        await_that(lambda: dict(exporter.page().of(s.SERVER_UP.name)[0].labels)["k8s_pod_name"] == "llama-5001")
        assert exporter.value(s.EXPORTER_MEMORY.name) - before < 30_000_000


def test_a_server_that_is_named_and_found_is_measured_once_under_its_own_name(
    api: ApiStandIn, model: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "servers.json").write_text(f'[{{"targets": ["{model.address}"], "labels": {{"pod": "of-the-file"}}}}]')
    api.put(llama("llama-0", model))
    named = f"servers: [{{url: '{model.url}', pod: mine}}]"
    with running(*settings(tmp_path, api, named, files=str(tmp_path / "*.json"))) as exporter:
        found = {dict(x.labels)["source"]: x.value for x in exporter.page().of(s.EXPORTER_DISCOVERED_SERVERS.name)}
        assert found == {f"files/{tmp_path}/*.json": 1, f"kubernetes/{NAMESPACE}": 1}
        assert [dict(x.labels)["k8s_pod_name"] for x in exporter.page().of(s.SERVER_UP.name)] == ["mine"]
        settings(tmp_path, api, files=str(tmp_path / "*.json"))
        exporter.reload()
        await_that(
            lambda: [dict(x.labels)["k8s_pod_name"] for x in exporter.page().of(s.SERVER_UP.name)] == ["of-the-file"]
        )


def test_servers_of_a_file_come_and_go_and_one_that_hangs_holds_up_no_other(model: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(f"- targets: ['{model.address}']\n")
    with (
        serving(answer(text_of("vllm/kv-pressure-1"))) as second,
        serving(hang) as hanging,
        running(*settings(tmp_path, files=str(file))) as exporter,
    ):
        assert exporter.greeting.endswith("(servers: 1)\n")
        file.write_text(f"- targets: ['{hanging.address}', '{second.address}']\n")
        await_that(lambda: states(exporter.page()).get(second.address) == "ok")
        assert model.address not in states(exporter.page())
        assert hanging.requests
        assert "Traceback" not in exporter.stop()


def test_without_a_cluster_the_settings_are_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    file = tmp_path / "atlas-ops.yaml"
    file.write_text("exporter: {gpus: false}\ndiscovery: {kubernetes: {namespaces: [chat]}}\n")
    assert cli.main(["exporter", "--listen", "127.0.0.1:0", "--config", str(file)]) == 4
    said = capsys.readouterr().err
    assert "KUBERNETES_SERVICE_HOST is not set" in said
    assert "api_url" in said


def test_a_namespace_that_is_refused_costs_no_other_server(api: ApiStandIn, model: FakeServer, tmp_path: Path) -> None:
    api.allowed.clear()
    named = f"servers: [{{url: '{model.url}'}}]"
    with running(*settings(tmp_path, api, named)) as exporter:
        page = exporter.page()
        assert states(page) == {model.address: "ok"}
        assert [x.value for x in page.of(s.EXPORTER_DISCOVERY_SUCCESS.name)] == [0]
