"""Result files are known by their content; what they say arrives in seconds, and what they cannot say is left out."""

from __future__ import annotations

import gzip
import json
import statistics
from pathlib import Path

import pytest

from atlas_ops.errors import DataError
from atlas_ops.gate.reading import read
from atlas_ops.gate.runs import Run
from tests.gate import runs


def only(path: Path, skip_seconds: float = 0.0) -> Run:
    (run,) = read([path], skip_seconds)
    return run


def values(run: Run) -> dict[str, float]:
    return {key: reading.value for key, reading in run.readings.items()}


def test_points_of_k6_are_milliseconds_and_failed_requests_have_no_time(tmp_path: Path) -> None:
    times = runs.latencies(1)
    run = only(runs.k6_points(tmp_path / "any.name", times, failed=20))
    assert (run.tool, run.requests) == ("k6", runs.REQUESTS)
    assert run.readings["latency_p50"].of == runs.REQUESTS - 20
    assert values(run)["latency_p50"] == pytest.approx(statistics.median(times[20:]))
    assert values(run)["error_share"] == pytest.approx(20 / runs.REQUESTS)


def test_gzipped_results_are_read_like_others(tmp_path: Path) -> None:
    plain = runs.k6_points(tmp_path / "plain", runs.latencies(1))
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert only(packed).readings == only(plain).readings


@pytest.mark.parametrize("nested", [False, True])
def test_summaries_of_k6_tell_the_quantiles_of_good_requests(tmp_path: Path, nested: bool) -> None:
    run = only(runs.k6_summary(tmp_path / "summary", nested=nested))
    assert values(run) == pytest.approx(
        {"latency_p50": 0.24, "latency_p90": 0.4, "latency_p99": 0.7, "error_share": 0.01}
    )
    assert (run.requests, run.notes) == (1000, ())


def test_a_summary_of_k6_without_p99_says_how_to_get_it(tmp_path: Path) -> None:
    run = only(runs.k6_summary(tmp_path / "summary", nested=False, p99=False))
    assert "latency_p99" not in run.readings
    assert "lacks p99" in run.notes[0]


@pytest.mark.parametrize(
    ("tags", "failed"),
    [
        ({"method": "GET", "status": "404"}, True),
        ({"method": "GET", "status": "0"}, True),
        ({"method": "GET", "status": "302"}, False),
        ({"method": "/m/Infer", "service": "m", "status": "0"}, False),
        ({"method": "/m/Infer", "service": "m", "status": "14"}, True),
        ({"method": "GET", "status": "404", "expected_response": "true"}, False),
    ],
)
def test_k6_says_by_its_tags_whether_a_request_failed(tmp_path: Path, tags: dict[str, str], failed: bool) -> None:
    metric = "grpc_req_duration" if "service" in tags else "http_req_duration"
    point = {"metric": metric, "type": "Point", "data": {"time": "2026-01-01T00:00:00Z", "value": 5, "tags": tags}}
    (tmp_path / "k6").write_text(json.dumps(point) + "\n", encoding="utf-8")
    assert values(only(tmp_path / "k6"))["error_share"] == failed


def test_a_real_stats_file_of_locust_is_read_from_its_last_row() -> None:
    run = only(runs.RESULTS / "locust_stats.csv")
    assert (run.tool, run.requests) == ("Locust", 139)
    expected = {"latency_p50": 0.074, "latency_p90": 0.11, "latency_p99": 0.23, "error_share": 1 / 139}
    assert values(run) == pytest.approx(expected)
    # Above 100 ms Locust rounds to 10 ms.
    assert [run.readings[f"latency_{name}"].step for name in ("p50", "p90", "p99")] == [0.001, 0.01, 0.01]


def test_a_real_full_history_of_locust_has_the_median_alone_for_its_percentiles_are_of_the_last_seconds() -> None:
    run = only(runs.RESULTS / "locust_full_history.csv")
    assert values(run) == pytest.approx({"latency_p50": 0.074, "error_share": 1 / 139})


def test_a_history_of_locust_without_single_rows_has_percentiles_of_the_whole_run(tmp_path: Path) -> None:
    text = (runs.RESULTS / "locust_full_history.csv").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "history.csv"
    path.write_text("\n".join(line for line in text if "/predict" not in line), encoding="utf-8")
    assert set(values(only(path))) == {"latency_p50", "latency_p90", "latency_p99", "error_share"}


def test_single_requests_of_locust_are_milliseconds(tmp_path: Path) -> None:
    rows = "".join(f"{100 + n},POST,/,{200 + n},{'boom' if n == 0 else ''}\n" for n in range(11))
    (tmp_path / "requests.csv").write_text(
        f"timestamp,request_type,name,response_time,exception\n{rows}", encoding="utf-8"
    )
    run = only(tmp_path / "requests.csv")
    assert values(run)["latency_p50"] == pytest.approx(0.2055)
    assert values(run)["error_share"] == pytest.approx(1 / 11)


