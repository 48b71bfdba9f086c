"""The same judgement for people, for continuous integration and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from atlas_ops.gate.judge import Judgement, judge
from atlas_ops.gate.metrics import Tolerances, standard
from atlas_ops.gate.reading import read
from atlas_ops.gate.report import document, junit, markdown, plot, terminal
from tests.gate import runs


def judgement(folder: Path, *, slower: float = 1.0, count: int = 6, name: str = "new") -> Judgement:
    baseline, canary = (
        read(runs.side(folder, "old", count)),
        read(runs.side(folder, name, count, first=1, slower=slower)),
    )
    return judge(baseline, canary, standard(Tolerances()), Tolerances())


def test_the_table_ends_with_the_verdict(tmp_path: Path) -> None:
    lines = terminal.text(judgement(tmp_path)).splitlines()
    assert lines[0] == "canary against baseline: 6 against 6 runs"
    assert [line.split("  ")[0] for line in lines[2:7]] == [
        "request latency p50", "request latency p90", "request latency p99", "share of errors", "tokens per second",
    ]  # fmt: skip
    assert lines[-1] == "pass: nothing is worse by 20 % or more, errors by 2 points"
    assert "+5 %" in lines[2]
    assert "+0.5 points" in lines[5]


@pytest.mark.parametrize(("slower", "count", "failed", "skipped"), [(1.0, 6, 0, 0), (1.3, 6, 4, 0), (1.0, 2, 1, 5)])
def test_junit_counts_what_it_lists(tmp_path: Path, slower: float, count: int, failed: int, skipped: int) -> None:
    suite = ElementTree.fromstring(junit.text(judgement(tmp_path, slower=slower, count=count)))[0]
    assert len(suite) == int(suite.attrib["tests"]) == 6
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"])
    assert (int(suite.attrib["failures"]) >= failed, suite.attrib["skipped"]) == (True, str(skipped))
    (verdict,) = suite.findall("testcase[@name='verdict']")
    assert (verdict.find("failure") is None) == (failed == 0)


def test_names_of_files_do_not_become_markup(tmp_path: Path) -> None:
    found = judgement(tmp_path)
    noted = Judgement(
        verdict=found.verdict, findings=found.findings, notes=("<img src=x>|`a`\x00",), runs=found.runs, needed=0,
        tolerances=found.tolerances, looks=1,
    )  # fmt: skip
    assert "\\<img src=x\\>\\|\\`a\\`" in markdown.text(noted)
    assert ElementTree.fromstring(junit.text(noted)) is not None


def test_markdown_is_a_table_of_seven_columns(tmp_path: Path) -> None:
    rows = [line for line in markdown.text(judgement(tmp_path)).splitlines() if line.startswith("|")]
    assert len(rows) == 7
    assert {row.count(" | ") for row in rows} == {6}


def test_json_has_every_run_and_the_bounds(tmp_path: Path) -> None:
    told = json.loads(document.text(judgement(tmp_path, slower=1.3)))
    assert (told["verdict"], told["runs"], told["needed"]) == ("fail", {"baseline": 6, "canary": 6}, 0)
    latency = told["metrics"][0]
    assert (latency["key"], latency["verdict"], len(latency["baseline"])) == ("latency_p50", "fail", 6)
    low, high = latency["between"]
    assert 0.05 < low < latency["change"] < high
    assert (latency["margin"], latency["detect"]) == (pytest.approx(0.05), pytest.approx(0.2))


def test_the_plot_shows_each_metric_and_is_the_same_for_the_same_judgement(tmp_path: Path) -> None:
    found = judgement(tmp_path, slower=1.3)
    drawn = plot.svg(found)
    assert ElementTree.fromstring(drawn) is not None
    assert drawn == plot.svg(found)


def test_a_judgement_of_nothing_can_be_drawn(tmp_path: Path) -> None:
    assert b"<svg" in plot.svg(judgement(tmp_path, count=1))
