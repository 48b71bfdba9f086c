"""Whatever lies in a file of results: runs are read, or a clear error says which file, and never anything else."""

from __future__ import annotations

import copy
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_ops.errors import DataError
from atlas_ops.gate.reading import read
from tests.gate import runs

VLLM = {
    "completed": 2,
    "duration": 3.0,
    "request_throughput": 0.7,
    "date": "20260101-120000",
    "failed": 1,
    "num_prompts": 3,
}
DOCUMENTS: dict[str, list[Any]] = {
    "a summary of k6": [
        {
            "metrics": {
                "http_req_duration": {"med": 5.0, "p(90)": 9.0, "p(99)": 11},
                "http_reqs": {"count": 9, "rate": 1.5},
                "http_req_failed": {"values": {"rate": 0.1}},
            }
        }
    ],
    "points of k6": [
        {"type": "Metric", "metric": "http_req_duration", "data": {"type": "trend"}},
        {
            "type": "Point",
            "metric": "http_req_duration",
            "data": {"time": "2026-01-31T12:00:00Z", "value": 5.0, "tags": {"status": "200"}},
        },
    ],
    "vLLM": [{**VLLM, "median_ttft_ms": 9.0, "p99_ttft_ms": 12.5, "output_throughput": 9.5, "latencies": [0.5, 0.0]}],
    "vLLM in detail": [
        {
            **VLLM, "ttfts": [0.1, 0.2], "itls": [[0.1, 0.1], [0.2]], "errors": ["", "x"], "output_lens": [3, 2],
            "latencies": [0.3, 0.4], "start_times": [1.0, 2.0],
        },
    ],
    "k6's new summary": [runs.k6_new_summary()],
    "SGLang": [runs.sglang(detailed=False)],
    "AIPerf": [runs.aiperf(successor=True)],
    "GenAI-Perf": [runs.aiperf(successor=False)],
    "requests of AIPerf": [runs.aiperf_request(start=1.7e9), runs.aiperf_request(start=1.7e9, failed=True)],
    "vLLM of old": [{**VLLM, "ttfts": [0.1, 0.2], "itls": [[0.1, 0.1], [0.2]]}],
    "JSON lines": [
        {
            "latency_seconds": 0.5, "start_seconds": 1.7e9, "time_to_first_token_seconds": 0.1,
            "inter_token_latency_seconds": [0.1, 0.2], "generation_tokens": 3, "error": None, "run": 1,
        },
        {"latency_seconds": 0.5, "inter_token_latency_seconds": 0.1, "error": "no answer"},
    ],
}  # fmt: skip
CSV = {
    "k6": "metric_name,timestamp,metric_value,expected_response,status\nhttp_req_duration,1700000000,5.0,true,200\nhttp_req_duration,1700000001,7,false,500\n",
    "Locust's stats": "Type,Name,Request Count,Failure Count,50%,90%,99%\n,Aggregated,9,1,5,8,11\n",
    "Locust's history": "Timestamp,Name,Total Request Count,Total Failure Count,50%,90%,99%\n1,Aggregated,9,1,5,8,11\n",
    "Locust's requests": "timestamp,response_time,exception\n1700000000,5,\n1700000001,7,x\n",
}
WILD = st.one_of(
    st.none(), st.booleans(), st.text(max_size=4), st.just([]), st.just([None]), st.just({}), st.just({"values": 1}),
    st.sampled_from([-1, 0, 5e-324, 1e14, 1e308, 10**400, math.nan, math.inf, -math.inf, "1", "nan", [1, "x"], [[1e308, 1e308]]]),
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def put(documents: list[Any], place: tuple[Any, ...], value: Any, gone: bool) -> None:
    holder: Any = documents
    for key in place[:-1]:
        holder = holder[key]
    if gone:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value


def survives(path: Path) -> None:
    try:
        found = read([path])
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017 - either is right
        return
    for run in found:
        assert run.load is None or 0 < run.load < math.inf
        for reading in run.readings.values():
            assert math.isfinite(reading.value)
            assert reading.value >= 0
            assert reading.of >= 0


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_that_is_none_is_a_clear_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    documents = copy.deepcopy(DOCUMENTS[kind])
    place = data.draw(st.sampled_from(places(documents)[1:]))
    put(documents, place, data.draw(WILD), data.draw(st.booleans()))
    path = tmp_path / "results"
    path.write_text("\n".join(json.dumps(one) for one in documents) + "\n", encoding="utf-8")
    survives(path)


@pytest.mark.parametrize("kind", CSV)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cell_that_is_no_number_is_a_clear_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    head, *rows = [line.split(",") for line in CSV[kind].splitlines()]
    row, cell = data.draw(st.sampled_from(rows)), data.draw(st.integers(0, len(head) - 1))
    row[cell] = data.draw(st.sampled_from(["", "x", "nan", "inf", "-1", "1e308", "1" + "0" * 400, '"', "N/A"]))
    path = tmp_path / "results"
    path.write_text("\n".join(",".join(line) for line in [head, *rows]) + "\n", encoding="utf-8")
    survives(path)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"http_req_duration": 5}, "http_req_duration: found 5, expected an object of numbers"),
        ({"http_req_duration": {"med": 5}, "http_reqs": {"count": None}}, "count: found None, expected a number"),
        ({"http_req_duration": {"med": "x"}}, "med: found 'x', expected a number"),
        ({"http_req_duration": {"med": 5}, "http_req_failed": {"rate": 3}}, "found 3, expected a share"),
    ],
)
def test_a_summary_of_k6_says_which_number_is_none(tmp_path: Path, metrics: dict[str, Any], said: str) -> None:
    path = tmp_path / "k6.json"
    path.write_text(json.dumps({"metrics": metrics}), encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read([path])
    assert "k6.json" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"latency_seconds": 1}\n{"a":' + b"[" * 100_000,
        b"Timestamp,Name,Total Request Count\n" + b"x" * 200_000,
        gzip.compress(b'{"latency_seconds": 1}\n' * 99, mtime=0)[:12] + b"\xff" * 20,
    ],
    ids=["deep JSON", "a cell of 200 kB", "a damaged gzip"],
)
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results").write_bytes(content)
    with pytest.raises(DataError, match="results"):
        read([tmp_path / "results"])
