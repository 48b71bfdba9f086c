"""A reference out of a real Prometheus, through a restart of a server, a server that joins and missed scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.cli import main
from atlas_ops.detect.features import Numeric
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

BOUNDS = (16.0, 64.0, 256.0, 1024.0)
SHARES = (0.1, 0.4, 0.3, 0.15, 0.05)
HOURS, EVERY = 12, 30
AN_HOUR = 3_600 // EVERY
EACH = 20
"""Requests between two scrapes."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds half a day of two servers of one model."""
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        late = HOURS * 1_800 // EVERY
        for servers in (
            (_server("a", 1, first=0), _server("b", 2, first=late)),
            (
                _server("a", 3, first=0, model="mixed"),
                _server("b", 4, first=2 * late - AN_HOUR, model="mixed", lacks=256),
            ),
            (_server("a", 5, first=0, model="wild"), _wild("b", "wild")),
        ):
            for body in bodies(one for server in servers for one in server):
                replay.prometheus.write(body)
        yield replay.prometheus


def _server(name: str, seed: int, *, first: int, model: str = "chat", lacks: float | None = None) -> Iterator[Written]:
    chance = np.random.default_rng(seed)
    times = (np.arange(first, HOURS * 3_600 // EVERY) * EVERY + data.MONDAY) * 1_000
    counted = np.cumsum(np.cumsum(chance.multinomial(EACH, SHARES, len(times)), axis=0), axis=1).astype(np.float64)
    half = len(times) // 2
    counted[half:] -= counted[half]  # it restarts: its counters begin at nothing
    scraped = chance.random(len(times)) > 0.02
    for bound, values in zip((*BOUNDS, np.inf), counted.T, strict=True):
        if bound == lacks:
            continue
        labels = (("le", f"{bound:g}" if bound < np.inf else "+Inf"), ("model", model), ("server", name))
        yield Written(
            Series("atlas_request_prompt_tokens_bucket", labels), times[scraped].astype(np.int64), values[scraped]
        )


def _wild(name: str, model: str) -> Iterator[Written]:
    """A server all of whose buckets are infinite for half an hour at the end."""
    times = ((HOURS * 3_600 - np.arange(0, 1_800, EVERY)[::-1] + data.MONDAY) * 1_000).astype(np.int64)
    for bound in (*map("{:g}".format, BOUNDS), "+Inf"):
        labels = (("le", bound), ("model", model), ("server", name))
        values = np.full(len(times), np.inf)
        yield Written(Series("atlas_request_prompt_tokens_bucket", labels), times, values)


def test_servers_with_other_buckets_are_told_and_the_time_of_both_is_not_seen(prometheus: Prometheus) -> None:
    end, feature = data.MONDAY + HOURS * 3_600, Numeric(name="prompt_tokens", edges=(0.0, *BOUNDS))
    (found,) = offered(prometheus, "mixed", data.MONDAY, end)
    assert found == feature
    windows = counts(prometheus, "mixed", [feature], data.MONDAY, end)
    assert windows.seen is not None
    assert (~windows.seen).sum() == pytest.approx(12, abs=1)
    assert windows.seen[-11:].sum() == 1, "b alone begins anew then, and is left out"
    assert not windows.counts["prompt_tokens"][~windows.seen].any()
    counted = windows.counts["prompt_tokens"].sum(axis=0)
    assert (counted[[0, 1, 2, 3, 5]] / counted.sum()).tolist() == pytest.approx(SHARES, abs=0.01)
    check_bins(prometheus, "mixed", [feature], end - 2 * 3_600)
    with pytest.raises(DataError, match=r"not all of the servers of 'mixed' .* have the buckets le=256"):
        check_bins(prometheus, "mixed", [feature], end)
    # Of the hour of both alone, what both have is known.
    (common,) = offered(prometheus, "mixed", end - 3_000, end)
    assert common == Numeric(name="prompt_tokens", edges=(0.0, 16.0, 64.0, 1024.0))
    both = counts(prometheus, "mixed", [common], end - 3_000, end)
    assert both.seen is not None
    assert both.seen.all()
    assert (
        both.counts["prompt_tokens"].sum(axis=0)[:3] / both.counts["prompt_tokens"].sum()
    ).tolist() == pytest.approx([0.1, 0.4, 0.45], abs=0.03)


def test_a_bucket_that_no_server_has_is_named(prometheus: Prometheus) -> None:
    feature = Numeric(name="prompt_tokens", edges=(0.0, 16.0, 100.0))
    with pytest.raises(DataError, match=r"none of the servers of 'chat' .* have the buckets le=100"):
        check_bins(prometheus, "chat", [feature], data.MONDAY + HOURS * 3_600)


def test_what_is_no_count_is_not_seen(prometheus: Prometheus) -> None:
    feature = Numeric(name="prompt_tokens", edges=(0.0, *BOUNDS))
    windows = counts(prometheus, "wild", [feature], data.MONDAY, data.MONDAY + HOURS * 3_600)
    assert windows.seen is not None
    assert not windows.seen[-5:].any()
    assert (~windows.seen[:-7]).sum() == 1, "the only server begins anew, and is left out"
    assert (windows.counts["prompt_tokens"] >= 0).all()
    assert windows.counts["prompt_tokens"].sum() == pytest.approx(EACH * HOURS * 3_600 / EVERY * 0.96, rel=0.04)


def test_buckets_become_bins_and_their_shares_are_those_of_the_requests(
    prometheus: Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.time", lambda: data.MONDAY + HOURS * 3_600)
    output = tmp_path / "chat.json"
    words = ["drift", "fit", "--prometheus", prometheus.url, "--model", "chat", "--weeks", "1", "--output", str(output)]
    assert main(words) == 0
    made = reference.read(output, model="chat")
    assert [feature.name for feature in made.features] == ["prompt_tokens"]
    assert made.features[0].bins[-3:] == ("below", "above", "missing")
    counts = made.counts["prompt_tokens"]
    assert (counts[[0, 1, 2, 3, 5]] / counts.sum()).tolist() == pytest.approx(SHARES, abs=0.01)
    assert counts.sum() == pytest.approx(EACH * HOURS * 3_600 / EVERY * 1.5, rel=0.03)
    told = capsys.readouterr().out
    assert "generation_tokens is not watched" in told
    assert "too short for pages" in told


def test_a_model_that_prometheus_does_not_know_is_a_data_error(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "chat.json"
    assert main(["drift", "fit", "--prometheus", prometheus.url, "--model", "no", "--output", str(output)]) == 2
    assert "of the model 'no'" in capsys.readouterr().err
    assert main(["drift", "fit", "--prometheus", prometheus.url, "--output", str(output)]) == 2
    assert "--model" in capsys.readouterr().err
    for weeks in ("nan", "inf", "0", "-1"):
        words = ["drift", "fit", "--prometheus", prometheus.url, "--model", "no", "--output", str(output)]
        assert main([*words, "--weeks", weeks]) == 2
        assert f"--weeks: expected a number above 0, at most 1000, found {weeks}" in capsys.readouterr().err
    assert not output.exists()
