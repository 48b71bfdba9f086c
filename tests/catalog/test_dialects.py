"""Dialects are data: what they say, and that a wrong file is told every mistake at once."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from atlas_ops import settings, shipped
from atlas_ops.catalog import dialects
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Combine, Decoding, Dialect, Version
from atlas_ops.catalog.model import Quality, SignalType
from atlas_ops.errors import ConfigError

SHIPPED = dialects.shipped_dialects()
every_dialect = pytest.mark.parametrize("dialect", SHIPPED, ids=lambda dialect: dialect.runtime)


def of(runtime: str) -> Dialect:
    return next(dialect for dialect in SHIPPED if dialect.runtime == runtime)


def text_of(runtime: str) -> str:
    return (shipped.folder("exporters") / f"{runtime}.yaml").read_text(encoding="utf-8")


def mistakes(text: str, runtime: str = "vllm") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        dialects.parse(text, runtime)
    return raised.value.mistakes


def test_the_first_three_runtimes_are_shipped() -> None:
    assert {"bentoml", "triton", "vllm"} <= set(dialects.runtime_ids())


@every_dialect
def test_every_dialect_answers_for_every_signal_of_a_server(dialect: Dialect) -> None:
    assert {entry.signal for entry in dialect.entries} == set(dialects.SPOKEN_SIGNALS)


@every_dialect
def test_what_a_runtime_cannot_tell_has_its_reason(dialect: Dialect) -> None:
    for entry in dialect.entries:
        assert (entry.quality is Quality.NONE) == (not entry.readings) or entry.quality is Quality.PROBE
        assert entry.note or entry.quality is not Quality.NONE


@every_dialect
def test_histograms_say_their_bounds_or_that_they_are_a_mean(dialect: Dialect) -> None:
    for entry in dialect.entries:
        for reading in entry.readings:
            if entry.signal.type is SignalType.HISTOGRAM:
                assert (reading.quality is Quality.MEAN_ONLY) == (reading.decoding is Decoding.MEAN)
            assert all(low < high for low, high in itertools.pairwise(reading.bounds))


def test_a_share_of_the_kv_cache_is_never_added_up() -> None:
    for dialect in SHIPPED:
        entry = dialect.entry(s.KV_CACHE_USAGE)
        assert entry is None or not entry.readings or entry.combine is Combine.MAX


def test_the_most_specific_runtime_wins_a_page_that_fits_several() -> None:
    triton_with_vllm = ("vllm:prompt_tokens_total", "nv_inference_count")
    for names in itertools.permutations(triton_with_vllm):
        found = dialects.recognise(SHIPPED, names)
        assert found is of("triton")
    assert dialects.recognise(SHIPPED, ("vllm:prompt_tokens_total", "process_start_time_seconds")) is of("vllm")
    assert dialects.recognise(SHIPPED, ("bentoml_service_request_total",)) is of("bentoml")


def test_a_page_of_no_known_runtime_is_not_guessed() -> None:
    # Ray Serve LLM prints vLLM's names with a prefix of its own, and is another dialect.
    assert dialects.recognise(SHIPPED, ("ray_vllm_num_requests_running", "http_requests_total")) is None


def test_only_readiness_on_the_port_of_the_metrics_is_asked() -> None:
    assert [(d.runtime, d.readiness.path) for d in SHIPPED if d.readiness] == [
        ("bentoml", "/readyz"),
        ("vllm", "/health"),
    ]


def test_versions_are_ordered_by_their_numbers() -> None:
    order = ["0.9.2", "0.10.2", "0.11.0", "0.32.0", "23.09", "24.08"]
    versions = [Version(tuple(int(part) for part in text.split(".")), text) for text in order]
    assert sorted(versions, key=lambda version: version) == versions
    assert str(versions[-1]) == "24.08"


def test_settings_accept_the_runtimes_that_have_a_dialect_and_no_other() -> None:
    for runtime in dialects.runtime_ids():
        settings.parse(f"servers: [{{url: 'http://127.0.0.1:1', runtime: {runtime}}}]")
    with pytest.raises(ConfigError, match=r"servers\[0\].runtime.*did you mean 'vllm'"):
        settings.parse("servers: [{url: 'http://127.0.0.1:1', runtime: vlm}]")


def test_every_mistake_of_a_file_is_told_with_its_line() -> None:
    text = (
        text_of("vllm")
        .replace("runtime: vllm", "runtime: vlm", 1)
        .replace("  path: /metrics\n", "  path: metrics\n", 1)
        .replace("atlas_preemptions_total:", "atlas_preemtions_total:", 1)
        .replace("since: 0.10.2", "since: new", 1)
        .replace("combine: max", "combine: mean", 1)
    )
    found = mistakes(text)
    numbers = [int(line.removeprefix("line ").partition(":")[0]) for line in found]
    assert numbers == sorted(numbers)
    told = "\n".join(found)
    for expected in (
        "runtime: expected one of vllm, found 'vlm'",
        "metrics.path: expected a path that begins with /",
        "signals.atlas_preemptions_total: is missing",
        "atlas_preemtions_total: unknown key; did you mean 'atlas_preemptions_total'?",
        "since: expected a version such as 0.9.2 or 24.08, found 'new'",
        "combine: expected one of sum, max, min, found 'mean'",
    ):
        assert expected in told
    assert len(found) == 6


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("quality: none\n    note: Not on the page. Measure", "quality: none\n    not: Measure", "note: is missing"),
        ("    quality: none\n    note: See atlas_batches_total.", "    quality: direct", "needs readings"),
        ("otherwise: rejected", "otherwise: refused", "expected one of ok, error, rejected, cancelled, timeout"),
        ("otherwise: rejected", "note: nothing", "expected a label with outcomes"),
        ("length: ok,", "length: fine,", "expected one of ok, error"),
        ("[0.3, 0.5, 0.8,", "[0.3, 0.8, 0.5,", "expected numbers that rise"),
        ("decode: label_product, labels: [kv_cache_size_tokens]", "decode: label_product", "labels: is missing"),
        (
            "decode: label_product, labels: [num",
            "decode: histogram, labels: [num",
            "expected one of value, label_product",
        ),
        ('  - where: {server: "*"}\n', "  - where: {}\n", "would drop everything"),
        ('names: ["vllm:"]', "names: []", "fingerprint.names: is missing"),
        ("tells: readiness", "tells: all", "expected one of readiness, liveness, model"),
        ("on_metrics_port: true", "on_metrics_port: false", "is a probe exactly when"),
        (", since: 0.8.5}", "}", "since: is missing; evidence is of a version"),
    ],
)
def test_each_kind_of_nonsense_is_refused(old: str, new: str, mistake: str) -> None:
    text = text_of("vllm")
    assert old in text
    assert any(mistake in line for line in mistakes(text.replace(old, new, 1)))


def test_a_mean_needs_both_of_its_counters() -> None:
    text = text_of("triton").replace("        count: nv_inference_request_success\n", "", 1)
    assert any("count: is missing" in line for line in mistakes(text, "triton"))


def test_an_empty_file_is_told_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("")
    with pytest.raises(ConfigError, match="name: is missing"):
        dialects.read(file)