def test_a_detailed_result_of_vllm_has_every_request(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(runs.vllm(detailed=True)), encoding="utf-8")
    run = only(tmp_path / "r.json")
    found = values(run)
    assert run.requests == 4
    assert found["latency_p50"] == pytest.approx(0.23)
    assert found["time_to_first_token_p50"] == pytest.approx(0.2)
    assert found["inter_token_latency_p50"] == pytest.approx(0.02)
    assert found["error_share"] == 0.25
    assert found["tokens_per_second"] == pytest.approx(0.9)


def test_older_versions_of_vllm_do_not_write_the_latency_which_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    result = runs.vllm(detailed=True)
    del result["latencies"], result["start_times"], result["failed"]
    (tmp_path / "r.json").write_text(json.dumps(result), encoding="utf-8")
    assert values(only(tmp_path / "r.json"))["latency_p50"] == pytest.approx(0.23)


def test_a_result_of_vllm_without_requests_has_the_percentiles_that_were_asked_for(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps(runs.vllm(detailed=False)), encoding="utf-8")
    (tmp_path / "few.json").write_text(json.dumps(runs.vllm(detailed=False, percentiles=False)), encoding="utf-8")
    every, few = values(only(tmp_path / "all.json")), values(only(tmp_path / "few.json"))
    assert every["latency_p90"] == pytest.approx(0.7)
    assert every["time_to_first_token_p50"] == pytest.approx(0.05)
    assert set(few) == {
        "time_to_first_token_p50", "time_to_first_token_p99", "inter_token_latency_p50", "inter_token_latency_p99",
        "error_share", "tokens_per_second",
    }  # fmt: skip


def test_results_that_vllm_appended_to_a_file_are_runs_of_their_own(tmp_path: Path) -> None:
    one = json.dumps(runs.vllm(detailed=False))
    (tmp_path / "r.json").write_text(f"{one}\n{one}", encoding="utf-8")
    assert [run.name for run in read([tmp_path / "r.json"])] == ["r.json run 1", "r.json run 2"]


def written(path: Path, *documents: object) -> Run:
    path.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    return only(path)


def test_the_new_summary_of_k6_is_read_like_the_old_one(tmp_path: Path) -> None:
    run = written(tmp_path / "s.json", runs.k6_new_summary())
    assert (values(run)["latency_p50"], values(run)["latency_p90"]) == (0.24, 0.4)
    assert (run.requests, run.load, values(run)["error_share"]) == (1000, 50.0, 0.01)
    assert "p99" in run.notes[0]


def test_what_k6_does_not_say_of_failures_is_not_taken_for_none(tmp_path: Path) -> None:
    grpc = {"metrics": {"grpc_req_duration": {"med": 5.0, "p(90)": 9.0}, "iterations": {"count": 40, "rate": 2.0}}}
    run = written(tmp_path / "s.json", grpc)
    assert set(values(run)) == {"latency_p50", "latency_p90"}
    assert run.readings["latency_p50"].of == 40


def test_a_result_of_sglang_does_not_say_how_many_failed_unless_in_detail(tmp_path: Path) -> None:
    run = written(tmp_path / "r.jsonl", runs.sglang(detailed=False))
    assert run.tool == "SGLang's bench_serving"
    assert values(run)["latency_p50"] == 0.5
    assert values(run)["latency_p99"] == 0.9
    assert "error_share" not in values(run)
    assert "--output-details" in run.notes[0]
    assert run.load == pytest.approx(0.3)
    detailed = written(tmp_path / "d.jsonl", runs.sglang(detailed=True))
    assert (detailed.tool, detailed.requests) == (run.tool, 4)
    assert values(detailed)["error_share"] == 0.25


def test_a_result_of_aiperf_counts_the_requests_that_failed(tmp_path: Path) -> None:
    run = written(tmp_path / "r.json", runs.aiperf(successor=True))
    assert (run.tool, run.requests) == ("AIPerf", 284)
    assert values(run)["latency_p99"] == pytest.approx(9.3816)
    assert values(run)["time_to_first_token_p50"] == pytest.approx(0.7875)
    assert values(run)["error_share"] == pytest.approx(84 / 284)
    assert values(run)["tokens_per_second"] == 1274.6
    counted = written(
        tmp_path / "c.json", runs.aiperf(successor=True) | {"error_request_count": {"unit": "requests", "avg": 100.0}}
    )
    assert values(counted)["error_share"] == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="stopped before its end"):
        written(tmp_path / "s.json", runs.aiperf(successor=True) | {"was_cancelled": True})


def test_a_result_of_genai_perf_does_not_say_how_many_failed(tmp_path: Path) -> None:
    run = written(tmp_path / "r.json", runs.aiperf(successor=False))
    assert (run.tool, run.requests) == ("GenAI-Perf", 200)
    assert "error_share" not in values(run)
    assert values(run)["inter_token_latency_p90"] == pytest.approx(0.0531)


