"""What the runs of two sides amount to, and what is wrong with runs themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from atlas_ops.detect.gate import Verdict
from atlas_ops.errors import DataError
from atlas_ops.gate.judge import Finding, Judgement, judge
from atlas_ops.gate.metrics import Tolerances, standard
from atlas_ops.gate.reading import read
from atlas_ops.gate.report import document, words
from atlas_ops.gate.runs import COST, Run
from tests.gate import runs


def judged(baseline: list[Run] | tuple[Run, ...], canary: list[Run] | tuple[Run, ...]) -> Judgement:
    return judge(baseline, canary, standard(Tolerances()), Tolerances())


def sides(
    folder: Path, count: int = 6, *, slower: float = 1.0, failed: int = 0
) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    return (
        read(runs.side(folder, "old", count)),
        read(runs.side(folder, "new", count, first=1, slower=slower, failed=failed)),
    )


def finding(judgement: Judgement, key: str) -> Finding:
    return next(found for found in judgement.findings if found.metric.key == key)


def without(run: Run, metric: str) -> Run:
    return replace(run, readings={key: one for key, one in run.readings.items() if key != metric})


def test_the_same_release_passes_and_a_slower_one_fails(tmp_path: Path) -> None:
    assert judged(*sides(tmp_path)).verdict is Verdict.PASS
    slower = judged(*sides(tmp_path, slower=1.3))
    assert slower.verdict is Verdict.FAIL
    assert "request latency p50 is worse by at least" in words.sentence(slower)
    assert finding(slower, "error_share").verdict is Verdict.PASS


def test_a_faster_release_passes_and_fewer_tokens_a_second_fail(tmp_path: Path) -> None:
    assert judged(*sides(tmp_path, slower=0.5)).verdict is Verdict.PASS
    baseline, canary = sides(tmp_path)
    throttled = []
    for run in canary:
        tokens = run.readings["tokens_per_second"]
        throttled.append(
            replace(run, readings={**run.readings, "tokens_per_second": replace(tokens, value=tokens.value / 1.5)})
        )
    found = judged(baseline, throttled)
    assert found.verdict is Verdict.FAIL
    assert words.row(finding(found, "tokens_per_second"))[3].startswith("-33")


def test_errors_alone_fail_a_release(tmp_path: Path) -> None:
    found = judged(*sides(tmp_path, failed=60))
    assert finding(found, "error_share").verdict is Verdict.FAIL
    assert finding(found, "latency_p50").verdict is Verdict.PASS


def test_a_release_that_answers_nothing_fails_although_it_has_no_times(tmp_path: Path) -> None:
    found = judged(*sides(tmp_path, failed=runs.REQUESTS))
    assert found.verdict is Verdict.FAIL
    assert finding(found, "latency_p50").reason == "the canary does not tell it"


def test_no_errors_in_a_handful_of_requests_prove_little(tmp_path: Path) -> None:
    few = [read([runs.lines(tmp_path / f"{name}{n}", n, count=8) for n in range(6)]) for name in ("old", "new")]
    assert finding(judged(*few), "error_share").verdict is Verdict.CANNOT_TELL


def test_a_p99_of_few_requests_is_shown_but_not_judged(tmp_path: Path) -> None:
    few = [read([runs.lines(tmp_path / f"{name}{n}", n, count=499) for n in range(6)]) for name in ("old", "new")]
    found = finding(judged(*few), "latency_p99")
    assert (found.verdict, found.reason) == (None, "needs 500 observations in each run, the smallest has 499")
    assert finding(judged(*few), "latency_p90").verdict is Verdict.PASS
    assert words.sentence(judged(*few)).endswith("(not judged: request latency p99)")


def test_too_few_runs_cannot_tell_and_say_how_many_are_missing(tmp_path: Path) -> None:
    found = judged(*sides(tmp_path, 3))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.needed
    assert found.needed >= 2
    assert words.sentence(found) == f"cannot tell: {found.needed} more runs are needed on each side"
    single = judged(*sides(tmp_path, 1))
    assert (single.verdict, single.needed) == (Verdict.CANNOT_TELL, 4)


def test_a_run_that_was_cut_short_is_left_out_and_there_is_no_pass_without_it(tmp_path: Path) -> None:
    baseline, canary = sides(tmp_path, 7)
    cut = read([runs.lines(tmp_path / "cut.jsonl", 99, count=40, slower=5.0)])
    found = judged(baseline, (*canary[:-1], *cut))
    assert (found.verdict, found.runs, found.needed) == (Verdict.CANNOT_TELL, (7, 6), 1)
    assert any("cut.jsonl is left out: 40 requests" in note for note in found.notes)
    slow = sides(tmp_path, 7, slower=1.5)[1]
    assert judged(baseline, (*slow[:-1], *cut)).verdict is Verdict.FAIL


def test_a_baseline_that_fails_itself_is_no_measure(tmp_path: Path) -> None:
    for failed in (runs.REQUESTS, runs.REQUESTS * 9 // 10):
        baseline, canary = (read(runs.side(tmp_path, name, failed=failed, first=n)) for n, name in enumerate("ab"))
        found = judged(baseline, canary)
        assert found.verdict is Verdict.CANNOT_TELL
        assert "of the baseline's requests failed" in words.sentence(found)
    worse = judged(read(runs.side(tmp_path, "c", failed=400)), canary)
    assert worse.verdict is Verdict.FAIL
    assert any("of the baseline's requests failed" in note for note in worse.notes)


def test_runs_that_do_not_say_how_many_requests_failed_do_not_pass(tmp_path: Path) -> None:
    found = judged(*([without(run, "error_share") for run in side] for side in sides(tmp_path)))
    assert found.verdict is Verdict.CANNOT_TELL
    assert "how many requests failed is not told" in words.sentence(found)


def test_a_canary_that_had_less_load_does_not_pass(tmp_path: Path) -> None:
    baseline = read(runs.side(tmp_path, "old"))
    light = read(runs.side(tmp_path, "idle", first=1, slower=0.5, apart=0.2))
    idle = judged(baseline, [without(run, "tokens_per_second") for run in light])
    assert idle.verdict is Verdict.CANNOT_TELL
    assert "the canary had 0.5 times the load of the baseline" in words.sentence(idle)
    assert json.loads(document.text(idle))["doubts"] == list(idle.doubts) != []
    assert judged(baseline, read(runs.side(tmp_path, "a", first=1, apart=0.105))).verdict is Verdict.PASS
    busy = judged(baseline, read(runs.side(tmp_path, "busy", first=1, slower=1.5, apart=0.05)))
    assert busy.verdict is Verdict.FAIL
    assert any("the canary had 2 times the load" in note for note in busy.notes)


def test_without_times_the_load_is_the_number_of_requests(tmp_path: Path) -> None:
    baseline, canary = ([replace(run, load=None) for run in side] for side in sides(tmp_path))
    assert judged(baseline, canary).verdict is Verdict.PASS
    fewer = [replace(run, requests=run.requests // 2) for run in canary]
    assert judged(baseline, fewer).verdict is Verdict.CANNOT_TELL


def test_a_p99_that_the_canary_alone_has_too_few_requests_for_is_no_pass(tmp_path: Path) -> None:
    """With clients that wait for their answers, a slow tail leaves fewer requests, and so hides itself."""
    canary = read([runs.lines(tmp_path / f"few{n}.jsonl", 2 * n + 1, count=499) for n in range(6)])
    found = judged(read(runs.side(tmp_path, "old")), canary)
    assert (found.verdict, found.needed) == (Verdict.CANNOT_TELL, None)
    assert words.sentence(found) == (
        "cannot tell: needs 500 observations in each run, the smallest has 499 (request latency p99)"
    )


def test_a_metric_that_one_side_lacks_cannot_be_judged(tmp_path: Path) -> None:
    baseline, canary = sides(tmp_path)
    found = judged(baseline, [without(run, "latency_p90") for run in canary])
    assert (found.verdict, found.needed) == (Verdict.CANNOT_TELL, None)
    assert words.sentence(found) == "cannot tell: the canary does not tell it (request latency p90)"


def test_sides_of_different_tools_are_not_compared(tmp_path: Path) -> None:
    other = read([runs.k6_points(tmp_path / f"k{n}", runs.latencies(n)) for n in range(5)])
    with pytest.raises(DataError, match="the runs come of JSON lines and of k6"):
        judged(sides(tmp_path)[0], other)


def test_milliseconds_against_seconds_are_found(tmp_path: Path) -> None:
    wrong = read([runs.lines(tmp_path / f"ms{n}.jsonl", n, unit=1000) for n in range(5)])
    with pytest.raises(DataError, match=r"latency_p50: ms\d.jsonl has .* s, old\d.jsonl .* milliseconds"):
        judged(sides(tmp_path)[0], wrong)


def test_sides_that_did_not_take_turns_are_told(tmp_path: Path) -> None:
    def told(first: int) -> bool:
        canary = read(runs.side(tmp_path, "new", first=first))
        return any("before all of the other" in note for note in judged(sides(tmp_path)[0], canary).notes)

    assert not told(1)
    assert told(100)


def test_a_cold_first_run_is_told(tmp_path: Path) -> None:
    baseline, canary = sides(tmp_path)
    cold = read([runs.lines(tmp_path / "cold.jsonl", 1, slower=3.0)])
    assert any(
        "first run of the canary (cold.jsonl) takes" in note for note in judged(baseline, (*cold, *canary[1:])).notes
    )
    assert not any("first run" in note for note in judged(baseline, canary).notes)


def test_a_million_tokens_cost_what_the_gpus_cost_in_the_time_that_they_take(tmp_path: Path) -> None:
    (run,) = read([runs.lines(tmp_path / "r", 0)])
    speed = run.readings["tokens_per_second"].value
    assert run.priced(7.2).readings[COST].value == pytest.approx(1e6 / speed * 7.2 / 3600)
    baseline, canary = sides(tmp_path)
    dearer = judged([one.priced(2.0) for one in baseline], [one.priced(4.0) for one in canary])
    assert finding(dearer, COST).verdict is Verdict.FAIL
    assert finding(dearer, "tokens_per_second").verdict is Verdict.PASS


def test_rounding_of_locust_is_not_taken_for_a_change(tmp_path: Path) -> None:
    """Between 110 and 120 ms there is one step of rounding, 9 %, and no noise to be seen."""
    text = (runs.RESULTS / "locust_stats.csv").read_text(encoding="utf-8")
    files: dict[str, list[Path]] = {"110": [], "120": []}
    for p90, paths in files.items():
        for number in range(5):
            path = tmp_path / f"{p90}-{number}"
            path.write_text(text.replace(",91,110,120,230,", f",91,{p90},120,230,"), encoding="utf-8")
            paths.append(path)
    found = finding(judged(read(files["110"]), read(files["120"])), "latency_p90")
    assert found.comparison
    assert found.comparison.deviation > 0.02
    assert found.verdict is not Verdict.FAIL
