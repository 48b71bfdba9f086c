"""A real vLLM on the CPU: what it told its clients is on the page; a small KV cache, a hung engine, and its death, page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.gate.reading import read
from atlas_ops.settings import Server
from atlas_ops.stage.processes import free_port
from tests.nightly.client import Request, ask_often, flood
from tests.nightly.install import folder, python
from tests.nightly.rig import ModelServer, Watch, assert_filled_in, others, watching

PORT = free_port()
ADDRESS = f"127.0.0.1:{PORT}"
ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
# Twelve blocks hold 1,536 tokens: three of the sixteen requests that it begins, when each grows to 500.
SMALL_CACHE = ("--max-model-len", "1024", "--max-num-seqs", "16", "--num-gpu-blocks-override", "12")


def asking(tokens: int) -> Request:
    body = {"model": "tiny", "prompt": "hello", "max_tokens": tokens, "ignore_eos": True}
    return Request(url=f"http://{ADDRESS}/v1/completions", body=body)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model."""
    model = tmp_path_factory.mktemp("vllm") / "tiny"
    subprocess.run([python("vllm"), Path(__file__).parent / "served" / "tiny_llama.py", model], check=True)
    return model


@pytest.fixture(scope="module")
def server(tiny: Path) -> Iterator[ModelServer]:
    command = [str(folder("vllm") / "bin" / "vllm"), "serve", str(tiny), "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(PORT), "--dtype", "bfloat16", "--enforce-eager", *SMALL_CACHE]
    ready = f"http://{ADDRESS}/health"
    with ModelServer("vllm", command, folder=tiny.parent, ready_url=ready, environment=ENVIRONMENT) as running:
        yield running


@pytest.fixture(scope="module")
def watch(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("watch"), Server(url=f"http://{ADDRESS}/metrics")) as running:
        yield running


def test_every_request_and_every_token_is_counted(watch: Watch) -> None:
    assert ask_often(asking(20), 25) == {200: 25}
    assert watch.settled('atlas_requests_total{runtime="vllm", outcome="ok", model="tiny"}', 25) == 25
    assert watch.sum('atlas_generation_tokens_total{model="tiny"}') == 500
    assert watch.sum('atlas_time_to_first_token_seconds_count{model="tiny"}') == 25


def test_its_own_load_generator_writes_what_the_gate_reads(server: ModelServer, tiny: Path, tmp_path: Path) -> None:
    options = ["--backend", "openai", "--base-url", f"http://{ADDRESS}", "--model", "tiny"]
    options += ["--tokenizer", str(tiny), "--dataset-name", "random", "--random-input-len", "5"]
    options += ["--random-output-len", "11", "--num-prompts", "12", "--ignore-eos", "--save-result", "--save-detailed"]
    command = [str(folder("vllm") / "bin" / "vllm"), "bench", "serve", *options, "--result-dir", str(tmp_path)]
    subprocess.run([*command, "--result-filename", "run.json"], check=True, env={**os.environ, **ENVIRONMENT})
    (run,) = read([tmp_path / "run.json"])
    assert (run.requests, run.readings["error_share"].value) == (12, 0.0)
    written = json.loads((tmp_path / "run.json").read_text())
    for metric, short in (("time_to_first_token", "ttft"), ("inter_token_latency", "itl")):
        assert run.readings[f"{metric}_p99"].value == pytest.approx(written[f"p99_{short}_ms"] / 1e3, rel=1e-6)
    assert run.readings["tokens_per_second"].value == pytest.approx(written["output_throughput"], rel=1e-6)


def test_a_cache_that_is_too_small_pages_and_is_resolved_after_the_load(watch: Watch) -> None:
    with flood(asking(500), clients=20):
        assert_filled_in(watch.page("KvCachePressure"), ADDRESS, "tiny")
    assert watch.resolved("KvCachePressure")


def test_an_engine_that_hangs_behind_a_page_that_answers_pages_and_is_resolved_when_it_goes_on(watch: Watch) -> None:
    engines = [pid for pid, command in others().items() if command.startswith("VLLM::EngineCore")]
    # Of two lengths, so that they never end together: gauges that stopped at zero would show no request.
    with flood(asking(150), clients=2), flood(asking(241), clients=2):
        assert watch.sees(lambda: watch.sum("atlas_requests_running") > 0)
        os.kill(engines[0], signal.SIGSTOP)
        try:
            assert_filled_in(watch.page("EngineStalled"), ADDRESS, "tiny")
            assert watch.sum("atlas_server_up") == 1
        finally:
            os.kill(engines[0], signal.SIGCONT)
    assert watch.resolved("EngineStalled")


def test_a_killed_server_pages_and_is_resolved_when_it_is_back(server: ModelServer, watch: Watch) -> None:
    with flood(asking(100), clients=4):
        server.kill()
        assert_filled_in(watch.page("ModelServerDown"), ADDRESS)
    server.start()
    assert watch.resolved("ModelServerDown")
