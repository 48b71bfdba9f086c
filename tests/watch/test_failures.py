"""What goes wrong in one reference, or in a whole round, without a Prometheus that anything is asked of."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.cli import watch
from atlas_ops.drift import reference as files
from atlas_ops.prometheus import Course, Point, Prometheus
from atlas_ops.watch import watcher as rounds
from atlas_ops.watch.page import Page
from atlas_ops.watch.past import Past
from atlas_ops.watch.watcher import Watcher
from tests.watch.test_judge import reference
from tests.watch.traffic import END


class Small(Prometheus):
    """One that answers, and knows of some requests."""

    def query(self, expr: str, *, at: float | None = None) -> tuple[Point, ...]:
        del expr, at
        return ()

    def query_range(
        self, expr: str, start: float, end: float, step: float, *, whole: bool = False
    ) -> tuple[Course, ...]:
        del whole
        times = tuple(np.arange(start, end + 1, step).tolist())
        there = s.FEATURE_VALUES.name in expr
        return (
            (Course(labels={"feature": "length", "bin": "00"}, times=times, values=(1.0,) * len(times)),)
            if there
            else ()
        )


class Great(Small):
    """One whose counts grow beyond what few bytes hold, and fall again."""

    def query_range(
        self, expr: str, start: float, end: float, step: float, *, whole: bool = False
    ) -> tuple[Course, ...]:
        return tuple(
            replace(one, values=tuple(2.0**40 if at < END - 3 * 86_400 else 1.0 for at in one.times))
            for one in super().query_range(expr, start, end, step, whole=whole)
        )


def test_great_counts_and_small_ones_are_kept_as_they_are() -> None:
    past = Past(Great("http://127.0.0.1:9"), "m", reference().features)
    for end in (END - 3_600.0, END):
        first = past.until(end).counts["length"]
        assert first.dtype == np.int64
        again = Past(Great("http://127.0.0.1:9"), "m", reference().features).until(end).counts["length"]
        assert (first == again).all()
        assert {1, 2**40} == set(np.unique(first[:, 0]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files.write(reference(), tmp_path / "good.json")
    return tmp_path


def watcher(folder: Path) -> Watcher:
    return Watcher(folder, Small("http://127.0.0.1:9"), clock=lambda: END)


def damaged(folder: Path, **changes: Any) -> None:
    document = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    text = json.dumps(document | {"model": "bad"} | changes)
    (folder / "bad.json").write_text(text, encoding="utf-8")


def successes(page: Page) -> dict[str, str]:
    lines = (line.rsplit(" ", 1) for line in page.text().decode().splitlines() if line.startswith("atlas_watch_succ"))
    return {series.split('"')[1]: value for series, value in lines}


@pytest.mark.parametrize(
    "changes",
    [
        {"made_at": float("nan")},
        {"made_at": "x"},
        {"accepted_since": "x"},
        {"rows": 10**400},
        {"features": [{"kind": "number", "name": "length", "edges": [0, 1], "counts": [10**30, 0, 0, 0]}]},
    ],
)
def test_one_damaged_reference_is_told_and_the_others_are_judged(folder: Path, changes: dict[str, Any]) -> None:
    damaged(folder, **changes)
    found = watcher(folder).round()
    problems = {outcome.model: outcome.problem for outcome in found.outcomes}
    assert problems.pop("m") == ""
    assert all("damaged" in problem or "not JSON" in problem for problem in problems.values())
    assert len(problems) == 1


def test_a_trouble_is_not_covered_by_a_model_that_is_called_like_its_file(folder: Path) -> None:
    (folder / "z.json").write_bytes((folder / "good.json").read_bytes())
    files.write(replace(reference(), model="z"), folder / "zz.json")
    page = Page()
    page.show(watcher(folder).round())
    assert successes(page) == {"m": "1.0", "z": "0.0"}


def test_a_reference_over_which_we_stumble_does_not_stop_the_round(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged(folder)
    called, read = rounds._called, files.read
    monkeypatch.setattr(rounds, "_called", lambda of, path: called(of, path) if path.stem == "good" else 1 / 0)
    found = {outcome.model: outcome.problem for outcome in watcher(folder).round().outcomes}
    assert found == {"m": "", "bad": "an error of atlas-ops itself; the log has it"}
    monkeypatch.setattr(files, "read", lambda path: read(path) if path.stem == "good" else 1 / 0)
    found = {outcome.model: outcome.problem for outcome in watcher(folder).round().outcomes}
    assert found == {"m": "", "bad": "an error of atlas-ops itself; the log has it"}


def test_a_round_that_fails_altogether_is_no_success_and_the_next_one_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, of = Page(), watcher(folder)
    page.show(of.round())
    assert successes(page) == {"m": "1.0"}
    success = [line for line in page.text().decode().splitlines() if line.startswith("atlas_watch_last_success")]
    stopping = threading.Event()

    def fails(**_: float) -> None:
        stopping.set()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(of, "round", fails)
        watch._rounds(of, page, 0.0, stopping)
    assert successes(page) == {"m": "0.0"}
    assert success == [
        line for line in page.text().decode().splitlines() if line.startswith("atlas_watch_last_success")
    ]
    page.show(of.round())
    assert successes(page) == {"m": "1.0"}
