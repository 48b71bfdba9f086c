"""`atlas-ops watch` and `atlas-ops drift accept` as people call them, on a real Prometheus."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_ops.cli import main, watch
from atlas_ops.drift import reference as files
from atlas_ops.prometheus import Prometheus
from atlas_ops.watch.page import Page
from atlas_ops.watch.watcher import Round, Watcher
from tests.watch import traffic
from tests.watch.conftest import AGAIN_AT, SHIFTED_AT, TWICE_AT
from tests.watch.traffic import DAY, END, HOUR, MONDAY

Folder = Callable[..., Path]


def written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def once(folder: Path, prometheus: Prometheus, at: float) -> int:
    return main(["watch", str(folder), "--prometheus", prometheus.url, "--once", "--at", written(at + 60)])


def accept(file: Path, prometheus: Prometheus, since: float | None, until: float) -> int:
    words = ["drift", "accept", str(file), "--prometheus", prometheus.url, "--until", written(until)]
    return main([*words, *(["--since", written(since)] if since is not None else [])])


def test_once_prints_what_moved_and_says_it_by_its_exit_code(
    prometheus: Prometheus, shelf: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shelf("quiet", "shifted")
    assert once(folder, prometheus, SHIFTED_AT) == 0
    assert capsys.readouterr().out.count(": no drift in 2 features, judged up to 2024-01-03 12:00 UTC") == 2
    assert once(folder, prometheus, SHIFTED_AT + HOUR) == 1
    told = capsys.readouterr().out
    assert "shifted (shifted.json): DRIFT: 1 of 2 features" in told
    assert "lie at the high end (9 and more)" in told
    assert "since 2024-01-03 12:" in told
    assert "quiet (quiet.json): no drift in 2 features" in told
    assert once(folder, prometheus, END + 30 * HOUR) == 3
    assert "the last requests were counted at 2024-01-04 00:00 UTC" in capsys.readouterr().out


def test_what_cannot_be_done_is_said_with_what_to_do(
    prometheus: Prometheus, shelf: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = Prometheus("http://127.0.0.1:9")
    assert once(shelf("quiet"), prometheus, MONDAY - DAY) == 3
    assert main(["watch", str(shelf("quiet")), "--prometheus", nowhere.url, "--once"]) == 4
    assert "Prometheus at http://127.0.0.1:9" in capsys.readouterr().err
    assert once(tmp_path / "none", prometheus, END) == 4
    (tmp_path / "empty").mkdir()
    assert once(tmp_path / "empty", prometheus, END) == 2
    assert "atlas-ops drift fit" in capsys.readouterr().err
    for wrong in (
        ["--at", "yesterday", "--once"],
        ["--at", "2999-01-01", "--once"],
        ["--at", "1h"],
        ["--interval", "0"],
    ):
        assert main(["watch", str(tmp_path), "--prometheus", prometheus.url, *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err
    assert accept(shelf("quiet") / "quiet.json", prometheus, END - HOUR, END) == 2
    assert "6 hours" in capsys.readouterr().err
    assert accept(shelf("quiet") / "quiet.json", prometheus, END + DAY, END + 2 * DAY) == 2
    assert "has no counts of 'quiet'" in capsys.readouterr().err
    assert accept(shelf("quiet") / "quiet.json", prometheus, None, END) == 2
    assert "no drift of 'quiet' is found" in capsys.readouterr().err


def test_what_was_accepted_is_quiet_and_a_further_shift_is_found(
    prometheus: Prometheus, shelf: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shelf("twice")
    file = folder / "twice.json"
    before = file.read_bytes()
    assert once(folder, prometheus, AGAIN_AT) == 1
    capsys.readouterr()
    assert accept(file, prometheus, None, TWICE_AT + DAY) == 0
    told = capsys.readouterr().out
    assert "accepted as usual:" in told
    assert "from 2024-01-02 08:" in told
    assert "length: 32 % lie at the high end" in told
    assert (folder / "twice.json.bak").read_bytes() == before
    first = file.read_bytes()
    assert accept(file, prometheus, TWICE_AT, TWICE_AT + DAY) == 0
    assert (folder / "twice.json.bak").read_bytes() == before
    assert (folder / "twice.json.bak.2").read_bytes() == first
    capsys.readouterr()
    # In the hours that are accepted, right after them, and before the next change.
    for at in (TWICE_AT + 12 * HOUR, TWICE_AT + DAY + HOUR, AGAIN_AT):
        assert once(folder, prometheus, at) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert once(folder, prometheus, AGAIN_AT + 2 * HOUR) == 1
    told = capsys.readouterr().out
    assert "prediction_kind" in told.splitlines()[2]
    assert "% are 'code'" in told
    assert "DRIFT: 1 of 2 features" in told


def test_before_two_weeks_of_history_a_change_can_be_accepted_too(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(traffic.reference("twice", days=0.5), tmp_path / "twice.json")
    assert once(tmp_path, prometheus, TWICE_AT + DAY) == 1
    assert "cold start, until" in capsys.readouterr().out
    assert accept(tmp_path / "twice.json", prometheus, TWICE_AT, TWICE_AT + 8 * HOUR) == 0
    assert once(tmp_path, prometheus, TWICE_AT + DAY + HOUR) == 0


def test_it_serves_its_page_until_it_is_stopped(prometheus: Prometheus, shelf: Folder) -> None:
    words = ["watch", str(shelf("quiet")), "--prometheus", prometheus.url, "--listen", "127.0.0.1:0"]
    with subprocess.Popen([sys.executable, "-m", "atlas_ops", *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("atlas-ops watch: ").strip()
            page = _page(url)
            while "atlas_watch_success" not in page:
                time.sleep(0.05)
                page = _page(url)
            assert 'atlas_watch_success{model="quiet"} 0.0' in page, "Prometheus holds nothing of these days"
            assert 'atlas_drift_reference_info{model="quiet",reference="quiet of 2024-01-01 00:00 UTC"} 1.0' in page
            assert "ready" in _page(url.replace("/metrics", "/-/ready"))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_a_round_that_fails_by_a_mistake_of_ours_is_not_the_last(
    shelf: Folder, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, page, watcher = threading.Event(), Page(), Watcher(shelf(), prometheus)
    called = 0

    def next_round(*, most_seconds: float) -> Round:
        nonlocal called
        called += 1
        if called == 1:
            raise RuntimeError(f"a mistake, after {most_seconds} s")
        stopping.set()
        return Round(outcomes=(), at=7.0, seconds=0.1)

    monkeypatch.setattr(watcher, "round", next_round)
    monkeypatch.setattr(watch, "_LEAST_PAUSE", 0.0)
    watch._rounds(watcher, page, 0.0, stopping)
    assert "atlas_watch_last_success_timestamp_seconds 7.0" in page.text().decode()


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
