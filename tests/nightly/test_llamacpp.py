"""A real llama.cpp server with one slot: its tokens and its queue are told, and a server that hangs pages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import folder, python
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, watching

PORT = free_port()
ADDRESS = f"127.0.0.1:{PORT}"


def asking(tokens: int) -> Request:
    body = {"prompt": "hello", "n_predict": tokens, "ignore_eos": True, "cache_prompt": False}
    return Request(url=f"http://{ADDRESS}/completion", body=body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    work = tmp_path_factory.mktemp("llamacpp")
    model = work / "tiny.gguf"
    subprocess.run([python("llamacpp"), Path(__file__).parent / "served" / "tiny_gguf.py", model], check=True)
    command = [str(folder("llamacpp") / "bin" / "llama-server"), "--model", str(model), "--alias", "tiny", "--no-ui"]
    command += ["--host", "127.0.0.1", "--port", str(PORT), "--metrics", "--slots", "--parallel", "1", "--threads", "1"]
    ready = f"http://{ADDRESS}/health"
    with ModelServer("llamacpp", command, folder=work, ready_url=ready, environment={}) as running:
        yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("watch"), Server(url=f"http://{ADDRESS}/metrics")) as running:
        yield running


def test_every_generated_token_is_counted(watch: Watch) -> None:
    assert ask_often(asking(50), 10) == {200: 10}
    assert watch.settled('atlas_generation_tokens_total{runtime="llamacpp", model="tiny"}', 500) == 500


def test_all_but_one_of_its_requests_wait_for_the_one_slot(watch: Watch) -> None:
    assert watch.settled("atlas_requests_capacity", 1) == 1
    with flood(asking(500), clients=8):
        assert watch.sees(lambda: watch.sum("atlas_requests_waiting") >= 6)
        assert watch.sum("atlas_requests_running") <= 1
    assert watch.settled("atlas_requests_waiting + atlas_requests_running", 0) == 0


def test_a_frozen_server_pages_and_is_resolved_when_it_goes_on(server: ModelServer, watch: Watch) -> None:
    with flood(asking(50), clients=2):
        server.freeze()
        assert_filled_in(watch.page("ModelServerDown"), ADDRESS)
        assert watch.sum('atlas_server_scrape_state{state="timeout"}') == 1
        server.thaw()
        assert watch.resolved("ModelServerDown")
