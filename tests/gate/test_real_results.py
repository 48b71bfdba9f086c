"""Files that the tools themselves wrote: k6 1.1.0 (40 requests, each tenth failed) and vLLM 0.32.0 (60, each tenth failed).

Neither is touched, but for the folder of the tokenizer in vLLM's. What the tools say of their own runs has to be what is read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_ops.gate.reading import read
from atlas_ops.gate.runs import Run

RESULTS = Path(__file__).parent / "results"
QUANTILES = ("p50", "p90", "p99")


def one(name: str) -> Run:
    return read([RESULTS / name])[0]


def test_k6_points_give_the_quantiles_of_k6s_own_summary() -> None:
    points, summary = one("k6_points.json.gz"), one("k6_summary.json")
    assert points.requests == summary.requests == 40
    for quantile in QUANTILES:
        both = [run.readings[f"latency_{quantile}"] for run in (points, summary)]
        assert both[0].value == pytest.approx(both[1].value, rel=1e-9)
        assert both[0].of == both[1].of == 36
    assert points.readings["error_share"].value == pytest.approx(0.1)
    assert summary.readings["error_share"].value == pytest.approx(0.1)


def test_k6_says_the_same_as_csv(tmp_path: Path) -> None:
    """A row of k6 1.1.0, with another duration, moment and outcome in each."""
    header = (
        "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,"
        "subproto,tls_version,url,extra_tags,metadata"
    )
    rows = [header]
    for place in range(40):
        good, moment = place % 10 > 0, 1795773383 + place if place % 2 else f"2026-11-27T09:56:{23 + place // 2:02}Z"
        for metric, value in (("http_reqs", 1), ("http_req_duration", 10 + place), ("http_req_waiting", 9)):
            rows.append(
                f"{metric},{moment},{value:.6f},,,,{str(good).lower()},,GET,http://a:1,HTTP/1.1,default,,{200 if good else 500},,,http://a:1,,"
            )
    (tmp_path / "r.csv").write_text("\n".join(rows), encoding="utf-8")
    (run,) = read([tmp_path / "r.csv"])
    assert (run.tool, run.requests, run.readings["latency_p50"].of) == ("k6", 40, 36)
    assert run.readings["error_share"].value == pytest.approx(0.1)
    assert run.readings["latency_p50"].value == pytest.approx(0.030)
    assert run.began == pytest.approx(1795773383, abs=1)


def test_vllms_requests_give_the_percentiles_and_rates_that_vllm_wrote_beside_them() -> None:
    written = json.loads((RESULTS / "vllm_detailed.json").read_text())
    run = one("vllm_detailed.json")
    assert run.requests == 60
    assert run.readings["error_share"].value == pytest.approx(written["failed"] / 60)
    for metric, short in (("time_to_first_token", "ttft"), ("inter_token_latency", "itl")):
        assert run.readings[f"{metric}_p50"].value == pytest.approx(written[f"median_{short}_ms"] / 1e3, rel=1e-9)
        assert run.readings[f"{metric}_p99"].value == pytest.approx(written[f"p99_{short}_ms"] / 1e3, rel=1e-9)
    assert run.readings["tokens_per_second"].value == pytest.approx(written["output_throughput"], rel=1e-9)
    assert run.readings["inter_token_latency_p50"].of == 54 * 10


def test_vllms_results_without_single_requests_still_tell_the_latency_of_each() -> None:
    runs = read([RESULTS / "vllm_appended.json"])
    assert [run.name for run in runs] == ["vllm_appended.json run 1", "vllm_appended.json run 2"]
    for run in runs:
        assert [run.readings[f"latency_{quantile}"].of for quantile in QUANTILES] == [54] * 3
        # Each answer took 50 ms to the first token, and ten more tokens every 10 ms.
        assert run.readings["latency_p50"].value == pytest.approx(0.155, abs=0.02)
        assert "time_to_first_token_p90" not in run.readings
