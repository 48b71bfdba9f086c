"""Drift found live on a real Prometheus: quiet traffic stays quiet whatever happens to pods, and a shift is found and named."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.detect.features import Numeric
from atlas_ops.detect.windows import STEP
from atlas_ops.drift import reference as files
from atlas_ops.drift import words
from atlas_ops.drift.counting import Counting, Table
from atlas_ops.drift.fit import learned
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.standing import Standing
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.samples import Series, Written
from atlas_ops.watch import report
from atlas_ops.watch.finding import Judgement
from atlas_ops.watch.page import Page
from atlas_ops.watch.watcher import LATE_SECONDS, Outcome, Round, Watcher
from tests.watch import traffic
from tests.watch.conftest import SHIFTED_AT, TWICE_AT
from tests.watch.traffic import AWAY, DAY, END, HOUR, LENGTH, MONDAY

Folder = Callable[..., Path]


class Clock:
    """What time Prometheus says it is."""

    def __init__(self, now: float) -> None:
        self.now = now + LATE_SECONDS

    def __call__(self) -> float:
        return self.now

    def at(self, now: float) -> Clock:
        self.now = now + LATE_SECONDS
        return self


def outcome(found: Round, model: str) -> Outcome:
    return next(one for one in found.outcomes if one.model == model)


def judged(found: Round, model: str) -> Judgement:
    judgement = outcome(found, model).judgement
    assert judgement is not None
    return judgement


def drifted(found: Round, model: str) -> set[tuple[str, str]]:
    return {(one.feature.name, one.detector) for one in judged(found, model).drifted}


def lines(page: Page) -> dict[str, float]:
    """Return what stands on the page: {series: value}."""
    pairs = (line.rsplit(" ", 1) for line in page.text().decode().splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in pairs}


def test_restarts_new_pods_missed_scrapes_twins_and_an_outage_of_prometheus_are_no_drift(
    prometheus: Prometheus, shelf: Folder
) -> None:
    clock = Clock(MONDAY)
    watcher = Watcher(shelf("quiet"), prometheus, clock=clock)
    # Every three hours of three days: the first ones of a new model, the outage and the hours after it, restarts, and the pod that joins.
    for hours in range(3, 3 * 24 + 1, 3):
        clock.at(MONDAY + hours * HOUR)
        found = watcher.round()
        assert not outcome(found, "quiet").problem
        assert drifted(found, "quiet") == set()
    assert {one.feature.name for one in judged(found, "quiet").findings} == {"length", "prediction_kind"}
    assert judged(found, "quiet").counted_until == END


def test_what_nothing_can_be_said_of_has_no_score_and_says_what_it_lacks(prometheus: Prometheus, shelf: Folder) -> None:
    clock, page = Clock(AWAY[1]), Page()
    watcher = Watcher(shelf("quiet"), prometheus, clock=clock)
    page.show(watcher.round())
    # The outage has swallowed the hour and half of the six: the day alone can be judged still.
    assert 'atlas_drift_score{detector="seasonal",feature="length",model="quiet"}' in lines(page)
    page.show(watcher_ := Watcher(shelf("quiet"), prometheus, clock=Clock(END + 5 * HOUR)).round())
    assert not [series for series in lines(page) if "atlas_drift_score" in series or "atlas_drift_detected" in series]
    assert lines(page)['atlas_watch_counted_until_timestamp_seconds{model="quiet"}'] == END
    assert lines(page)['atlas_watch_success{model="quiet"}'] == 1
    assert "19.0 hours of the last day" in judged(watcher_, "quiet").untold["length"]
    page.show(found := Watcher(shelf("quiet"), prometheus, clock=Clock(END + 30 * HOUR)).round())
    assert "0 values in the last day, 30 are needed" in judged(found, "quiet").untold["length"]


def test_a_shift_is_found_with_its_feature_its_words_and_its_time(prometheus: Prometheus, shelf: Folder) -> None:
    clock, page = Clock(SHIFTED_AT - STEP), Page()
    watcher = Watcher(shelf("shifted"), prometheus, clock=clock)
    assert drifted(watcher.round(), "shifted") == set()
    clock.at(SHIFTED_AT + HOUR)
    found = watcher.round()
    page.show(found)
    assert ("length", "seasonal") in drifted(found, "shifted")
    assert {feature for feature, _ in drifted(found, "shifted")} == {"length"}
    of_length = next(one for one in judged(found, "shifted").drifted if one.detector == "seasonal")
    said = words.told(of_length.feature, of_length.moves)
    assert any("lie at the high end (9 and more)" in one for one in said)
    assert of_length.since == pytest.approx(SHIFTED_AT, abs=2 * STEP)
    score = 'atlas_drift_score{detector="seasonal",feature="length",model="shifted"}'
    assert lines(page)[score] == pytest.approx(of_length.share)
    assert lines(page)[score.replace("score", "detected")] == 1
    assert lines(page)[score.replace("score", "detected").replace("length", "prediction_kind")] == 0
    assert lines(page)["atlas_watch_last_success_timestamp_seconds"] == clock.now


def test_a_watcher_that_is_started_again_says_what_the_one_before_it_says(
    prometheus: Prometheus, shelf: Folder
) -> None:
    clock, folder = Clock(TWICE_AT), shelf("twice", "quiet")
    watcher = Watcher(folder, prometheus, clock=clock)
    while clock.now < END + LATE_SECONDS:
        clock.at(min(clock.now - LATE_SECONDS + 175 * 60, END))
        found = watcher.round()
    again = Watcher(folder, prometheus, clock=clock).round()
    for model in ("twice", "quiet"):
        assert drifted(again, model) == drifted(found, model)
        shares = {(one.feature.name, one.detector): one.share for one in judged(found, model).findings}
        assert {(one.feature.name, one.detector): one.share for one in judged(again, model).findings} == pytest.approx(
            shares, rel=0.02, abs=0.02
        )
    assert {feature for feature, _ in drifted(again, "twice")} == {"length", "prediction_kind"}


def test_one_model_that_cannot_be_judged_does_not_keep_another_from_it(
    prometheus: Prometheus, shelf: Folder, calibrated: dict[str, Reference]
) -> None:
    folder, page = shelf("shifted"), Page()
    other_bins = Numeric(name="length", edges=tuple(float(edge) for edge in range(1, 12)))
    quiet = calibrated["quiet"]
    files.write(replace(quiet, features=(other_bins, quiet.features[1])), folder / "quiet.json")
    (folder / "torn.json").write_text('{"format": "atlas-ops drift refer', encoding="utf-8")
    files.write(calibrated["shifted"], folder / "twin.json")
    watcher = Watcher(folder, prometheus, clock=Clock(END))
    found = watcher.round()
    page.show(found)
    assert ("length", "seasonal") in drifted(found, "shifted")
    assert "count length into other bins" in outcome(found, "quiet").problem
    assert "it is not JSON" in outcome(found, "torn").problem
    assert "as shifted.json is" in outcome(found, "twin").problem
    assert {series for series, value in lines(page).items() if "watch_success" in series and not value} == {
        f'atlas_watch_success{{model="{model}"}}' for model in ("quiet", "torn", "twin")
    }
    assert not [series for series in lines(page) if 'feature="length",model="quiet"' in series]
    assert lines(page)['atlas_drift_detected{detector="seasonal",feature="prediction_kind",model="quiet"}'] == 0
    assert "count length into other bins" in judged(found, "quiet").untold["length"]
    # What is mended is judged in the next round, and what is taken away is forgotten.
    files.write(quiet, folder / "quiet.json")
    (folder / "torn.json").unlink()
    page.show(found := watcher.round())
    assert drifted(found, "quiet") == set()
    assert lines(page)['atlas_watch_success{model="quiet"}'] == 1
    assert not [series for series in lines(page) if 'model="torn"' in series]


def test_before_two_weeks_of_history_psi_stands_in_and_it_is_said_until_when(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    for model in ("quiet", "twice"):
        files.write(traffic.reference(model, days=5), tmp_path / f"{model}.json")
    clock = Clock(TWICE_AT + DAY)
    found = Watcher(tmp_path, prometheus, clock=clock).round()
    assert drifted(found, "quiet") == set()
    assert drifted(found, "twice") == {("length", "cold")}
    (note,) = judged(found, "twice").notes
    assert f"until {words.moment(MONDAY + 9 * DAY)}" in note
    (of_length,) = judged(found, "twice").drifted
    assert any("high end" in one for one in words.told(LENGTH, of_length.moves))
    later = judged(Watcher(tmp_path, prometheus, clock=Clock(MONDAY + 20 * DAY)).round(), "twice")
    assert "Make the reference again now" in later.notes[0]
    fresh = judged(Watcher(tmp_path, prometheus, clock=Clock(MONDAY + 6 * HOUR)).round(), "quiet")
    assert not fresh.findings
    assert "6.0 hours of the last day" in fresh.untold["length"]


def test_a_clock_that_goes_back_is_followed(prometheus: Prometheus, shelf: Folder) -> None:
    clock = Clock(END)
    watcher = Watcher(shelf("shifted"), prometheus, clock=clock)
    assert drifted(watcher.round(), "shifted")
    clock.at(SHIFTED_AT - HOUR)
    found = watcher.round()
    assert judged(found, "shifted").end == SHIFTED_AT - HOUR
    assert drifted(found, "shifted") == set()


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_file_that_is_half_written_is_told_and_the_reference_before_it_goes_on(
    prometheus: Prometheus, shelf: Folder
) -> None:
    folder, clock = shelf("shifted"), Clock(SHIFTED_AT - STEP)
    watcher, file = Watcher(folder, prometheus, clock=clock), folder / "shifted.json"
    assert drifted(watcher.round(), "shifted") == set()
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[: len(whole) // 2], encoding="utf-8")
    clock.at(SHIFTED_AT + HOUR)
    for _ in range(2):
        found = watcher.round()
        assert "it is not JSON" in outcome(found, "shifted").problem
        assert ("length", "seasonal") in drifted(found, "shifted")
    # Another one takes its place: it is judged by from then on, and the counts need not be read anew.
    files.write(replace(traffic.reference("shifted", days=5), made_at=float(END)), file)
    found = watcher.round()
    assert outcome(found, "shifted").problem == ""
    assert {one.detector for one in judged(found, "shifted").findings} == {"cold"}
    assert outcome(found, "shifted").reference == f"shifted of {words.moment(END)}"


def test_a_question_that_hangs_is_cut_off_and_the_last_verdict_stands(
    prometheus: Prometheus, shelf: Folder, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, silent = Page(), Prometheus(hanging, timeout_seconds=0.2)
    watcher = Watcher(shelf("shifted"), prometheus, clock=Clock(END))
    page.show(watcher.round())
    before = lines(page)
    for broken in ({"_client": silent}, {"_client": silent, "_clock": watcher._time_of_prometheus}):
        for name, value in broken.items():
            monkeypatch.setattr(watcher, name, value)
        for past in watcher._pasts.values():
            monkeypatch.setattr(past, "_client", silent)
        page.show(found := watcher.round())
        assert outcome(found, "shifted").problem
        after = lines(page)
        assert after.pop('atlas_watch_success{model="shifted"}') == 0
        assert {series: value for series, value in after.items() if series != "atlas_watch_round_seconds"} == {
            series: value for series, value in before.items() if "success{" not in series and "round" not in series
        }
    silent.close()


def test_a_prometheus_that_is_away_from_the_start_is_told_for_every_model(shelf: Folder) -> None:
    page, away = Page(), Prometheus("http://127.0.0.1:9", timeout_seconds=1)
    page.show(found := Watcher(shelf("quiet", "shifted"), away).round())
    assert [one.problem for one in found.outcomes] == [found.problem] * 2
    assert {
        series: value for series, value in lines(page).items() if "round" not in series and "build" not in series
    } == {
        'atlas_watch_success{model="quiet"}': 0,
        'atlas_watch_success{model="shifted"}': 0,
    }


def test_a_folder_without_a_reference_is_told_in_the_log(
    prometheus: Prometheus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Watcher(tmp_path, prometheus).round().outcomes == ()
    assert "holds no reference" in caplog.text
    assert Watcher(tmp_path / "none", prometheus).round().problem
    assert "none cannot be read" in caplog.text


def test_models_that_were_not_reached_come_first_in_the_next_round(prometheus: Prometheus, shelf: Folder) -> None:
    watcher = Watcher(shelf("quiet", "shifted"), prometheus, clock=Clock(END))
    first = watcher.round(most_seconds=0.0)
    assert all("not reached" in one.problem for one in first.outcomes)
    assert not any(one.problem for one in watcher.round().outcomes)


def test_prometheus_says_what_time_it_is(prometheus: Prometheus, shelf: Folder) -> None:
    found = Watcher(shelf("quiet"), prometheus).round()
    assert found.at is not None
    assert found.at > END
    assert "no server counts it" in judged(found, "quiet").untold["length"]


def test_a_model_that_nobody_asks_any_more_is_told_and_one_that_sleeps_is_not(
    prometheus: Prometheus, shelf: Folder
) -> None:
    """It may have another name now: its reference would be kept for nothing, and the new name would have none."""
    watcher, page = Watcher(shelf("quiet"), prometheus, clock=Clock(END + 7 * DAY)), Page()
    assert outcome(watcher.round(), "quiet").problem == ""
    watcher = Watcher(shelf("quiet"), prometheus, clock=Clock(END + 9 * DAY))
    page.show(found := watcher.round())
    assert "no server has counted a request of it for 8 days" in outcome(found, "quiet").problem
    assert lines(page)['atlas_watch_success{model="quiet"}'] == 0
    assert "no request was counted" in (said := report.text(found))
    assert "problem: no server has counted a request" in said
    assert report.standing(found) is Standing.CANNOT_TELL


def test_the_histograms_that_every_llm_server_has_are_enough(prometheus: Prometheus, tmp_path: Path) -> None:
    bounds, usual, longer = (16.0, 64.0, 256.0, 1024.0), (0.1, 0.4, 0.3, 0.15, 0.05), (0.1, 0.25, 0.25, 0.3, 0.1)
    chance = np.random.default_rng(5)
    minutes, changed = 2 * DAY // 60, 2 * DAY // 60 - 90
    counted = chance.multinomial(20, usual, minutes)
    counted[changed:] = chance.multinomial(20, longer, minutes - changed)
    cumulated = np.cumsum(np.cumsum(counted, axis=0), axis=1).astype(np.float64)
    times = ((MONDAY + 60 * np.arange(minutes)) * 1_000).astype(np.int64)
    for bound, values in zip((*map("{:g}".format, bounds), "+Inf"), cumulated.T, strict=True):
        series = Series("atlas_request_prompt_tokens_bucket", (("le", bound), ("model", "llm"), ("server", "a")))
        for body in bodies([Written(series, times, values)]):
            prometheus.write(body)
    prompt = Numeric(name="prompt_tokens", edges=(0.0, *bounds))
    history = np.zeros((28 * DAY // 300, 7), dtype=np.int64)
    history[:, [0, 1, 2, 3, 5]] = chance.multinomial(100, usual, len(history))
    table = Table(first=int(MONDAY - 28 * DAY) // 300, counts=history)
    files.write(learned("llm", Counting(features=(prompt,), time="time"), table), tmp_path / "llm.json")
    clock = Clock(MONDAY + 60 * changed)
    watcher = Watcher(tmp_path, prometheus, clock=clock)
    assert drifted(watcher.round(), "llm") == set()
    clock.at(MONDAY + 60 * minutes)
    found = watcher.round()
    assert ("prompt_tokens", "seasonal") in drifted(found, "llm")
    told = " ".join(words.told(prompt, judged(found, "llm").drifted[0].moves))
    assert "values are higher by" in told
    assert "above the reference's range" in told
