"""Counters of features in a real Prometheus: whatever happens to pods and scrapes, shares stay those of the requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.cli import main
from atlas_ops.detect.distances import distances
from atlas_ops.detect.features import Category, Counts, Numeric
from atlas_ops.detect.windows import STEP
from atlas_ops.drift import prometheus_counts, prometheus_fit, reference, server_bins
from atlas_ops.drift.counting import Counting, Table
from atlas_ops.drift.fit import learned
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Written
from tests.drift import data, pods
from tests.drift.pods import EVERY, Pod

AMOUNT = Numeric(name="amount", edges=(0.0, 1.0, 2.5, 10.0))
TENANT = Category(name="tenant", names=("acme", "bolt", "other"))
FEATURES = (AMOUNT, TENANT)
SHARES = {"amount": [0.3, 0.4, 0.25, 0.01, 0.03, 0.01], "tenant": [0.5, 0.3, 0.1, 0.05, 0.03, 0.02]}
LIVE = {"amount": [0.2, 0.3, 0.4, 0.02, 0.05, 0.03], "tenant": [0.7, 0.15, 0.05, 0.05, 0.03, 0.02]}
SCRAPES, EACH = 720, 40
START, END = data.MONDAY, data.MONDAY + SCRAPES * EVERY
RESTART, JOIN = 333, 485
FLEET = (
    Pod(name="a", restarts=(RESTART,)),
    Pod(name="b", missed=0.15),
    Pod(name="c", first=JOIN),
)
COUNTED = [pods.truth(FEATURES, LIVE, SCRAPES, EACH, seed) for seed in range(len(FLEET))]
OTHER = replace(AMOUNT, edges=(0.0, 1.0, 3.0, 10.0))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Three hours of some models."""
    twins = [
        Pod(name="a", labels=(("prometheus_replica", name),), missed=share) for name, share in (("r0", 0), ("r1", 0.3))
    ]
    everything = [
        *(
            one
            for pod, counted in zip(FLEET, COUNTED, strict=True)
            for one in pods.written("fraud", FEATURES, SHARES, pod, counted, START)
        ),
        *(one for pod in twins for one in pods.written("twice", FEATURES, SHARES, pod, COUNTED[0], START)),
        *pods.written(
            "renewed", (OTHER,), SHARES, Pod(name="old"), {"amount": COUNTED[0]["amount"][: SCRAPES // 2]}, START
        ),
        *pods.written("renewed", (AMOUNT,), SHARES, Pod(name="new", first=SCRAPES // 2 + 20), COUNTED[1], START),
        *pods.written("worsened", (AMOUNT,), SHARES, Pod(name="good"), COUNTED[0], START),
        *pods.written("worsened", (OTHER,), SHARES, Pod(name="bad", first=370), COUNTED[1], START),
        *pods.written("other", (OTHER,), SHARES, Pod(name="a"), COUNTED[0], START),
    ]
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies(everything):
            replay.prometheus.write(body)
        yield replay.prometheus


def counts(prometheus: Prometheus, model: str, start: float = START, end: float = END) -> dict[str, Counts]:
    return dict(prometheus_counts.counts(prometheus, model, FEATURES, start, end).counts)


def psi(feature: str, counted: Counts) -> float:
    return distances(counted, np.array(SHARES[feature])).psi


@pytest.mark.parametrize("feature", ["amount", "tenant"])
def test_an_hour_of_counters_is_as_far_from_the_reference_as_its_requests_are(
    prometheus: Prometheus, feature: str
) -> None:
    """The first hour is calm but for missed scrapes, in the second a pod restarts, in the third one joins."""
    found = counts(prometheus, "fraud")[feature]
    for hour in range(3):
        scrapes = slice(240 * hour + 1, 240 * (hour + 1) + 1)
        true = sum(
            (
                counted[feature][scrapes]
                if scrapes.start > pod.first
                else counted[feature][pod.first + 1 : scrapes.stop]
            ).sum(axis=0)
            for pod, counted in zip(FLEET, COUNTED, strict=True)
            if pod.first < scrapes.stop
        )
        seen = found[12 * hour : 12 * (hour + 1)].sum(axis=0)
        assert seen.sum() == pytest.approx(true.sum(), rel=0.03)
        assert psi(feature, seen) == pytest.approx(psi(feature, true), abs=1e-3)


def test_windows_are_whole_and_those_without_data_are_zeros(prometheus: Prometheus) -> None:
    windows = prometheus_counts.counts(prometheus, "fraud", FEATURES, START - 3_700, START + 1_000)
    assert (windows.times == START - 3_600 + STEP * np.arange(1, 16)).all()
    assert [counted.shape for counted in windows.counts.values()] == [(15, 6), (15, 6)]
    assert not windows.counts["amount"][:12].any()
    assert windows.seen is not None
    assert windows.seen.tolist() == [False] * 12 + [True] * 3
    assert windows.counts["amount"][12:].all(axis=1).any()
    assert len(prometheus_counts.counts(prometheus, "fraud", FEATURES, START, START + 10).times) == 0


def test_what_two_prometheis_scraped_counts_once(prometheus: Prometheus) -> None:
    found = counts(prometheus, "twice")["amount"].sum(axis=0)
    true = COUNTED[0]["amount"].sum(axis=0)
    assert found.sum() == pytest.approx(true.sum(), rel=0.02)
    assert psi("amount", found) == pytest.approx(psi("amount", true), abs=2e-3)


def test_a_server_that_joins_with_other_bins_costs_the_window_in_which_it_does(prometheus: Prometheus) -> None:
    rows = counts(prometheus, "worsened")["amount"].sum(axis=1)
    assert (rows > 0).tolist() == [True] * 18 + [False] * 18


def test_what_was_counted_in_other_bins_is_left_out(prometheus: Prometheus) -> None:
    found = counts(prometheus, "renewed")
    rows = found["amount"].sum(axis=1)
    assert not rows[:18].any()
    assert rows[20:].all()
    assert not found["tenant"].any()
    seen = prometheus_counts.counts(prometheus, "renewed", FEATURES, START, END).seen
    assert seen is not None
    assert (seen == (rows > 0)).all()
    server_bins.check_bins(prometheus, "renewed", FEATURES, END - EVERY)
    for model, at in (("other", END - EVERY), ("renewed", START + 2 * STEP)):
        with pytest.raises(DataError, match="count amount into other bins"):
            server_bins.check_bins(prometheus, model, FEATURES, at)


@given(st.lists(st.lists(st.floats(0, 100), min_size=3, max_size=3), min_size=1, max_size=40), st.data())
def test_sums_over_any_windows_are_right_to_one(grown: list[list[float]], drawn: st.DataObject) -> None:
    whole = prometheus_counts._whole(np.array(grown))
    first = drawn.draw(st.integers(0, len(grown)))
    last = drawn.draw(st.integers(first, len(grown)))
    assert (whole >= 0).all()
    assert (np.abs(whole[first:last].sum(axis=0) - np.sum(grown[first:last], axis=0)) <= 1 + 1e-9).all()


def fitted(prometheus: Prometheus, folder: Path, monkeypatch: pytest.MonkeyPatch, model: str, *more: str) -> int:
    monkeypatch.setattr("time.time", lambda: END)
    output = str(folder / "new.json")
    return main(["drift", "fit", "--prometheus", prometheus.url, "--model", model, "--output", output, *more])


def earlier(folder: Path, model: str) -> Path:
    features = (*FEATURES, Category(name="silent", names=("a",)))
    made = reference.Reference(
        model=model, made_at=0.0, start=None, end=None, rows=700, features=features,
        counts={f.name: np.full(len(f.bins), 100) for f in features},
    )  # fmt: skip
    reference.write(made, folder / "old.json")
    return folder / "old.json"


def test_a_reference_is_learned_from_the_counters_with_the_bins_of_an_earlier_one(
    prometheus: Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fitted(prometheus, tmp_path, monkeypatch, "fraud", "--bins", str(earlier(tmp_path, "fraud"))) == 0
    told = capsys.readouterr().out
    made = reference.read(tmp_path / "new.json", model="fraud")
    assert made.features == FEATURES
    assert made.counts["tenant"] / made.counts["tenant"].sum() == pytest.approx(LIVE["tenant"], abs=0.01)
    assert (made.end or 0) - (made.start or 0) == pytest.approx(END - START, abs=2 * STEP), (
        "not the four weeks that were asked for"
    )
    assert "no server counts silent: not watched" in told


def test_a_model_that_runs_for_some_minutes_now_and_then_is_found(prometheus: Prometheus) -> None:
    assert prometheus_fit.counted(prometheus, "fraud", START - 86_400, START + 5 * 60) == {"amount", "tenant"}
    assert prometheus_fit.counted(prometheus, "nobody", START - 86_400, END) == set()


def test_without_the_bins_of_an_earlier_reference_counters_are_not_understood(
    prometheus: Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fitted(prometheus, tmp_path, monkeypatch, "fraud") == 2
    assert "--bins REFERENCE" in capsys.readouterr().err
    assert fitted(prometheus, tmp_path, monkeypatch, "fraud", "--bins", str(earlier(tmp_path, "other"))) == 2
    assert "not of 'fraud'" in capsys.readouterr().err
    assert main(["drift", "fit", "x.csv", "--bins", "old.json", "--output", "new.json"]) == 2
    assert "--bins needs --prometheus" in capsys.readouterr().err


DAYS, MINUTES = 16, 16 * 1_440
AWAY = (5.0 * 86_400, 5.2 * 86_400)
"""Then Prometheus is down."""


def troubled() -> tuple[list[Written], dict[str, Counts]]:
    """Two weeks of pods that restart every other day, join and leave, are scraped badly and not at all; and what was counted in five minutes."""
    fleet = (
        Pod(name="a", restarts=tuple(range(2_000, MINUTES, 2_880))),
        Pod(name="b", missed=0.1),
        Pod(name="c", first=7_000),
    )
    shares = {name: np.array(of) for name, of in SHARES.items()}
    said: list[Written] = []
    true = {f.name: np.zeros((MINUTES // 5, len(f.bins)), dtype=np.int64) for f in FEATURES}
    for seed, pod in enumerate(fleet):
        counted = pods.truth(FEATURES, {name: of.tolist() for name, of in shares.items()}, MINUTES, 6, seed + 10)
        said += pods.written("weeks", FEATURES, SHARES, pod, counted, START, every=60)
        for name, of in counted.items():
            of[: pod.first] = 0
            true[name] += of.reshape(MINUTES // 5, 5, -1).sum(axis=1)
    there = [(one.times / 1_000 - START < AWAY[0]) | (one.times / 1_000 - START > AWAY[1]) for one in said]
    return [Written(one.series, one.times[of], one.values[of]) for one, of in zip(said, there, strict=True)], true


def test_what_happens_to_pods_and_scrapes_in_the_weeks_of_a_reference_does_not_move_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, true = troubled()
    end = START + MINUTES * 60
    counting = Counting(features=FEATURES, time="time")
    exact = learned("weeks", counting, Table(first=int(START // STEP), counts=np.hstack(list(true.values()))))
    with Replay.started(tmp_path) as replay:
        for body in bodies(said):
            replay.prometheus.write(body)
        found = prometheus_fit.fit(replay.prometheus, "weeks", end - 28 * 86_400, end, exact, lambda _windows: None)
    assert found.calibration is not None
    assert exact.calibration is not None
    assert found.calibration.pages
    assert found.calibration.days == pytest.approx(DAYS, abs=0.01)
    assert found.calibration.page == pytest.approx(exact.calibration.page, rel=0.2)
    assert found.calibration.ticket == pytest.approx(exact.calibration.ticket, rel=0.2)
    for feature in FEATURES:
        assert found.shares(feature.name) == pytest.approx(exact.shares(feature.name), abs=1e-3)
