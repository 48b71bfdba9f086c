"""Why answers end, as a feature out of a real Prometheus: servers of two runtimes, a new exporter, reasons that were never met before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.cli import main
from atlas_ops.detect.features import Category
from atlas_ops.drift import reference
from atlas_ops.drift.prometheus_counts import counts
from atlas_ops.drift.prometheus_fit import offered
from atlas_ops.drift.server_bins import check_bins
from atlas_ops.errors import DataError
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Written
from tests.drift import data

HOURS, EVERY, EACH = 12, 30, 20
SCRAPES = HOURS * 3_600 // EVERY
NOON = SCRAPES // 2
END = data.MONDAY + HOURS * 3_600
VLLM = {"stop": 0.7, "length": 0.28, "cancelled": 0.02, "error": 0.0, "repetition": 0.0, "unknown": 0.0}
LMDEPLOY = {"done": 0.95, "cancelled": 0.05, "rejected": 0.0, "error": 0.0, "unknown": 0.0}
FEATURE = Category(name="finish_reason", names=("stop", "length", "cancelled"))


def told(
    model: str,
    server: str,
    shares: Mapping[str, float],
    *,
    first: int = 0,
    seed: int = 0,
    anew: int = SCRAPES,
    before: int = 0,
    later: Mapping[str, float] | None = None,
    exporter: str = "x",
) -> Iterator[Written]:
    """A server as the exporter tells of it, which from `anew` on is a new one: it knows no more than the server's own counters.

    Those hold what was counted since `before`; from there on too, requests end as in `later`.
    """  # fmt: skip
    chance = np.random.default_rng(seed)
    names = list({**shares, **(later or {})})
    rows = [chance.multinomial(EACH, [of.get(name, 0.0) for name in names]) for of in
            [shares] * before + [later or shares] * (SCRAPES - before)]  # fmt: skip
    totals = np.cumsum(rows, axis=0)[first:].astype(np.float64)
    totals[max(anew - first, 0) :] -= totals[max(before - first, 0)] if anew < SCRAPES else 0.0
    times = ((np.arange(first, SCRAPES) * EVERY + data.MONDAY) * 1_000).astype(np.int64)
    for name, values in zip(names, totals.T, strict=True):
        there = np.arange(first, SCRAPES) >= (0 if name in shares else before)
        labels = (("instance", exporter), ("model", model), ("reason", name), ("server", server))
        yield Written(Series(s.REQUESTS_FINISHED.name, labels), times[there], values[there])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds half a day of servers of some models."""
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        servers: Sequence[Iterator[Written]] = (
            told("chat", "a", VLLM, seed=1),
            told("chat", "b", VLLM, seed=2, first=NOON),
            told("twice", "a", VLLM, seed=1),
            told("twice", "a", VLLM, seed=1, first=NOON, exporter="y"),
            told("both", "a", VLLM, seed=3),
            told("both", "b", LMDEPLOY, seed=4, first=SCRAPES - 120),
            told("lmdeploy", "a", LMDEPLOY, seed=5),
            # Answers are cut off from eleven hours on; a new exporter comes half an hour later, and its server is as old as the cuts.
            told("anew", "a", VLLM, seed=6, before=SCRAPES - 120, anew=SCRAPES - 60),
            told("news", "a", VLLM, seed=7, before=NOON, later={**VLLM, "stop": 0.5, "tool_calls": 0.2}),
        )
        for body in bodies(one for server in servers for one in server):
            replay.prometheus.write(body)
        yield replay.prometheus


def test_reasons_that_were_met_become_bins(prometheus: Prometheus) -> None:
    (found,) = offered(prometheus, "chat", data.MONDAY, END)
    assert found == FEATURE
    windows = counts(prometheus, "chat", [found], data.MONDAY, END)
    assert windows.seen is not None
    assert windows.seen.all()
    counted = windows.counts["finish_reason"]
    assert counted.sum() == pytest.approx(SCRAPES * EACH * 1.5, rel=0.01)
    assert (counted.sum(axis=0) / counted.sum()).tolist() == pytest.approx([0.7, 0.28, 0.02, 0, 0, 0], abs=0.01)
    check_bins(prometheus, "chat", [found], END)


def test_a_reason_that_was_never_met_is_unseen_and_its_new_series_alone_is_nothing(prometheus: Prometheus) -> None:
    windows = counts(prometheus, "news", [FEATURE], data.MONDAY, END)
    assert windows.seen is not None
    assert windows.seen.all(), "a reason that no server told before is none that some of them lack"
    before, after = np.split(windows.counts["finish_reason"], 2)
    unseen = FEATURE.bins.index("unseen")
    assert not before[:, unseen].any()
    assert after[:, unseen].sum() / after.sum() == pytest.approx(0.2, abs=0.01)
    quiet = Category(name="finish_reason", names=("stop", "length"))
    known = counts(prometheus, "chat", [quiet], data.MONDAY, END).counts["finish_reason"]
    assert known[:, quiet.bins.index("unseen")].sum() / known.sum() == pytest.approx(0.02, abs=0.003)


def test_a_new_exporter_tells_nothing_twice(prometheus: Prometheus) -> None:
    """Its counter holds half an hour of requests that were counted before it came."""
    counted = counts(prometheus, "anew", [FEATURE], data.MONDAY, END).counts["finish_reason"].sum(axis=1)
    usual = EACH * 300 / EVERY
    assert counted.max() < 1.2 * usual
    assert np.median(counted) == pytest.approx(usual, rel=0.02)


def test_two_exporters_of_one_server_tell_the_same_which_counts_once(prometheus: Prometheus) -> None:
    windows = counts(prometheus, "twice", [FEATURE], data.MONDAY, END)
    assert windows.counts["finish_reason"].sum() == pytest.approx(SCRAPES * EACH, rel=0.01)
    assert windows.seen is not None
    assert windows.seen.all()


def test_servers_of_runtimes_that_tell_other_reasons_are_told_and_the_time_of_both_is_not_seen(
    prometheus: Prometheus,
) -> None:
    windows = counts(prometheus, "both", [FEATURE], data.MONDAY, END)
    assert windows.seen is not None
    assert windows.seen[:-13].all()
    assert not windows.seen[-11:].any()
    assert not windows.counts["finish_reason"][~windows.seen].any()
    check_bins(prometheus, "both", [FEATURE], END - 2 * 3_600)
    with pytest.raises(DataError, match=r"not all of the servers of 'both' .* have the reasons stop, length"):
        check_bins(prometheus, "both", [FEATURE], END)
    with pytest.raises(DataError, match=r"none of the servers of 'lmdeploy' .* have the reasons stop, length"):
        check_bins(prometheus, "lmdeploy", [FEATURE], END)
    assert offered(prometheus, "both", END - 3_000, END) == ()
    assert offered(prometheus, "both", data.MONDAY, END) == (FEATURE,)


def test_a_reference_of_plain_servers_has_the_mix_without_any_code(
    prometheus: Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.time", lambda: END)
    output = tmp_path / "chat.json"
    words = ["drift", "fit", "--prometheus", prometheus.url, "--model", "chat", "--weeks", "1", "--output", str(output)]
    assert main(words) == 0
    made = reference.read(output, model="chat")
    assert made.features == (FEATURE,)
    assert "prompt_tokens is not watched" in capsys.readouterr().out
