"""`atlas-ops gate`: exit codes, files that it writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from atlas_ops.cli import main
from tests.gate import runs


def gate(*words: object) -> int:
    return main(["gate", *map(str, words)])


@pytest.mark.parametrize(("slower", "count", "expected"), [(1.0, 6, 0), (1.3, 6, 1), (1.0, 3, 3)])
def test_the_exit_code_is_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slower: float, count: int, expected: int
) -> None:
    old, new = runs.side(tmp_path, "old", count), runs.side(tmp_path, "new", count, first=1, slower=slower)
    assert gate("--baseline", *old, "--canary", *new) == expected
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(("pass:", "fail:", "cannot tell:", "  "))


def test_the_tolerances_decide(tmp_path: Path) -> None:
    files = ["--baseline", *runs.side(tmp_path, "old"), "--canary", *runs.side(tmp_path, "new", first=1, slower=1.3)]
    assert gate(*files, "--margin", "60%", "--detect", "90%") == 0
    errors = ["--baseline", *runs.side(tmp_path, "old"), "--canary", *runs.side(tmp_path, "bad", first=1, failed=60)]
    assert gate(*errors) == 1
    assert gate(*errors, "--error-margin", "12%", "--error-detect", "30%") == 0


def test_every_form_is_written(tmp_path: Path) -> None:
    files = ["--baseline", *runs.side(tmp_path, "old"), "--canary", *runs.side(tmp_path, "new", first=1)]
    forms = {form: tmp_path / form for form in ("junit", "markdown", "json", "plot")}
    assert gate(*files, "--gpu-cost", "3", *(word for form, path in forms.items() for word in (f"--{form}", path))) == 0
    assert ElementTree.parse(forms["junit"]).getroot().tag == "testsuites"
    assert forms["markdown"].read_text(encoding="utf-8").startswith("**Gate: pass")
    assert "cost_per_million_tokens" in {
        one["key"] for one in json.loads(forms["json"].read_text(encoding="utf-8"))["metrics"]
    }
    assert forms["plot"].read_bytes().startswith(b"<?xml")


def test_first_runs_can_be_left_out(tmp_path: Path) -> None:
    old, new = runs.side(tmp_path, "old"), runs.side(tmp_path, "new", first=1)
    runs.lines(new[0], 1, slower=40.0)  # cold
    assert gate("--baseline", *old, "--canary", *new) == 3
    assert gate("--baseline", *old, "--canary", *new, "--skip-runs", "1") == 0


REFUSED = {
    "nothing": ([], "give one of --baseline and --canary, --run, --prometheus"),
    "two ways": (["--baseline", "a", "--run", "b"], "give one of"),
    "one side": (["--baseline", "a"], "--canary is missing"),
    "no url": (["--run", "k6 {url} {output}"], "--baseline-url and --canary-url is missing"),
    "no model": (["--prometheus", "http://127.0.0.1:1", "--baseline-selector", "a", "--canary-selector", "b"], "--model is missing"),
    "no file": (["--baseline", "nowhere", "--canary", "nowhere"], "nowhere: cannot be read"),
    "detect below margin": (["--baseline", "a", "--canary", "b", "--detect", "4%"], "--detect has to be above --margin"),
    "no runs": (["--baseline", "a", "--canary", "b", "--runs", "0"], "--runs has to be above 0"),
    "negative": (["--baseline", "a", "--canary", "b", "--skip-runs", "-1"], "cannot be below 0"),
    "free": (["--baseline", "a", "--canary", "b", "--gpu-cost", "0"], "--gpu-cost has to be above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_exit_code_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, said = REFUSED[name]
    assert gate(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("value", ["20", "0.2", "x%", "0%", "-5%", "2000%"])
def test_a_tolerance_is_written_in_per_cent(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gate("--baseline", "a", "--canary", "b", f"--detect={value}")
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--skip-seconds", "--gpu-cost", "--canary-gpu-cost", "--timeout", "--run-minutes"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "x"])
def test_what_is_no_number_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gate("--baseline", "a", "--canary", "b", f"{option}={value}")
    assert caught.value.code == 2
    assert f"argument {option}: found '{value}', expected a number" in capsys.readouterr().err


def test_a_run_that_is_given_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = runs.side(tmp_path, "old"), runs.side(tmp_path, "new", first=1)
    (tmp_path / "link").symlink_to(old[0])
    shutil.copy(old[0], tmp_path / "copy")
    (other := tmp_path / "folder").mkdir()
    for baseline, canary, said in (
        ([old[0]] * 5, new, f"{old[0]} is given twice"),
        ([*old, tmp_path / "link"], new, f"{old[0]} and {tmp_path / 'link'} are the same file"),
        ([*old, tmp_path / "copy"], new, f"{old[0]} and {tmp_path / 'copy'} hold the same bytes"),
        (old, old, f"{old[0]} is given twice"),
        (old, [shutil.copy(one, other) for one in old], "hold the same bytes"),
    ):
        assert gate("--baseline", *baseline, "--canary", *canary) == 2
        assert said in capsys.readouterr().err


def test_a_prometheus_that_is_not_there_is_exit_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", "m", "--baseline-selector", 'server="a"', "--canary-selector", 'server="b"']
    assert gate("--prometheus", "http://127.0.0.1:1", *words) == 4
    assert "Prometheus at http://127.0.0.1:1" in capsys.readouterr().err


def test_results_are_kept_in_a_new_folder_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.json").touch()
    words = ["--run", "k6 {url} {output}", "--baseline-url", "a", "--canary-url", "b", "--keep", tmp_path]
    assert gate(*words) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_load_ends_with_the_command(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "pid"
    load = f"import os,time; open('{told}','w').write(str(os.getpid())+' '); time.sleep(600)"
    words = ["gate", "--run", f'{sys.executable} -I -S -c "{load}" {{url}} {{output}}', "--baseline-url", "a", "--canary-url", "b"]  # fmt: skip
    command = subprocess.Popen([sys.executable, "-m", "atlas_ops", *words], stderr=subprocess.PIPE, text=True)
    while not (told.exists() and told.read_text(encoding="utf-8").endswith(" ")) and command.poll() is None:
        time.sleep(0.02)
    command.send_signal(number)
    said = command.communicate(timeout=60)[1]
    assert (command.returncode, said) == (130, "")
    assert not Path(f"/proc/{told.read_text(encoding='utf-8').strip()}").exists()