def test_the_requests_of_aiperf_are_read_without_those_that_it_cancelled_itself(tmp_path: Path) -> None:
    lines = [runs.aiperf_request(start=1e9 + n, latency=100.0 + n, failed=n == 0) for n in range(10)]
    run = written(tmp_path / "r.jsonl", *lines, runs.aiperf_request(start=1e9, failed=True, cancelled=True))
    assert run.requests == 10
    assert values(run)["error_share"] == pytest.approx(0.1)
    assert values(run)["latency_p50"] == pytest.approx(0.105)
    assert values(run)["time_to_first_token_p50"] == pytest.approx(0.2558)
    assert run.load == pytest.approx(1.0)
    assert run.began == pytest.approx(1e9)


def test_the_load_is_what_each_tool_says_of_it(tmp_path: Path) -> None:
    assert only(runs.k6_summary(tmp_path / "s", nested=True)).load == 50.0
    assert only(runs.k6_points(tmp_path / "p", [0.1] * 21)).load == pytest.approx(1.0, rel=0.01)
    assert written(tmp_path / "v", runs.vllm(detailed=False)).load == pytest.approx(0.4)
    assert only(runs.lines(tmp_path / "l", 0, apart=0.25)).load == pytest.approx(4.0)
    stats = runs.RESULTS / "locust_stats.csv"
    assert only(stats).load == pytest.approx(float(stats.read_text().splitlines()[-1].split(",")[9]))


def test_json_lines_may_hold_several_runs(tmp_path: Path) -> None:
    rows = [{"latency_seconds": 1.0 + run, "run": run, "inter_token_latency_seconds": 0.1} for run in (1, 2, 1)]
    (tmp_path / "r").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    first, second = read([tmp_path / "r"])
    assert (first.requests, second.requests) == (2, 1)
    assert (values(first)["latency_p50"], values(second)["latency_p50"]) == (2.0, 3.0)
    assert values(first)["inter_token_latency_p99"] == pytest.approx(0.1)


def test_tokens_per_second_are_those_of_the_time_from_the_first_start_to_the_last_end(tmp_path: Path) -> None:
    rows = [{"latency_seconds": 2.0, "start_seconds": 100.0 + 4 * n, "generation_tokens": 30} for n in range(3)]
    (tmp_path / "r").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert values(only(tmp_path / "r"))["tokens_per_second"] == pytest.approx(90 / 10)


def test_the_first_seconds_can_be_left_out(tmp_path: Path) -> None:
    rows = [{"latency_seconds": 9.0 if n < 5 else 1.0, "start_seconds": 100.0 + n} for n in range(20)]
    (tmp_path / "r").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert values(only(tmp_path / "r"))["latency_p99"] == pytest.approx(9.0)
    assert values(only(tmp_path / "r", skip_seconds=5))["latency_p99"] == pytest.approx(1.0)


BAD = {
    "empty": ("", "an empty file"),
    "text": ("hello\n", "the first line 'hello'"),
    "other json": ('{"a": 1, "b": 2}\n', "found JSON with a, b"),
    "list": ('[{"name": "x"}]', "the first line"),
    "cut off": ('{"latency_seconds": 1}\n{"latency_se', "line 2: no JSON .*cut off"),
    "not a number": ('{"latency_seconds": "fast"}\n', "line 1: latency_seconds: found 'fast', expected a number"),
    "negative": ('{"latency_seconds": 1}\n{"latency_seconds": -0.5}\n', "line 2: .*-0.5.*clock"),
    "nan": ('{"latency_seconds": NaN}\n', "line 1: latency_seconds: found nan"),
    "no latency": ('{"latency_seconds": 1}\n{"latency": 1}\n', "line 2: found latency, expected latency_seconds"),
    "cut document": ('{"metrics": {\n "http_reqs": ', "no JSON.*cut off"),
    "no duration": ('{"metrics": {"iterations": {"count": 3}}}', "found no http_req_duration"),
    "csv": ("Type,Name,Request Count\nPOST,/,1\n", "found 0 rows Aggregated"),
    "ragged": ("Type,Name,Request Count\nPOST,/\n", "line 2: a row of another length than the 3 columns"),
    "k6 time": ('{"type":"Point","metric":"http_req_duration","data":{"time":"noon","value":1,"tags":{}}}', "line 1: time: found 'noon'"),
    "k6 without requests": ('{"type":"Metric","metric":"vus","data":{}}', "holds no request"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_said_with_file_and_line(tmp_path: Path, name: str) -> None:
    content, said = BAD[name]
    path = tmp_path / "result"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read([path])
    assert "result" in caught.value.message
    assert caught.value.next_step


def test_a_result_of_vllm_with_broken_fields_is_no_traceback(tmp_path: Path) -> None:
    result = {**runs.vllm(detailed=True), "itls": [1, 2]}
    (tmp_path / "r.json").write_text(json.dumps(result), encoding="utf-8")
    with pytest.raises(DataError, match="a field of vllm bench serve"):
        read([tmp_path / "r.json"])


def test_binary_rubbish_cut_archives_and_missing_files_are_no_tracebacks(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b'{"latency_seconds": 1}\n' * 5000)[:40])
    for name in ("rubbish", "cut.gz", "nowhere"):
        with pytest.raises(DataError, match=name):
            read([tmp_path / name])


def test_skipping_a_whole_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no request after the seconds that are skipped"):
        read([runs.lines(tmp_path / "r", 0)], skip_seconds=1e6)
