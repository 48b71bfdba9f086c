"""The simulated page against a page that a real vLLM 0.32.0 wrote."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas_ops.simulator import Fleet
from atlas_ops.simulator.engine import EngineConfig

CAPTURE = Path(__file__).parents[1] / "samples" / "vllm" / "0.32.0" / "idle-after-load.prom"
OWN_VALUES = ("model_name", "handler", "method")
"""Labels whose values are the server's own; the values of all others are part of the page's shape."""


@pytest.fixture(scope="module")
def real() -> str:
    return CAPTURE.read_text()


@pytest.fixture(scope="module")
def page() -> str:
    # The captured server had --max-model-len 1024, which sets the bounds of the token histograms.
    fleet = Fleet(config=EngineConfig(max_model_len=1024))
    fleet.advance(30)
    return fleet.page(0)


def comments(page: str, keyword: str) -> dict[str, str]:
    """Return the texts of the HELP or TYPE lines by name."""
    lines = (line.split(" ", 3) for line in page.splitlines() if line.startswith(f"# {keyword} "))
    return {words[2]: words[3] for words in lines}


def series(page: str) -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """Return the label sets of every sample name."""
    found = defaultdict(set)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = {name: "" if name in OWN_VALUES else text for name, text in sample.labels.items()}
            if sample.name == "vllm:cache_config_info":
                labels = dict.fromkeys(labels, "")
            found[sample.name].add(tuple(sorted(labels.items())))
    return found


def test_every_family_has_the_type_and_the_help_of_the_real_one(page: str, real: str) -> None:
    for keyword in ("TYPE", "HELP"):
        assert comments(page, keyword).items() <= comments(real, keyword).items()


def test_every_series_has_the_labels_and_the_bounds_of_the_real_ones(page: str, real: str) -> None:
    simulated, expected = series(page), series(real)
    assert simulated == {name: expected[name] for name in simulated}


def test_nothing_of_the_engine_is_missing(page: str, real: str) -> None:
    missing = comments(real, "TYPE").keys() - comments(page, "TYPE").keys()
    assert {name for name in missing if name.startswith("vllm:") and "estimated" not in name} == set()


def test_a_fresh_server_has_every_series_of_the_engine_at_zero_and_none_of_http(real: str) -> None:
    fresh = Fleet().page(0)
    assert {name for name in comments(fresh, "TYPE") if name.startswith("http")} == set()
    assert 'finished_reason="repetition",model_name="llama-3.1-8b-instruct"} 0.0' in fresh
    assert comments(real, "TYPE").keys() - comments(fresh, "TYPE").keys() == {
        name
        for name in comments(real, "TYPE")
        if name.startswith(("http_", "python_", "vllm:estimated")) or name in _PROCESS
    }


_PROCESS = {
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
}


def test_promtool_reads_it_and_complains_of_nothing_but_what_the_real_page_has(page: str, real: str) -> None:
    checked, expected = (
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
        for text in (page, real)
    )
    assert checked.returncode == expected.returncode
    assert set(checked.stderr.splitlines()) <= set(expected.stderr.splitlines())


def test_histograms_agree_with_themselves_and_with_the_counters(page: str) -> None:
    samples = {
        (sample.name, sample.labels.get("le", sample.labels.get("finished_reason", ""))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    finished = sum(value for (name, _), value in samples.items() if name == "vllm:request_success_total")
    assert finished > 30
    for name in ("e2e_request_latency_seconds", "request_queue_time_seconds", "request_generation_tokens"):
        assert samples[f"vllm:{name}_count", ""] == samples[f"vllm:{name}_bucket", "+Inf"] == finished
    by_bound = [value for (name, _), value in samples.items() if name == "vllm:time_to_first_token_seconds_bucket"]
    assert by_bound == sorted(by_bound)


def test_label_values_are_escaped() -> None:
    page = Fleet(config=EngineConfig(model_name='a "model"\\of\nmine')).page(0)
    names = {
        sample.labels.get("model_name") for family in text_string_to_metric_families(page) for sample in family.samples
    }
    assert 'a "model"\\of\nmine' in names
