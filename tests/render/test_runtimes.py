"""The page of runtimes says what the dialects say."""

from __future__ import annotations

from atlas_ops.catalog import build_catalog, dialects
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render import runtimes
from atlas_ops.settings import Settings

PAGE = runtimes.render(build_catalog(Parameters()), Settings())[runtimes.PATH]
ROWS = [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line[:1] == "|"]


def test_every_runtime_answers_for_every_signal_in_the_table() -> None:
    names = {signal.name for signal in SPOKEN_SIGNALS}
    told: dict[str, set[str]] = {}
    runtimes_of_table: list[str] = []
    for row in ROWS:
        if row[0] == "signal":
            runtimes_of_table = row[1:]
        elif row[0] in names:
            for runtime, mark in zip(runtimes_of_table, row[1:], strict=True):
                told.setdefault(runtime, set()).add(row[0])
                assert mark
    assert set(told) == set(dialects.runtime_ids())
    assert all(signals == names for signals in told.values())


def test_a_mean_is_not_called_a_percentile_and_a_switch_is_marked() -> None:
    marks: dict[tuple[str, str], str] = {}
    head: list[str] = []
    for row in ROWS:
        if row[0] == "signal":
            head = row
        marks |= {(row[0], runtime): mark for runtime, mark in zip(head[1:], row[1:], strict=False)}
    assert marks["atlas_request_duration_seconds", "triton"] == "mean"
    assert marks["atlas_spec_decode_draft_tokens_total", "vllm"] == "direct*"
    assert marks["atlas_server_ready", "bentoml"] == "asked"
    assert marks["atlas_batches_total", "vllm"] == "-"


def row_of(runtime: str, column: str) -> dict[str, str]:
    """The row of a runtime in the table that has the column."""
    head: list[str] = []
    for row in ROWS:
        head = row if row[0] == "runtime" else head
        if row[0] == runtime and column in head:
            return dict(zip(head, row, strict=True))
    raise AssertionError(f"{runtime} is in no table with {column}")


def test_what_a_dialect_says_of_its_numbers_and_endpoints_is_told() -> None:
    moves = row_of("llamacpp", "gauges")
    assert (moves["gauges"], moves["tokens"], moves["digits of counters"]) == ("live", "finish", "6")
    assert "llamacpp:predicted_tokens_seconds" in moves["set back by every scrape"]
    assert row_of("bentoml", "gauges")["tokens"] == "-", "it has none"
    assert row_of("kserve", "gauges")["several processes"] == "yes"
    asked = row_of("triton", "readiness")
    assert "api /v2/health/ready" in asked["readiness"]
    assert "/v2/models/{model}/config" in asked["also asked"]


def test_outcomes_that_a_runtime_counts_nowhere_are_told() -> None:
    (row,) = (row for row in ROWS if row[0] == "vllm" and len(row) == 7)
    assert row[1:6] == ["yes", "yes", "yes", "yes", "-"]
