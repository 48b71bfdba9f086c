"""Runs out of a real Prometheus: windows on both sides, shares above bucket bounds, and margins as such shares."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.cli import main
from atlas_ops.detect.gate import Verdict
from atlas_ops.errors import DataError, UsageError
from atlas_ops.gate.histograms import Found, read
from atlas_ops.gate.judge import Judgement, judge
from atlas_ops.gate.metrics import Tolerances
from atlas_ops.gate.report import words
from atlas_ops.gate.windows import Windows
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Table

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STEP, WINDOW, COUNT = 30, 300, 8
SCRAPES = (COUNT + 1) * WINDOW // STEP + 8
MODEL = 'llama "3"'
WINDOWS = Windows(count=COUNT, seconds=WINDOW)


@dataclass(frozen=True, kw_only=True)
class Release:
    """How much slower it is than the old one, what share of its requests fails, how many come a second, and how it tells of them."""

    slower: float = 1.0
    failing: float = 0.0
    rate: float = 20.0
    bounds: tuple[float, ...] = BOUNDS
    cancelled: float = 1.0
    """Requests that were cancelled, for each other one."""
    form: str = "{:g}"
    """How its bounds are written."""
    down: tuple[int, int] = (0, 0)
    """First and last scrape between which nothing of it was scraped."""


RELEASES = {
    "old": Release(),
    "same": Release(),
    "slow": Release(slower=1.3),
    "faulty": Release(failing=0.05),
    "idle": Release(slower=0.8, rate=8),
    "finer": Release(bounds=(0.05, *BOUNDS[:3], 0.75, *BOUNDS[3:]), form="{:.2f}"),
    "finer too": Release(bounds=(0.05, *BOUNDS[:3], 0.75, *BOUNDS[3:])),
    "other bounds": Release(bounds=(0.2, 0.4, 0.8, 3.0, 9.0)),
    "other bounds, slow": Release(slower=1.3, bounds=(0.2, 0.4, 0.8, 3.0, 9.0)),
    "wide": Release(bounds=(0.001, 60.0)),
    "wide, slow": Release(slower=1.3, bounds=(0.001, 60.0)),
    "given up": Release(cancelled=1.5),
    "gone": Release(down=(40, 75)),
    "late": Release(down=(0, 30)),
    "first": Release(down=(35, SCRAPES)),
    "second": Release(down=(0, 50)),
}


def columns(server: str, seed: int) -> dict[Series, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the counters of a server whose requests take lognormal times with a median of 0.3 s."""
    of = RELEASES[server]
    chance = np.random.default_rng(seed)
    arrived = chance.poisson(of.rate * STEP, SCRAPES)
    level = np.repeat(chance.normal(0, 0.02, SCRAPES // 10 + 1), 10)[:SCRAPES]
    upto = np.array(
        [
            [0.5 * math.erfc(-math.log(le / 0.3 / of.slower / math.exp(one)) / 0.7 / math.sqrt(2)) for le in of.bounds]
            for one in level
        ]
    )
    parts = np.diff(np.concatenate([upto, np.ones((SCRAPES, 1))], axis=1), axis=1, prepend=0.0)
    within = np.cumsum(np.cumsum(chance.multinomial(arrived, parts), axis=1), axis=0).astype(np.float64)
    labels = (("model", MODEL), ("server", server))
    texts = [*(of.form.format(le) for le in of.bounds), "+Inf"]
    name = s.REQUEST_DURATION.series[0]
    found = {Series(name, (*labels, ("le", text))): within[:, place] for place, text in enumerate(texts)}
    found[Series(f"{s.REQUEST_DURATION}_sum", labels)] = np.cumsum(
        arrived * 0.3 * of.slower * np.exp(level + 0.7**2 / 2)
    )
    found[Series(f"{s.REQUEST_DURATION}_count", labels)] = within[:, -1]
    failed = np.cumsum(chance.binomial(arrived, of.failing)).astype(np.float64)
    for outcome, counted in (
        ("ok", within[:, -1] - failed),
        ("error", failed),
        ("cancelled", of.cancelled * within[:, -1]),
    ):
        found[Series(s.REQUESTS.name, (*labels, ("outcome", outcome)))] = counted
    for column in found.values():
        column[slice(*of.down)] = np.nan
    return found


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    last = int(time.time())
    times = np.array([1000 * (last - STEP * (SCRAPES - 1 - place)) for place in range(SCRAPES)], dtype=np.int64)
    values = {
        series: column for seed, server in enumerate(RELEASES) for series, column in columns(server, seed).items()
    }
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies(Table(times, values).written()):
            replay.prometheus.write(body)
        yield replay.prometheus


def found(prometheus: Prometheus, canary: str, baseline: str = "old") -> Found:
    return read(prometheus, MODEL, (f'server="{baseline}"', f'server=~"{canary}"'), WINDOWS, Tolerances())


def judged(prometheus: Prometheus, canary: str, baseline: str = "old") -> Judgement:
    both = found(prometheus, canary, baseline)
    return judge(both.baseline, both.canary, both.metrics, Tolerances(), known=both.doubts)


def test_every_window_is_a_run_and_the_bounds_are_near_the_quantiles_of_the_baseline(prometheus: Prometheus) -> None:
    both = found(prometheus, "same")
    assert (len(both.baseline), len(both.canary)) == (COUNT, COUNT)
    assert [run.began for run in both.baseline] == [run.began for run in both.canary]
    # Above 0.5, 1 and 2.5 s are 23 %, 4.3 % and 0.12 % of a lognormal distribution with a median of 0.3 s.
    assert [metric.title for metric in both.metrics] == [
        "requests slower than 0.5 s", "requests slower than 1 s", "requests slower than 2.5 s", "share of errors",
    ]  # fmt: skip
    shares = [run.readings[both.metrics[0].key].value for run in both.baseline]
    assert np.mean(shares) == pytest.approx(0.5 * math.erfc(math.log(0.5 / 0.3) / 0.7 / math.sqrt(2)), abs=0.02)
    assert both.baseline[0].readings[both.metrics[0].key].of == pytest.approx(20 * WINDOW, rel=0.1)


def test_the_margin_is_the_rise_that_so_much_slower_requests_would_make(prometheus: Prometheus) -> None:
    median, bound = 0.3, 0.5
    above, risen = (0.5 * math.erfc(math.log(bound / factor / median) / 0.7 / math.sqrt(2)) for factor in (1.0, 1.05))
    limits = found(prometheus, "same").metrics[0].limits
    # A straight line between two bounds is no lognormal distribution.
    assert math.expm1(limits.margin) == pytest.approx(risen / above - 1, rel=0.35)
    assert limits.detect > 3 * limits.margin


def test_the_same_release_passes_a_slower_one_and_a_faulty_one_fail(prometheus: Prometheus) -> None:
    assert judged(prometheus, "same").verdict is not Verdict.FAIL
    slow = judged(prometheus, "slow")
    assert slow.findings[0].verdict is Verdict.FAIL
    assert slow.findings[-1].verdict is Verdict.PASS
    faulty = judged(prometheus, "faulty")
    assert [one.verdict for one in faulty.findings if one.verdict is Verdict.FAIL] == [faulty.findings[-1].verdict]


def test_windows_before_a_canary_began_are_no_runs(prometheus: Prometheus) -> None:
    both = read(
        prometheus, MODEL, ('server="old"', 'server="same"'), Windows(count=3 * COUNT, seconds=WINDOW), Tolerances()
    )
    assert COUNT <= len(both.canary) <= COUNT + 2


def titles(of: Found) -> list[str]:
    return [metric.title for metric in of.metrics]


def test_the_bounds_are_those_that_both_sides_have(prometheus: Prometheus) -> None:
    finer = found(prometheus, "finer")
    assert titles(finer) == titles(found(prometheus, "same"))
    assert all(metric.key in run.readings for run in finer.canary for metric in finer.metrics)
    assert judged(prometheus, "finer").verdict is not Verdict.FAIL
    # A bound that only some pods of a side have would have too few requests up to it.
    assert "requests slower than 0.75 s" in titles(found(prometheus, "finer too", "finer"))
    assert titles(found(prometheus, "finer too|same", "finer")) == titles(finer)


def test_without_a_common_bound_the_mean_is_compared(prometheus: Prometheus) -> None:
    assert titles(found(prometheus, "other bounds")) == ["mean request latency", "share of errors"]
    assert judged(prometheus, "other bounds").verdict is not Verdict.FAIL
    slow = judged(prometheus, "other bounds, slow")
    assert [one.metric.key for one in slow.findings if one.verdict is Verdict.FAIL] == ["latency_mean"]


def test_where_no_bound_lies_among_the_requests_the_mean_tells_a_slower_release(prometheus: Prometheus) -> None:
    slow = judged(prometheus, "wide, slow", "wide")
    assert [one.metric.key for one in slow.findings if one.verdict is Verdict.FAIL] == ["latency_mean"]


def test_a_server_on_both_sides_is_refused(prometheus: Prometheus) -> None:
    with pytest.raises(UsageError, match="choose 3 of the same series"):
        found(prometheus, "old|same")


def test_a_canary_whose_servers_have_less_to_do_does_not_pass(prometheus: Prometheus) -> None:
    idle = judged(prometheus, "idle")
    assert idle.verdict is Verdict.CANNOT_TELL
    assert "the canary had 0.4 times the load of the baseline" in words.sentence(idle)
    # Twice as many servers take twice as many requests.
    assert judged(prometheus, "same|finer").verdict is not Verdict.CANNOT_TELL


def test_a_canary_that_was_down_for_a_while_does_not_pass(prometheus: Prometheus) -> None:
    gone, late = found(prometheus, "gone"), found(prometheus, "late")
    assert [run.began for run in gone.baseline] == [run.began for run in gone.canary]
    assert "had no request in 3 of 8 windows" in gone.doubts[0]
    assert judged(prometheus, "gone").verdict is Verdict.CANNOT_TELL
    assert len(late.canary) < COUNT
    assert not late.doubts


def test_a_canary_on_which_clients_give_up_does_not_pass(prometheus: Prometheus) -> None:
    assert found(prometheus, "given up").doubts == (
        "60 % of the canary's requests were cancelled, of the baseline's 50 %: clients that give up on slow answers hide them",
    )
    assert judged(prometheus, "given up").verdict is not Verdict.PASS
    assert not found(prometheus, "same").doubts


def test_sides_that_never_served_at_the_same_time_are_not_compared(prometheus: Prometheus) -> None:
    with pytest.raises(DataError, match="no window in which both sides had requests"):
        read(prometheus, MODEL, ('server="first"', 'server="second"'), WINDOWS, Tolerances())


def test_a_selector_that_finds_nothing_or_is_no_promql_is_said(prometheus: Prometheus) -> None:
    with pytest.raises(DataError, match="no request of 'server=~\"none\"'"):
        found(prometheus, "none")
    with pytest.raises(UsageError, match="Prometheus does not take 'server=oops'"):
        read(prometheus, MODEL, ("server=oops", 'server="old"'), WINDOWS, Tolerances())


def test_the_command_asks_prometheus(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["gate", "--prometheus", prometheus.url, "--model", MODEL, "--baseline-selector", 'server="old"', "--canary-selector",
         'server="slow"', "--runs", str(COUNT), "--run-minutes", str(WINDOW / 60)],
    )  # fmt: skip
    assert code == 1
    assert "fail: requests slower than 0.5 s is worse by at least" in " ".join(capsys.readouterr().out.split())
