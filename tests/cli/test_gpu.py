"""`atlas-ops gpu record` against `atlas-ops simulate`, and what `atlas-ops exporter --gpu-replay` makes of the file."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas_ops import cli
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.nvml import record
from atlas_ops.exporter.nvml.raw.recording import Recording
from tests.exporter.pages import parsed

PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def command(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A running atlas-ops."""
    process = subprocess.Popen([sys.executable, "-m", "atlas_ops", *words], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], pattern: str) -> str:
    """Wait for a line on stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"never said {pattern!r}")


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """The control address of a simulator with two GPUs, one of them throttled by heat."""
    words = ("--listen", "127.0.0.1:0", "--scenario", "thermal_throttling", "--fault", "--replicas", "2")
    with command("simulate", *words) as process:
        yield said(process, r"control +(http://[\d.:]+)/")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_recorded_here_is_served_there(simulator: str, tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    words = ("--output", str(path), "--seconds", "1", "--interval", "0.2", "--simulated-gpus", simulator)
    with command("gpu", "record", *words) as process:
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, told
    header, *answers = lines(path)
    assert header["gpus"] == ["NVIDIA H100 80GB HBM3"] * 2
    assert header["interval_seconds"] == 0.2
    assert re.search(rf"wrote {path}: {len(answers)} answers, {path.stat().st_size} bytes; ids are masked", told)
    functions = {answer["call"] for answer in answers}
    assert {"nvmlDeviceGetUUID", "nvmlGpmMetricsGet", "nvmlEventSetWait_v2", "nvmlShutdown"} <= functions
    with command("exporter", "--listen", "127.0.0.1:0", "--gpu-replay", str(path)) as exporter:
        page = until_measured(said(exporter, r"(http://\S+/metrics)"))
    names = [dict(sample.labels)["name"] for sample in page.of(s.GPU_INFO.name)]
    assert names == header["gpus"]
    uuids = {dict(sample.labels)["uuid"] for sample in page.of(s.GPU_UP.name)}
    assert uuids == {answer["out"][0] for answer in answers if answer["call"] == "nvmlDeviceGetUUID"}
    assert [sample.value for sample in page.of(s.GPU_UP.name)] == [1, 1]
    assert len(page.of(s.GPU_POWER.name)) == 2


def until_measured(url: str) -> Any:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        page = parsed(urllib.request.urlopen(url).read().decode())
        if len(list(page.of(s.GPU_POWER.name))) == 2:
            return page
        time.sleep(0.02)
    raise AssertionError("no GPU was measured")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_stopped_is_whole(number: signal.Signals, simulator: str, tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    with command("gpu", "record", "--output", str(path), "--simulated-gpus", simulator) as process:
        assert said(process, r"recording (2) GPU\(s\), driver 570")
        give_up = time.monotonic() + PATIENCE_SECONDS
        while path.read_text().count("\n") < 20 and time.monotonic() < give_up:
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in told
    assert lines(path)[-1]["call"] == "nvmlShutdown"
    Recording(path)


def test_a_file_is_kept_unless_it_may_be_replaced(
    simulator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "node.jsonl"
    path.write_text("precious")
    words = ["gpu", "record", "--output", str(path), "--seconds", "0.1", "--simulated-gpus", simulator]
    with signals_kept():
        assert cli.main(words) == 2
        assert path.read_text() == "precious"
        assert "--force" in capsys.readouterr().err
        assert cli.main([*words, "--force"]) == 0
    Recording(path)


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Undo what a command that runs in this process does to signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_machine_without_a_driver_is_told_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_LIBRARY", "libno-such-driver.so.1")
    with signals_kept():
        assert cli.main(["gpu", "record", "--output", str(tmp_path / "node.jsonl")]) == 4
    assert "install the NVIDIA driver" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "no empty file is left"


@pytest.mark.parametrize(
    "wrong", [("--seconds", "0"), ("--interval", "0"), ("--interval", "nan"), ("--interval", "inf")]
)
def test_times_that_are_none_are_refused(wrong: tuple[str, str], tmp_path: Path) -> None:
    assert cli.main(["gpu", "record", "--output", str(tmp_path / "node.jsonl"), *wrong]) == 2


def test_a_broken_recording_is_refused_with_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.jsonl"
    path.write_text("{}\n")
    with signals_kept():
        assert cli.main(["exporter", "--listen", "127.0.0.1:0", "--gpu-replay", str(path)]) == 3
    told = capsys.readouterr().err
    assert f"{path}: 1 mistake\n  line 1: expected the header of a recording" in told
    assert "atlas-ops gpu record" in told


def test_gpus_are_either_replayed_or_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["exporter", "--gpu-replay", "node.jsonl", "--simulated-gpus", "http://127.0.0.1:1"])
    assert ended.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
