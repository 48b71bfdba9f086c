from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atlas_ops.errors import AtlasError, ConfigError
from atlas_ops.simulator import Fleet
from atlas_ops.simulator.arrivals import Arrivals
from atlas_ops.simulator.scenarios.traffic import CHAT
from atlas_ops.simulator.trace import TracePlayer, read_traces

AZURE_HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"
AZURE_ROWS = [f"2023-11-16 18:{n // 60:02}:{n % 60:02}.{n % 7}799600,{100 + n},{10 + n % 5}" for n in range(120)]
MOONCAKE_ROWS = [
    f'{{"timestamp": {3000 * (n // 4)}, "input_length": {500 + n}, "output_length": 7}}' for n in range(120)
]


def written(folder: Path, name: str, lines: list[str]) -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_a_trace_is_played_at_the_rate_of_the_scenario_with_its_own_lengths(tmp_path: Path) -> None:
    (trace,) = read_traces(written(tmp_path, "a.csv", [AZURE_HEAD, *AZURE_ROWS]))
    player = TracePlayer(trace, start=0, usual=CHAT)
    requests = Arrivals("1/0", trace=player).between(0, 30, CHAT)
    assert len(requests) == pytest.approx(30 * CHAT.requests_per_second, abs=2)
    assert [one.prompt_tokens for one in requests[:3]] == [100, 101, 102]
    assert [one.output_tokens for one in requests[:3]] == [10, 11, 12]


def test_what_a_scenario_makes_longer_is_longer_in_the_trace_by_as_much(tmp_path: Path) -> None:
    (trace,) = read_traces(written(tmp_path, "a.csv", [AZURE_HEAD, *AZURE_ROWS]))
    double = replace(CHAT, prompt_tokens=replace(CHAT.prompt_tokens, median=2 * CHAT.prompt_tokens.median))
    assert TracePlayer(trace, start=0, usual=CHAT).lengths(double) == (200, 10)


def test_requests_of_one_moment_are_spread_until_the_next(tmp_path: Path) -> None:
    (trace,) = read_traces(written(tmp_path, "m.jsonl", MOONCAKE_ROWS))
    assert set(trace.gaps) == {1.0}
    assert trace.prompts[:2] == (500, 501)


def test_a_trace_with_longer_prompts_than_the_fleet_is_for_is_played_more_slowly(tmp_path: Path) -> None:
    long = [f'{{"timestamp": {n * 1000}, "input_length": 4600, "output_length": 7}}' for n in range(120)]
    (trace,) = read_traces(written(tmp_path, "m.jsonl", long))
    requests = Arrivals("1/0", trace=TracePlayer(trace, start=0, usual=CHAT)).between(0, 100, CHAT)
    tokens = sum(request.prompt_tokens for request in requests)
    assert tokens / 100 == pytest.approx(CHAT.requests_per_second * CHAT.prompt_tokens.mean, rel=0.02)


def test_servers_and_seeds_play_a_trace_from_places_of_their_own(tmp_path: Path) -> None:
    traces = read_traces(written(tmp_path, "a.csv", [AZURE_HEAD, *AZURE_ROWS]))

    def pages(seed: int) -> list[str]:
        fleet = Fleet(seed=seed, traces=traces)
        fleet.advance(20)
        return [fleet.page(0), fleet.page(1)]

    assert pages(1) == pages(1)
    assert len({*pages(1), *pages(2)}) == 4


def test_every_mistake_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    rows = [AZURE_HEAD, AZURE_ROWS[0], "yesterday,5,5", "2023-11-16 18:15:46.68,-3,5", "2023-11-16 18:15:46.68,5"]
    with pytest.raises(ConfigError) as refused:
        read_traces(written(tmp_path, "a.csv", rows))
    told = str(refused.value)
    assert "a.csv" in told
    assert all(f"line {number}" in told for number in (3, 4, 5))
    assert "line 2" not in told


@pytest.mark.parametrize(
    ("name", "lines", "told"),
    [
        ("m.jsonl", ['{"timestamp": 0}'], "line 1: 'input_length' is missing"),
        ("m.jsonl", ["[1, 2]"], "line 1"),
        ("m.jsonl", ["garbage"], "line 1"),
        ("a.csv", ["time,tokens", "1,2"], "line 2: 'TIMESTAMP' is missing"),
        ("a.csv", [AZURE_HEAD, *AZURE_ROWS[:5]], "holds 5 requests"),
        ("m.jsonl", ['{"timestamp": 0, "input_length": 5, "output_length": 7}'] * 120, "all at one moment"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, name: str, lines: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        read_traces(written(tmp_path, name, lines))
    assert "Azure" in refused.value.next_step


def test_a_folder_without_traces_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AtlasError, match=str(folder)):
            read_traces(folder)
