"""Dialects are data: what they say, and that a wrong file is told every mistake at once."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from atlas_ops import settings, shipped
from atlas_ops.catalog import dialects
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect, Place
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.model import Quality, SignalType
from atlas_ops.catalog.reading import Combine, Decoding, Version
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


@every_dialect
def test_every_dialect_answers_for_every_signal_of_a_server(dialect: Dialect) -> None:
    assert {entry.signal for entry in dialect.entries} == set(SPOKEN_SIGNALS)


@every_dialect
def test_what_a_runtime_cannot_tell_has_its_reason_and_nothing_else_is_none(dialect: Dialect) -> None:
    asked = {answer.signal for question in dialect.questions for answer in question.answers}
    asked |= {{"readiness": s.SERVER_READY, "model": s.MODEL_READY}.get(one.tells) for one in dialect.endpoints}
    for entry in dialect.entries:
        told = bool(entry.readings or entry.derive or entry.signal in asked)
        assert told == (entry.quality is not Quality.NONE), entry.signal
        assert told or entry.note


@every_dialect
def test_a_dialect_says_where_it_is_from_how_it_is_switched_on_and_where_it_lies(dialect: Dialect) -> None:
    assert dialect.source
    assert dialect.metrics_switch
    assert dialect.traps
    for reading in (reading for entry in dialect.entries for reading in entry.readings):
        assert reading.since is None or reading.until is None or reading.since < reading.until


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
    assert dialects.recognise(SHIPPED, ("node_cpu_seconds_total", "process_start_time_seconds", "up")) is None
    # Ray Serve LLM prints vLLM's names with a prefix of its own, and is another dialect.
    assert dialects.recognise(SHIPPED, ("ray_vllm_num_requests_running",)) is of("ray_serve")


def test_readiness_is_asked_where_the_requests_go() -> None:
    asked = {(d.runtime, e.path, e.at) for d in SHIPPED for e in d.endpoints if e.tells == "readiness"}
    assert {("bentoml", "/readyz", Place.METRICS), ("triton", "/v2/health/ready", Place.API)} <= asked


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


NONSENSE = (
    ("    quality: derived\n    derive: start\n    note: Not on", "    quality: none\n    not: on", "note: is missing"),
    ("    quality: none\n    note: See atlas_batches_total.", "    quality: direct", "quality is direct, yet nothing tells"),
    ("quality: derived\n    derive: processes", "quality: none\n    derive: processes", "yet health, ask, derive, first"),
    ("derive: processes", "derive: start", "expected one of processes, found 'start'"),
    ("  atlas_preemptions_total:", "  atlas_preemptions_total:\n    derive: start", "can be derived"),
    ("otherwise: rejected", "otherwise: refused", "expected one of ok, error, rejected, cancelled, timeout"),
    ("otherwise: rejected", "note: nothing", "expected a label with outcomes"),
    ("length: ok,", "length: fine,", "expected one of ok, error"),
    ("[0.3, 0.5, 0.8,", "[0.3, 0.8, 0.5,", "expected numbers that rise"),
    ("[0.3, 0.5, 0.8,", "[0.3, much, 0.8,", "bounds: expected numbers"),
    ("decode: label_product, labels: [kv_cache_size_tokens]", "decode: label_product", "labels: is missing"),
    ("decode: label_product, labels: [num", "decode: histogram, labels: [num", "expected one of value, ratio, product"),
    ("since: 0.11.1}\n  atlas_server", "decode: state}\n  atlas_server", "expected equals or at_least, one of them"),
    ("num_requests_running\"\n", "num_requests_running\"\n        decode: ratio\n", "a ratio has a second metric"),
    ("num_requests_running\"\n", "num_requests_running\"\n        decode: ratio\n        by: {}\n", "by.metric: is missing"),
    ("num_requests_running\"\n", "num_requests_running\"\n        sums: false\n", "sums: unknown key"),
    ("num_requests_running\"\n", "num_requests_running\"\n        scale: 0\n", "expected a number above 0"),
    ("num_requests_running\"\n", "num_requests_running\"\n        model: {part: 1}\n", "model.label: is missing"),
    ("since: 0.6.6, until: 0.9.1", "since: 0.6.6, until: 0.6.6", "expected a version after 0.6.6"),
    ("    sum_of:\n", "    first_of: [{metric: a, otherwise: ok}]\n    sum_of:\n", "expected first_of or sum_of, not both"),
    ('  - where: {server: "*"}\n', "  - where: {}\n", "would drop everything"),
    ('names: ["vllm:"]', "names: []", "fingerprint.names: is missing"),
    ('names: ["vllm:"]', 'names: ["vllm:", ""]', "fingerprint.names: holds an empty text"),
    ("tells: readiness", "tells: all", "expected one of readiness, liveness, model"),
    ("tells: readiness", "tells: readiness\n    at: roof", "expected one of metrics, api, management"),
    ("tells: readiness", "tells: readiness\n    at: management", "management_port: is missing"),
    ("tells: readiness", "tells: readiness\n    find: state", "expected find and ready, or neither"),
    ("path: /health", "path: health", "expected a path that begins with /"),
    ("answers: [{fact: version, find: version}]", "answers: []", "say what the endpoint tells"),
    ("{fact: version, find: version}", "{find: version}", "expected signal or fact, one of them"),
    ("{fact: version, find: version}", "{fact: colour, find: version}", "expected one of model, version"),
    ("{fact: version, find: version}", "{signal: atlas_gpu_up, find: a}", "signal: expected one of"),
    ("{fact: version, find: version}", "{fact: version}", "find: is missing"),
    ("every_seconds: 300", "every_seconds: 100000", "expected a number above -0.001 and below 86400"),
    (", since: 0.8.5}", "}", "since: is missing; evidence is of a version"),
    ("gauges_move: step", "gauges_move: often", "expected one of live, step, finish, arrival, push"),
    ("  gauges_move: step\n", "", "gauges_move: is missing"),
    ("tokens_move: step", "significant_digits: 99", "expected a number above -1 and below 18"),
    ("tokens_move: step", "workers_alternate: perhaps", "expected true or false"),
    ("tokens_move: step", "alive: {metric: up}", "alive.labels: is missing"),
    ("tokens_move: step", 'scrape_resets: ["vllm:num_requests_running"]', "is read by a signal; every other reader"),
    ("labels: [model_name, model]", "info: {metric: a}", "expected metric and label"),
    ("labels: [model_name, model]", "alone: false", "give the labels that name the model, or alone: true"),
    ("containers: [vllm]", "containers: {vllm: 1}", "expected a list of texts"),
    ("  port: 8000", "  port: 800000", "expected a number above 0 and below 65536"),
    ("num_requests_running\"\n", "num_requests_running\"\n        model: {whole: 2}\n", "whole: expected true or false"),
    ("num_requests_running\"\n", "num_requests_running\"\n        unless: {a: b}\n", "unless: expected a list of texts"),
    ("labels: [model_name, model]", "labels: [a]\n  known_by: {a: b}", "known_by: expected a list of texts"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "mistake"), NONSENSE, ids=[f"{new}"[:40] for _, new, _ in NONSENSE])
def test_each_kind_of_nonsense_is_refused_with_its_line(old: str, new: str, mistake: str) -> None:
    text = text_of("vllm")
    assert old in text
    found = [line for line in mistakes(text.replace(old, new, 1)) if mistake in line]
    assert found
    line = int(found[0].removeprefix("line ").partition(":")[0])
    assert (
        abs(line - text[: text.index(old)].count("\n") - 1) <= 3 or "signals:" in found[0] or "is missing" in found[0]
    )


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = text_of("vllm")
    together = (2, 5, 7, 8, 20, 21, 24, 27, 32, 33, 36, 40, 42)
    for old, new, _ in (NONSENSE[number] for number in together):
        text = text.replace(old, new, 1)
    told = "\n".join(mistakes(text))
    assert not [NONSENSE[number] for number in together if NONSENSE[number][2] not in told]


def test_a_mean_needs_both_of_its_counters() -> None:
    text = text_of("triton").replace("        count: nv_inference_request_success\n", "", 1)
    assert any("count: is missing" in line for line in mistakes(text, "triton"))


def test_an_empty_file_is_told_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("")
    with pytest.raises(ConfigError, match="name: is missing"):
        dialects.read(file)


def test_the_mistakes_of_all_files_of_a_folder_are_told_together(tmp_path: Path) -> None:
    good = text_of("vllm")
    (tmp_path / "vllm.yaml").write_text(good)
    (tmp_path / "first.yaml").write_text(good)
    (tmp_path / "second.yml").write_text(good.replace("combine: max", "combine: mean"))
    (tmp_path / "third.yaml").write_text("{")
    with pytest.raises(ConfigError) as raised:
        dialects.load(str(tmp_path))
    told = "\n".join(raised.value.mistakes)
    assert f"{tmp_path / 'first.yaml'}: line 3: runtime: expected one of first, found 'vllm'" in told
    assert f"{tmp_path / 'second.yml'}: line 3: runtime: expected one of second, found 'vllm'" in told
    assert "expected one of sum, max, min, found 'mean'" in told
    assert f"{tmp_path / 'third.yaml'}: line 2: not YAML" in told
    assert raised.value.file == str(tmp_path)
    assert "exporters/dialect.schema.json" in raised.value.next_step
    assert "mend the syntax" in raised.value.next_step


def test_a_dialect_of_ones_own_may_end_in_either_way_but_not_in_both(tmp_path: Path) -> None:
    text = text_of("vllm").replace("runtime: vllm", "runtime: mine", 1)
    (tmp_path / "mine.yml").write_text(text)
    (tmp_path / "notes.txt").write_text("{")
    assert "mine" in {dialect.runtime for dialect in dialects.load(str(tmp_path))}
    assert "mine" in dialects.runtime_ids(str(tmp_path))
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml and mine\.yml are of one runtime"):
        dialects.runtime_ids(str(tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_folder_of_dialects_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is no folder"):
        dialects.load(str(tmp_path / name))
