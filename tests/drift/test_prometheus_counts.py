"""A reference out of a real Prometheus, through a restart of a server, a server that joins and missed scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.cli import main
from atlas_ops.drift import reference
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Written
from tests.drift import data

BOUNDS = (16.0, 64.0, 256.0, 1024.0)
SHARES = (0.1, 0.4, 0.3, 0.15, 0.05)
HOURS, EVERY = 12, 30
EACH = 20
"""Requests between two scrapes."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that holds half a day of two servers of one model."""
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        for body in bodies([*_server("a", 1, first=0), *_server("b", 2, first=HOURS * 1_800 // EVERY)]):
            replay.prometheus.write(body)
        yield replay.prometheus


def _server(name: str, seed: int, *, first: int) -> Iterator[Written]:
    chance = np.random.default_rng(seed)
    times = (np.arange(first, HOURS * 3_600 // EVERY) * EVERY + data.MONDAY) * 1_000
    counted = np.cumsum(np.cumsum(chance.multinomial(EACH, SHARES, len(times)), axis=0), axis=1).astype(np.float64)
    half = len(times) // 2
    counted[half:] -= counted[half]  # it restarts: its counters begin at nothing
    scraped = chance.random(len(times)) > 0.02
    for bound, values in zip((*map("{:g}".format, BOUNDS), "+Inf"), counted.T, strict=True):
        labels = (("le", bound), ("model", "chat"), ("server", name))
        yield Written(
            Series("atlas_request_prompt_tokens_bucket", labels), times[scraped].astype(np.int64), values[scraped]
        )


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
    assert not output.exists()
